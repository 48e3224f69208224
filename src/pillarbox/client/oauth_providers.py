"""The providers of OAuth2: where they are asked, for what, and their habits. Google's and Microsoft's are known here.

Rules: no client id and no secret is shipped: whoever uses a provider registers an application there (docs/oauth.md).
Every address is https; for tests, http to a loopback address.

Elsewhere: the mechanism is chosen by what the server offers (`login`), which also waits for the empty challenge before
it sends a token by XOAUTH2, as Microsoft's servers want it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pillarbox.events import Secret

__all__ = ["GOOGLE", "Application", "Provider", "microsoft"]


@dataclass(frozen=True, slots=True)
class Provider:
    """An authorization server, and the POP3 server that takes its tokens.

    Attributes:
        name: for messages and settings.
        authorize_url: where a browser is sent (RFC 6749 §3.1).
        token_url: where codes and refresh tokens are exchanged (RFC 6749 §3.2).
        device_url: where the device flow begins (RFC 8628 §3.1); "" where it is not offered for mail.
        scopes: what is asked for.
        url: of the POP3 server; "" where that is another matter.
        redirect_host: of the loopback redirect, as the provider wants it registered.
        parameters: more fields of the authorization request.
        device_help: what to say where there is no device flow.
    """

    name: str
    authorize_url: str
    token_url: str
    device_url: str
    scopes: tuple[str, ...]
    url: str = ""
    redirect_host: str = "127.0.0.1"
    parameters: tuple[tuple[str, str], ...] = ()
    device_help: str = ""


@dataclass(frozen=True, slots=True)
class Application:
    """What the user has registered at a provider.

    Attributes:
        client_id: public.
        client_secret: None for a public client. Google gives one to desktop applications, too.
    """

    provider: Provider
    client_id: str
    client_secret: Secret | None = field(default=None)

    def credentials(self) -> dict[str, str]:
        """The fields that name the application in a request to the token endpoint (RFC 6749 §2.3.1)."""
        fields = {"client_id": self.client_id}
        if self.client_secret is not None:
            fields["client_secret"] = self.client_secret.reveal().decode("utf-8")
        return fields


GOOGLE = Provider(
    name="google",
    authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
    token_url="https://oauth2.googleapis.com/token",  # noqa: S106 - an address, no secret
    # Google's device flow takes a short list of scopes, and mail is not among them.
    device_url="",
    scopes=("https://mail.google.com/",),
    url="pops://pop.gmail.com",
    # Without them there is no refresh token for somebody who has consented before.
    parameters=(("access_type", "offline"), ("prompt", "consent")),
    device_help="Google does not allow the device flow for mail: use a browser, or paste the address it ends at",
)

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}\Z")


def microsoft(tenant: str = "common") -> Provider:
    """Microsoft 365 and Outlook.com.

    Args:
        tenant: "common", "consumers", "organizations", or an organization's id or domain.

    Raises:
        ValueError: it can be none of these.
    """
    if _TENANT.match(tenant) is None:
        raise ValueError('a tenant is "common", "consumers", "organizations", an id, or a domain')
    base = f"https://login.microsoftonline.com/{tenant}/oauth2/v2.0"
    return Provider(
        name="microsoft",
        authorize_url=f"{base}/authorize",
        token_url=f"{base}/token",
        device_url=f"{base}/devicecode",
        scopes=("https://outlook.office.com/POP.AccessAsUser.All", "offline_access"),
        url="pops://outlook.office365.com",
        # Its registration page takes http://localhost, and ignores the port of that only.
        redirect_host="localhost",
    )
