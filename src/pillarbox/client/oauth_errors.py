"""What can go wrong with OAuth2, by what somebody has to do about it.

Rules: the text says what happened and what to do, in one line that is fit for a terminal; it never holds a token, a
code or a secret. `temporary` decides: whatever is temporary passes by itself, and no credential is given up for it.
Texts a provider sent stand in `detail` only, cleaned and cut, and are at the end of the message.
Serves RFC 6749 §4.1.2.1 and §5.2, RFC 8628 §3.5.
"""

from __future__ import annotations

from typing import ClassVar

from pillarbox.client.errors import ClientError, shown

__all__ = [
    "ApplicationRefused",
    "ConsentDenied",
    "ConsentExpired",
    "ConsentLost",
    "OAuthError",
    "ProviderUnavailable",
    "TokenFileError",
]


def cleaned(text: object) -> str:
    """A provider's text, fit for a terminal and short; "" for what is no text."""
    return shown(text) if isinstance(text, str) else ""


class OAuthError(ClientError):
    """Something about OAuth2 failed.

    Attributes:
        temporary: it may pass by itself; the credential is as good as before.
        message: what happened and what to do, in our words.
        code: the provider's error code ("invalid_grant"), cleaned; "" for none.
        detail: the provider's own words, cleaned; "" for none. Untrusted.
    """

    temporary: ClassVar[bool] = False

    def __init__(self, message: str, *, code: str = "", detail: str = "") -> None:
        self.message = message
        self.code = cleaned(code)
        self.detail = cleaned(detail)
        said = ": ".join(part for part in (self.code, self.detail) if part)
        super().__init__(f"{message} (the provider said: {said})" if said else message)


class ConsentLost(OAuthError):
    """There is no usable credential: none yet, or it expired or was withdrawn. The user has to log in."""


class ConsentDenied(OAuthError):
    """The user, or a rule of the provider, said no."""


class ConsentExpired(OAuthError):
    """Nobody answered in time. Begin again."""


class ApplicationRefused(OAuthError):
    """The provider does not accept this application: its client id, its secret, its scopes, or a wrong preset."""


class ProviderUnavailable(OAuthError):
    """The provider did not answer, or said that it cannot now. Try again later; the credential is as good as before.

    Attributes:
        retry_after: seconds the provider asked for; 0 when it did not.
    """

    temporary = True

    def __init__(self, message: str, *, code: str = "", detail: str = "", retry_after: float = 0.0) -> None:
        super().__init__(message, code=code, detail=detail)
        self.retry_after = retry_after


class TokenFileError(OAuthError):
    """The token file cannot be read, written or trusted. The provider was not asked, unless the text says so."""
