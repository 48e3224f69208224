"""Verifies bearer tokens: JWTs by the provider's keys, other tokens by asking the provider.

Rules: whatever comes in, an answer comes out: `Verified`, or `Invalid` with a fixed reason; never an exception, and
never a word of the token in any text. The algorithm is one of those that are allowed, and fits the key; a key that the
token brings along or points to (`jwk`, `jku`, `x5u`, `x5c`) is not looked at. A JWT is trusted until it expires; where
`introspect` is "all", and for other tokens, the provider is asked again while a session runs. Needs joserfc (the extra
`tokens`): import this module only where tokens are enabled.

What claims must say is in `token_claims`, keys in `jwks`, asking in `introspection`. RFC 7515, 7519, 6750, 7628, 8725.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from joserfc.jws import JWSRegistry, deserialize_compact

from pillarbox.auth.introspection import Introspection
from pillarbox.auth.jwks import FileKeys, Keys, KeysUnavailable, UrlKeys
from pillarbox.auth.token_claims import Demands, Invalid, Reason, Verified, judge
from pillarbox.auth.token_http import JsonClient, Unanswered
from pillarbox.config.schema_tokens import Tokens
from pillarbox.events import Secret, Sink, internal_error

__all__ = ["Invalid", "Reason", "TokenVerifier", "TokensUnusable", "Verified"]

MAX_TOKEN = 16 * 1024
"""Octets: tokens with many groups have some 8 KB."""

MAX_LIVE = 16_384
"""Tokens that are remembered for running sessions: more than a worker has connections."""

_MAX_HEADER = 4096
_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 §2.1


class TokensUnusable(Exception):
    """The settings cannot be followed. The message says why and what to do."""


class _Registry(JWSRegistry):
    """joserfc's rules for signatures, with room for Microsoft's headers, and with the one list of what is allowed."""

    max_header_length = _MAX_HEADER
    max_payload_length = MAX_TOKEN

    def get_alg(self, name: str) -> Any:  # Any: the library does not export the type
        """The algorithm, without the warning that "EdDSA" has a more precise name since RFC 9864: providers use it."""
        return self.algorithms[name]


@dataclass(frozen=True, slots=True)
class _Live:
    """A token that let somebody in. `token` is kept where the provider is asked again."""

    login: str
    expires: float | None
    token: Secret | None
    confirmed: float


class TokenVerifier:
    """Verifies tokens. One belongs to one event loop.

    Args:
        demands: what claims must say.
        algorithms: the signatures that are allowed.
        keys: for JWTs; None where they are not verified here.
        introspection: for other tokens; None for none.
        introspect_all: ask about JWTs too.
        grace: seconds for which sessions go on while the provider does not answer.
        now: UTC seconds.
        clock: monotonic seconds.
        sink: is told of defects.
    """

    def __init__(
        self,
        demands: Demands,
        *,
        algorithms: frozenset[str],
        keys: Keys | None,
        introspection: Introspection | None,
        introspect_all: bool,
        grace: float,
        now: Callable[[], float],
        clock: Callable[[], float],
        sink: Sink,
    ) -> None:
        self._demands = demands
        self._algorithms = algorithms
        self._keys = keys
        self._introspection = introspection
        self._introspect_all = introspect_all
        self._grace = grace
        self._now = now
        self._clock = clock
        self._sink = sink
        self._registry = _Registry(algorithms=algorithms, strict_check_header=False)
        self._live: OrderedDict[str, _Live] = OrderedDict()

    @classmethod
    def of(
        cls,
        settings: Tokens,
        client: JsonClient,
        *,
        default_domain: str,
        now: Callable[[], float],
        clock: Callable[[], float],
        sink: Sink,
    ) -> TokenVerifier:
        """The verifier that `auth.tokens.*` describes; `client` asks the provider.

        Raises:
            TokensUnusable: the file of the client's secret cannot be read.
        """
        demands = Demands(
            issuer=settings.issuer,
            audience=frozenset(settings.audience),
            scopes=frozenset(settings.scopes),
            account_claims=settings.account_claims,
            mfa_amr=frozenset(settings.mfa_amr),
            mfa_acr=frozenset(settings.mfa_acr),
            clock_skew=settings.clock_skew,
            default_domain=default_domain,
        )
        return cls(
            demands,
            algorithms=frozenset(settings.algorithms),
            keys=_keys(settings, client, clock, sink),
            introspection=_introspection(settings, client, clock),
            introspect_all=settings.introspect == "all",
            grace=settings.introspection_grace,
            now=now,
            clock=clock,
            sink=sink,
        )

    async def verify(self, token: Secret, login: str) -> Verified | Invalid:
        """Judge a token that came with `login` ("" where the client named nobody). Never raises."""
        try:
            octets = token.reveal()
            if not 0 < len(octets) <= MAX_TOKEN or not _TOKEN.fullmatch(octets):
                return Invalid(Reason.MALFORMED)
            return await self._verify(token, login)
        except Unanswered:
            return Invalid(Reason.UNANSWERED)
        except KeysUnavailable:
            return Invalid(Reason.NO_KEYS)
        except Exception as error:
            self._sink.emit(internal_error(error))
            return Invalid(Reason.DEFECT)

    async def still_valid(self, credential_id: str) -> bool:
        """Whether the token that let a session in would let it in now; ask every few seconds. Never raises.

        False for a token that is not remembered: a session whose token nobody knows must end.
        """
        live = self._live.get(credential_id)
        if live is None:
            return False
        valid = live.expires is None or self._now() < live.expires + self._demands.clock_skew
        if valid and live.token is not None:
            valid = await self._confirmed(credential_id, live, live.token)
        if not valid:
            self._live.pop(credential_id, None)
        return valid

    # ---- the two ways -----------------------------------------------------------------------------------------

    async def _verify(self, token: Secret, login: str) -> Verified | Invalid:
        credential = _credential(token)
        header = _jwt_header(token.reveal())
        if header is not None and self._keys is not None:
            result = await self._by_keys(self._keys, token, header, login, credential)
            if self._introspection is None or not self._introspect_all:
                return self._remembered(result, login, None)
            if isinstance(result, Invalid):
                return result
            confirmed = await self._by_asking(self._introspection, token, login, credential)
            # The signed claims say how the owner logged in; the answer need not repeat it.
            return self._remembered(confirmed if isinstance(confirmed, Invalid) else result, login, token)
        if self._introspection is None:
            return Invalid(Reason.NOT_A_JWT)
        return self._remembered(await self._by_asking(self._introspection, token, login, credential), login, token)

    async def _by_keys(
        self, keys: Keys, token: Secret, header: dict[str, Any], login: str, credential: str
    ) -> Verified | Invalid:
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            return Invalid(Reason.ALGORITHM)
        if "crit" in header:
            return Invalid(Reason.EXTENSIONS)
        if kid is not None and not isinstance(kid, str):
            return Invalid(Reason.MALFORMED)
        candidates = await keys.find(kid, algorithm)
        if not candidates:
            return Invalid(Reason.UNKNOWN_KEY)
        for key in candidates:
            try:
                payload = deserialize_compact(token.reveal(), key, registry=self._registry).payload
            except Exception:  # noqa: S112 - a wrong signature, a key of another type, garbage: the library tells them
                continue  # apart by many types, and the answer is the same
            return self._judged(_object(payload), login, credential, introspected=False)
        return Invalid(Reason.SIGNATURE)

    async def _by_asking(
        self, introspection: Introspection, token: Secret, login: str, credential: str
    ) -> Verified | Invalid:
        claims = await introspection.claims(token, credential)
        if claims is None:
            return Invalid(Reason.INACTIVE)
        return self._judged(claims, login, credential, introspected=True)

    def _judged(
        self, claims: dict[str, Any] | None, login: str, credential: str, *, introspected: bool
    ) -> Verified | Invalid:
        if claims is None:
            return Invalid(Reason.CLAIMS)
        return judge(
            claims, self._demands, login=login, now=self._now(), credential_id=credential, introspected=introspected
        )

    # ---- running sessions -------------------------------------------------------------------------------------

    def _remembered(self, result: Verified | Invalid, login: str, token: Secret | None) -> Verified | Invalid:
        if isinstance(result, Verified):
            self._live[result.credential_id] = _Live(login, result.expires, token, self._clock())
            self._live.move_to_end(result.credential_id)
            if len(self._live) > MAX_LIVE:
                self._live.popitem(last=False)
        return result

    async def _confirmed(self, credential: str, live: _Live, token: Secret) -> bool:
        assert self._introspection is not None  # a token is kept only where there is one
        try:
            result = await self._by_asking(self._introspection, token, live.login, credential)
        except Unanswered:
            return self._clock() - live.confirmed < self._grace
        except Exception as error:
            self._sink.emit(internal_error(error))
            return False
        if isinstance(result, Verified):
            self._live[credential] = _Live(live.login, live.expires, token, self._clock())
        return isinstance(result, Verified)


def _credential(token: Secret) -> str:
    # A token has more entropy than can be searched, so that a plain digest gives nothing away.
    return "token-" + hashlib.sha256(token.reveal()).hexdigest()[:32]


def _jwt_header(token: bytes) -> dict[str, Any] | None:
    """The header of a signed JWT, or None for any other token."""
    segments = token.split(b".")
    if len(segments) != 3 or len(segments[0]) > _MAX_HEADER:
        return None
    try:
        header = _object(base64.urlsafe_b64decode(segments[0] + b"=" * (-len(segments[0]) % 4)))
    except ValueError:
        return None
    return header if header is not None and "alg" in header else None


def _object(data: bytes) -> dict[str, Any] | None:
    """The JSON object in `data`, or None. `Any`: whatever JSON held."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _keys(settings: Tokens, client: JsonClient, clock: Callable[[], float], sink: Sink) -> Keys | None:
    if settings.jwks_file is not None:
        return FileKeys(settings.jwks_file, clock=clock, sink=sink)
    if not settings.jwks_url:
        return None
    return UrlKeys(
        settings.jwks_url,
        client,
        refresh=settings.jwks_refresh,
        unknown_key=settings.jwks_unknown_key,
        stale=settings.jwks_stale,
        clock=clock,
        sink=sink,
    )


def _introspection(settings: Tokens, client: JsonClient, clock: Callable[[], float]) -> Introspection | None:
    if not settings.introspection_url:
        return None
    assert settings.client_secret_file is not None  # the configuration's checks see to it
    try:
        secret = settings.client_secret_file.read_bytes().partition(b"\n")[0].strip()
    except OSError as error:
        raise TokensUnusable(
            f"auth.tokens.client_secret_file: {settings.client_secret_file} cannot be read: {error.strerror}"
        ) from None
    if not secret:
        raise TokensUnusable(f"auth.tokens.client_secret_file: {settings.client_secret_file} is empty")
    return Introspection(
        settings.introspection_url,
        client,
        client_id=settings.client_id,
        client_secret=Secret(secret),
        cache=settings.introspection_cache,
        refused_cache=settings.introspection_refused_cache,
        clock=clock,
    )
