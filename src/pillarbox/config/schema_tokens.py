"""The section about bearer tokens (OAUTHBEARER, XOAUTH2): auth.tokens.

Rules: as in `schema_server`. A secret never stands in the configuration, only the name of its file. What a token must
be like is in `pillarbox.auth.tokens`.
"""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from pillarbox.config.fields import OptionalPath, Section, not_empty, or_empty, setting
from pillarbox.config.problem import Wrong

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
"""Signatures with a public key. HS256 and its like would make the published key a secret; "none" proves nothing."""

LOOPBACK = frozenset({"127.0.0.1", "::1"})
"""Hosts that may be asked without TLS. Not "localhost": that is a name, and names can be made to lead elsewhere."""


def web_address(text: str) -> str:
    """Check the URL of a service that is trusted with tokens or keys.

    Raises:
        Wrong: it is not https to some host, nor http to this machine by its loopback address.
    """
    example = 'write one such as "https://login.example.org/keys"'
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise Wrong(f'"{text}" is not a URL', example) from None
    if not text.isascii() or not text.isprintable() or " " in text or not host or port == 0:
        raise Wrong(f'"{text}" is not a URL', example)
    if parts.username is not None or parts.fragment:
        raise Wrong(f'"{text}" holds a user name or a fragment', example)
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
        raise Wrong(
            f'"{text}" would be asked without TLS, so that anybody on the way could let anybody in',
            "write https://…; http:// is only allowed to 127.0.0.1 and [::1]",
        )
    return text


Texts = Annotated[tuple[str, ...], Field(strict=False)]
SomeTexts = Annotated[tuple[str, ...], Field(strict=False), AfterValidator(not_empty)]
WebAddressOrEmpty = Annotated[str, or_empty(web_address)]


class Tokens(Section):
    """Bearer tokens of an identity provider, for OAUTHBEARER and XOAUTH2. Needs the extra `tokens`."""

    enabled: bool = setting(False, "Whether tokens let anybody in.")
    issuer: str = setting(
        "",
        "Who must have issued a token: exactly its `iss`.",
        kind="a text in quotes, mostly a URL",
        example="https://login.example.org/realms/main",
    )
    audience: Texts = setting(
        (),
        "Whom a token must be for: one of these must be in its `aud`. Without it, tokens made for any other service of "
        "the same provider would open mailboxes.",
        kind="a list of texts in quotes",
        example=("pillarbox",),
    )
    scopes: Texts = setting(
        (), "Scopes a token must have, all of them.", kind="a list of texts in quotes", example=("mail.read",)
    )
    account_claims: SomeTexts = setting(
        ("email", "preferred_username"),
        "The claim that names the account; the first that the token has counts. Name only claims that users cannot "
        "change themselves.",
        kind="a list of names in quotes",
    )
    algorithms: Annotated[tuple[Literal[ALGORITHMS], ...], Field(strict=False), AfterValidator(not_empty)] = setting(  # type: ignore[valid-type]
        ("RS256", "PS256", "ES256", "EdDSA", "Ed25519"),
        "The signatures that are accepted.",
        kind="a list of " + ", ".join(f'"{name}"' for name in ALGORITHMS),
    )
    clock_skew: int = setting(60, "Seconds by which the provider's clock may differ from ours.", ge=0, le=300)
    mfa_amr: Texts = setting(
        ("mfa",),
        "Values of `amr` (RFC 8176) that prove a second factor; one is enough.",
        kind="a list of texts in quotes",
    )
    mfa_acr: Texts = setting(
        (),
        "Values of `acr` that prove a second factor, as the provider calls them.",
        kind="a list of texts in quotes",
        example=("gold",),
    )
    jwks_url: WebAddressOrEmpty = setting(
        "",
        "Where the provider publishes its keys (a JWK set).",
        kind="a URL in quotes",
        example="https://login.example.org/keys",
    )
    jwks_file: OptionalPath = setting(
        None,
        "A file with the provider's keys, instead of `jwks_url`. It is read anew when it changes.",
        kind="the path of a file in quotes",
        example="/etc/pillarbox/keys.json",
    )
    jwks_refresh: int = setting(3600, "Seconds after which keys are fetched anew.", ge=60, le=604_800)
    jwks_unknown_key: int = setting(
        60, "Seconds between two fetches because a token names a key that is not known.", ge=5, le=3600
    )
    jwks_stale: int = setting(
        86_400, "Seconds for which fetched keys are used while they cannot be fetched anew.", ge=60, le=2_592_000
    )
    introspection_url: WebAddressOrEmpty = setting(
        "",
        "Where the provider tells whether a token is good (RFC 7662): for tokens that are not JWTs.",
        kind="a URL in quotes",
        example="https://login.example.org/introspect",
    )
    introspect: Literal["opaque", "all"] = setting(
        "opaque",
        'Which tokens are introspected: those that are "opaque", or "all", so that revoked JWTs are noticed too.',
    )
    client_id: str = setting("", "Our name at the introspection service.", kind="a text in quotes", example="pillarbox")
    client_secret_file: OptionalPath = setting(
        None,
        "A file whose first line is our secret at the introspection service.",
        kind="the path of a file in quotes",
        example="/etc/pillarbox/introspection.secret",
    )
    introspection_cache: float = setting(
        3.0, "Seconds for which a good answer holds; a revoked token ends its session so much later.", ge=0, le=300
    )
    introspection_refused_cache: float = setting(60.0, "Seconds for which a refusal holds.", ge=0, le=3600)
    introspection_grace: int = setting(
        60, "Seconds for which running sessions go on while the introspection service does not answer.", ge=0, le=86_400
    )
    timeout: float = setting(5.0, "Seconds the provider may take for one answer.", ge=0.1, le=60)

    @model_validator(mode="after")
    def _complete(self) -> Tokens:
        if not self.enabled:
            return self
        if self.jwks_url and self.jwks_file:
            raise Wrong("both `jwks_url` and `jwks_file` are named", "name one of them")
        keys = bool(self.jwks_url or self.jwks_file)
        if not keys and not self.introspection_url:
            raise Wrong("nothing tells whether a token is good", "name `jwks_url`, `jwks_file` or `introspection_url`")
        if keys and not self.issuer:
            raise Wrong("`issuer` is missing", "write the provider's `iss`, as its tokens have it")
        if not self.audience:
            raise Wrong("`audience` is missing", "write the `aud` of the tokens that are meant for this server")
        if self.introspection_url and not (self.client_id and self.client_secret_file):
            raise Wrong("`client_id` or `client_secret_file` is missing", "introspection services want both")
        if self.introspect == "all" and not self.introspection_url:
            raise Wrong("`introspection_url` is missing", 'name it, or write introspect = "opaque"')
        return self
