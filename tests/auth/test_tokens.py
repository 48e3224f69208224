"""Bearer tokens with real keys and a real provider: what lets somebody in, and the many things that do not."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwe
from joserfc.jwk import Key, RSAKey
from tests.auth.provider import GOOD, ISSUER, NOW, Clock, Provider, ec, ed25519, key_set, rsa, running, signed

from pillarbox.auth import tokens
from pillarbox.auth.token_http import JsonClient
from pillarbox.auth.tokens import Invalid, Reason, TokensUnusable, TokenVerifier, Verified
from pillarbox.config.schema_tokens import Tokens
from pillarbox.events import MemorySink, Secret

RSA, EC, ED = rsa("rsa"), ec("ec"), ed25519("ed")
ALICE = "alice@example.org"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running() as found:
        found.holds("/keys", key_set(RSA, EC, ED))
        found.holds("/introspect", {"active": False})
        yield found


class Here:
    """A verifier as the settings make it."""

    def __init__(self, provider: Provider, base: Path, **changes: Any) -> None:
        (base / "secret").write_text("s3cret\n")
        table = {"enabled": True, "issuer": ISSUER, "audience": ["pillarbox"], "jwks_url": provider.url("/keys")}
        if changes.pop("introspection", False):
            table |= {"introspection_url": provider.url("/introspect"), "client_id": "pillarbox"}
            table |= {"client_secret_file": str(base / "secret")}
        settings = Tokens.model_validate({**table, **changes})
        self.clock = Clock()
        self.sink = MemorySink()
        self.client = JsonClient(timeout=1.0)
        self.verifier = TokenVerifier.of(
            settings, self.client, default_domain="", now=self.clock, clock=self.clock, sink=self.sink
        )

    async def verify(self, token: Secret, login: str = ALICE) -> Any:
        """The reason, or the result."""
        result = await self.verifier.verify(token, login)
        return result.reason if isinstance(result, Invalid) else result


@pytest.fixture
def run(provider: Provider, tmp_path: Path) -> Callable[..., None]:
    def with_verifier(work: Callable[[Here], Awaitable[None]], **changes: Any) -> None:
        async def once() -> None:
            here = Here(provider, tmp_path, **changes)
            try:
                await work(here)
            finally:
                here.client.close()

        asyncio.run(once())

    return with_verifier


Run = Callable[..., None]


# ---- JWTs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "algorithm"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (ED, "EdDSA"), (ED, "Ed25519")]
)
def test_good_tokens_of_every_default_algorithm(run: Run, key: Key, algorithm: str) -> None:
    async def work(here: Here) -> None:
        token = signed(key, {**GOOD, "amr": ["pwd", "mfa"]}, algorithm)
        result = await here.verify(token)
        assert isinstance(result, Verified)
        assert (result.account, result.expires, result.mfa) == (ALICE, NOW + 600, True)
        assert result == await here.verify(token)
        assert (await here.verify(token, "")).account == ALICE
        assert result.credential_id != (await here.verify(signed(key, {**GOOD, "jti": "2"}, algorithm))).credential_id
        assert here.sink.events == []

    run(work)


def test_a_token_without_key_id_is_tried_with_all_keys(run: Run) -> None:
    async def work(here: Here) -> None:
        assert isinstance(await here.verify(signed(EC, GOOD, "ES256", kid=None)), Verified)
        assert await here.verify(signed(ec("x"), GOOD, "ES256", kid=None)) is Reason.SIGNATURE

    run(work)


def test_keys_of_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(json.dumps(key_set(EC)))

    async def work(here: Here) -> None:
        assert isinstance(await here.verify(signed(EC, GOOD, "ES256")), Verified)
        (tmp_path / "keys").unlink()
        here.clock.now += 1
        assert await here.verify(signed(EC, GOOD, "ES256")) is Reason.NO_KEYS

    run(work, jwks_url="", jwks_file=str(tmp_path / "keys"))


def test_rotation_and_outage(run: Run, provider: Provider) -> None:
    new = ec("new")

    async def work(here: Here) -> None:
        assert isinstance(await here.verify(signed(EC, GOOD, "ES256")), Verified)
        provider.holds("/keys", key_set(new))
        assert isinstance(await here.verify(signed(new, GOOD, "ES256")), Verified)
        assert await here.verify(signed(EC, GOOD, "ES256")) is Reason.UNKNOWN_KEY
        provider.hangs_up("/keys")
        here.clock.now += 3600
        fresh = {**GOOD, "exp": here.clock.now + 90_000}
        assert isinstance(await here.verify(signed(new, fresh, "ES256")), Verified)
        here.clock.now += 86_400
        result = await here.verifier.verify(signed(new, fresh, "ES256"), ALICE)
        assert result == Invalid(Reason.NO_KEYS)
        assert result.temporary

    run(work)


def test_without_keys_nobody_comes_in(run: Run, provider: Provider) -> None:
    provider.octets("/keys", b"<html>", "text/html")

    async def work(here: Here) -> None:
        assert await here.verify(signed(EC, GOOD, "ES256")) is Reason.NO_KEYS

    run(work)


# ---- forgeries ------------------------------------------------------------------------------------------------


def pieces(token: Secret) -> list[bytes]:
    return token.reveal().split(b".")


def encoded(value: Any) -> bytes:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def unsigned(header: Any, claims: Any = GOOD, signature: bytes = b"") -> Secret:
    return Secret(b".".join([encoded(header), encoded(claims), encoded(signature)]))


def test_a_changed_token_is_refused(run: Run) -> None:
    async def work(here: Here) -> None:
        header, payload, signature = pieces(signed(EC, GOOD, "ES256"))
        mallory = encoded({**GOOD, "email": "mallory@example.org"})
        for parts in ((header, mallory, signature), (header, payload, signature[:-8]), (header, payload, b"")):
            assert await here.verify(Secret(b".".join(parts)), "mallory@example.org") is Reason.SIGNATURE
        _, _, other = pieces(signed(ec("ec"), GOOD, "ES256"))
        assert await here.verify(Secret(b".".join([header, payload, other]))) is Reason.SIGNATURE
        _, _, foreign = pieces(signed(RSA, GOOD, "RS256"))
        assert await here.verify(Secret(b".".join([header, payload, foreign]))) is Reason.SIGNATURE

    run(work)


@pytest.mark.parametrize("name", ["none", "None", "NONE", "", "HS256", "RS1", "ES256K", 7, None, ["ES256"], {}])
def test_other_algorithms_are_refused(run: Run, name: Any) -> None:
    """RFC 8725 §3.1."""

    async def work(here: Here) -> None:
        assert await here.verify(unsigned({"alg": name, "kid": "ec"})) is Reason.ALGORITHM

    run(work)


def test_a_public_key_is_no_shared_secret(run: Run) -> None:
    """RFC 8725 §2.1: a token signed by HMAC with the published key."""

    async def work(here: Here) -> None:
        signing = encoded({"alg": "HS256", "kid": "rsa"}) + b"." + encoded(GOOD)
        assert isinstance(RSA, RSAKey)
        for secret in (RSA.as_pem(private=False), RSA.as_der(private=False), json.dumps(RSA.as_dict()).encode()):
            forged = signing + b"." + encoded(hmac.digest(secret, signing, hashlib.sha256))
            assert await here.verify(Secret(forged)) is Reason.ALGORITHM

    run(work)


def test_the_key_must_fit_the_algorithm(run: Run) -> None:
    async def work(here: Here) -> None:
        assert await here.verify(signed(EC, GOOD, "ES256", kid="rsa")) is Reason.SIGNATURE
        assert await here.verify(unsigned({"alg": "RS256", "kid": "ec"}, GOOD, b"x" * 64)) is Reason.SIGNATURE
        assert await here.verify(unsigned({"alg": "EdDSA", "kid": "rsa"}, GOOD, b"x" * 64)) is Reason.SIGNATURE

    run(work)


def test_an_algorithm_that_was_taken_off_the_list_is_refused(run: Run) -> None:
    async def work(here: Here) -> None:
        assert await here.verify(signed(RSA, GOOD, "RS256")) is Reason.ALGORITHM
        assert isinstance(await here.verify(signed(EC, GOOD, "ES256")), Verified)

    run(work, algorithms=["ES256"])


def test_keys_that_the_token_brings_along_are_not_used(run: Run, provider: Provider) -> None:
    own = ec("own")
    provider.holds("/own", key_set(own))

    async def work(here: Here) -> None:
        for header in (
            {"jwk": own.as_dict(private=False)},
            {"jku": provider.url("/own")},
            {"x5u": provider.url("/own")},
        ):
            assert await here.verify(signed(own, GOOD, "ES256", kid=None, **header)) is Reason.SIGNATURE
        assert [path for path, _, _ in provider.asked if path == "/own"] == []

    run(work)


def test_extensions_are_refused(run: Run) -> None:
    """RFC 7515 §4.1.11; RFC 7797 §7."""

    async def work(here: Here) -> None:
        token = unsigned({"alg": "ES256", "kid": "ec", "crit": ["b64"], "b64": False})
        assert await here.verify(token) is Reason.EXTENSIONS

    run(work)


def test_what_providers_add_to_headers_is_fine(run: Run) -> None:
    async def work(here: Here) -> None:
        token = signed(EC, GOOD, "ES256", nonce="n" * 200, x5t="t" * 27, typ="at+jwt", **{"x-ms": "y" * 400})
        assert isinstance(await here.verify(token), Verified)

    run(work)


GARBAGE = [
    b"",
    b"x" * (tokens.MAX_TOKEN + 1),
    b"a b",
    b"\0",
    "tökén".encode(),
    b"a.b.c\n",
    b"=",
    b"a,b",
]


@pytest.mark.parametrize("octets", GARBAGE)
def test_what_cannot_be_a_token(run: Run, octets: bytes) -> None:
    async def work(here: Here) -> None:
        assert await here.verify(Secret(octets)) is Reason.MALFORMED

    run(work, introspection=True)


ODD = [
    b"opaque",
    b"..",
    b"a.b.c",
    b"a.b.c.d.e",
    b".".join([encoded([]), b"e30", b"AA"]),
    b".".join([encoded({"typ": "JWT"}), b"e30", b"AA"]),
    b".".join([encoded(b"[" * 3000), b"e30", b"AA"]),
    b".".join([encoded(b"\xff\xfe"), b"e30", b"AA"]),
    b".".join([b"A" * 5000, b"e30", b"AA"]),
]


@pytest.mark.parametrize("octets", ODD)
def test_what_is_no_jwt_needs_introspection(run: Run, octets: bytes) -> None:
    async def refused(here: Here) -> None:
        assert await here.verify(Secret(octets)) is Reason.NOT_A_JWT
        assert here.sink.events == []

    async def asked(here: Here) -> None:
        assert await here.verify(Secret(octets)) is Reason.INACTIVE

    run(refused)
    run(asked, introspection=True)


@pytest.mark.parametrize("payload", [b"", b"x", b"[]", b"null", b'"x"', b"[" * 5000, b'{"exp": 1' + b"0" * 5000 + b"}"])
def test_a_signed_payload_that_is_no_object(run: Run, payload: bytes) -> None:
    async def work(here: Here) -> None:
        assert await here.verify(signed(EC, payload, "ES256")) is Reason.CLAIMS

    run(work)


@pytest.mark.parametrize("kid", [7, [], {}, True])
def test_a_key_id_that_is_no_text(run: Run, kid: Any) -> None:
    async def work(here: Here) -> None:
        assert await here.verify(unsigned({"alg": "ES256", "kid": kid})) is Reason.MALFORMED

    run(work)


def test_an_encrypted_token_is_not_for_us(run: Run) -> None:
    async def work(here: Here) -> None:
        token = jwe.encrypt_compact({"alg": "ECDH-ES", "enc": "A128GCM"}, b"{}", EC)
        assert await here.verify(Secret(token)) is Reason.NOT_A_JWT

    run(work)


def test_claims_are_judged(run: Run) -> None:
    async def work(here: Here) -> None:
        assert await here.verify(signed(EC, {**GOOD, "exp": NOW - 61}, "ES256")) is Reason.EXPIRED
        assert await here.verify(signed(EC, {**GOOD, "aud": "other"}, "ES256")) is Reason.AUDIENCE
        assert await here.verify(signed(EC, GOOD, "ES256"), "bob@example.org") is Reason.OTHER_ACCOUNT

    run(work)


def test_a_defect_is_an_event_and_lets_nobody_in_and_tells_nothing(run: Run) -> None:
    """P60: neither the token nor what a defect's text may hold of it."""

    async def work(here: Here) -> None:
        token = signed(EC, GOOD, "ES256")

        async def broken(kid: str | None, algorithm: str) -> list[Key]:
            raise RuntimeError(token.reveal().decode())

        here.verifier._keys.find = broken  # type: ignore[union-attr, method-assign]
        result = await here.verifier.verify(token, ALICE)
        assert result == Invalid(Reason.DEFECT)
        assert result.temporary
        [event] = here.sink.events
        assert token.reveal().decode()[:20] not in repr(event)

    run(work)


# ---- introspection --------------------------------------------------------------------------------------------

ACTIVE = {"active": True, "aud": "pillarbox", "email": ALICE, "exp": NOW + 600}
OPAQUE = Secret("opaque-token-1")


def test_an_opaque_token(run: Run, provider: Provider) -> None:
    provider.holds("/introspect", {**ACTIVE, "acr": "gold"})

    async def work(here: Here) -> None:
        result = await here.verify(OPAQUE)
        assert (result.account, result.expires, result.mfa) == (ALICE, NOW + 600, True)
        assert await here.verify(OPAQUE, "bob@example.org") is Reason.OTHER_ACCOUNT

    run(work, introspection=True, mfa_acr=["gold"])


@pytest.mark.parametrize("how", ["status", "hangs up", "html", "garbage", "huge"])
def test_no_answer_is_temporary(run: Run, provider: Provider, how: str) -> None:
    match how:
        case "status":
            provider.octets("/introspect", b"{}", status=401)
        case "hangs up":
            provider.hangs_up("/introspect")
        case "html":
            provider.octets("/introspect", b"{}", "text/html")
        case "garbage":
            provider.octets("/introspect", b"{")
        case _:
            provider.endless("/introspect")

    async def work(here: Here) -> None:
        result = await here.verifier.verify(OPAQUE, ALICE)
        assert result == Invalid(Reason.UNANSWERED)
        assert result.temporary

    run(work, introspection=True)


def test_without_keys_jwts_are_introspected_too(run: Run, provider: Provider) -> None:
    provider.holds("/introspect", ACTIVE)

    async def work(here: Here) -> None:
        assert isinstance(await here.verify(signed(ec("any"), GOOD, "ES256")), Verified)

    run(work, introspection=True, jwks_url="")


def test_a_revoked_jwt_is_refused_where_all_are_introspected(run: Run, provider: Provider) -> None:
    async def work(here: Here) -> None:
        token = signed(EC, {**GOOD, "amr": ["mfa"]}, "ES256")
        provider.holds("/introspect", ACTIVE)
        assert (await here.verify(token)).mfa
        provider.holds("/introspect", {"active": False})
        here.clock.now += 3
        assert await here.verify(token) is Reason.INACTIVE
        # A forged one is not even asked about.
        asked = len(provider.asked)
        assert await here.verify(signed(ec("ec"), GOOD, "ES256")) is Reason.SIGNATURE
        assert len(provider.asked) == asked

    run(work, introspection=True, introspect="all")


# ---- running sessions -----------------------------------------------------------------------------------------


def test_a_session_ends_when_its_token_expires(run: Run) -> None:
    async def work(here: Here) -> None:
        credential = (await here.verify(signed(EC, GOOD, "ES256"))).credential_id
        here.clock.now += 659.9
        assert await here.verifier.still_valid(credential)
        here.clock.now += 0.1
        assert not await here.verifier.still_valid(credential)
        here.clock.now -= 600
        assert not await here.verifier.still_valid(credential), "once ended, it does not come back"

    run(work)


def test_a_session_ends_when_its_token_is_revoked(run: Run, provider: Provider) -> None:
    provider.holds("/introspect", {**ACTIVE, "exp": None})

    async def work(here: Here) -> None:
        credential = (await here.verify(OPAQUE)).credential_id
        here.clock.now += 3600
        assert await here.verifier.still_valid(credential)
        provider.holds("/introspect", {"active": False})
        here.clock.now += 3
        assert not await here.verifier.still_valid(credential)

    run(work, introspection=True)


def test_a_session_ends_when_its_token_becomes_another_accounts(run: Run, provider: Provider) -> None:
    provider.holds("/introspect", ACTIVE)

    async def work(here: Here) -> None:
        credential = (await here.verify(OPAQUE)).credential_id
        provider.holds("/introspect", {**ACTIVE, "email": "bob@example.org"})
        here.clock.now += 3
        assert not await here.verifier.still_valid(credential)

    run(work, introspection=True)


def test_an_outage_ends_sessions_after_the_named_time(run: Run, provider: Provider) -> None:
    provider.holds("/introspect", ACTIVE)

    async def work(here: Here) -> None:
        credential = (await here.verify(OPAQUE)).credential_id
        here.clock.now += 50
        assert await here.verifier.still_valid(credential)
        provider.hangs_up("/introspect")
        here.clock.now += 59
        assert await here.verifier.still_valid(credential)
        here.clock.now += 1
        assert not await here.verifier.still_valid(credential)

    run(work, introspection=True)


def test_a_token_that_is_not_remembered_is_not_valid(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MAX_LIVE", 2)

    async def work(here: Here) -> None:
        assert not await here.verifier.still_valid("token-unknown")
        made = [(await here.verify(signed(EC, {**GOOD, "jti": str(n)}, "ES256"))).credential_id for n in range(3)]
        assert [await here.verifier.still_valid(credential) for credential in made] == [False, True, True]

    run(work)


# ---- settings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [None, "", "\n", "  \nsecond line\n"])
def test_a_missing_secret_is_said_at_the_start(provider: Provider, tmp_path: Path, content: str | None) -> None:
    secret = tmp_path / "own-secret"
    if content is not None:
        secret.write_text(content)
    with pytest.raises(TokensUnusable, match="client_secret_file"):
        Here(provider, tmp_path, introspection=True, client_secret_file=str(secret))
