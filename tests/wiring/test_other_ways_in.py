"""Client certificates, tokens and the old digests, end to end with the accounts database: P46, P47."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.auth.provider import ISSUER, ec, key_set, signed
from tests.peers.authority import Authority
from tests.wiring.ways import Client, Installation

from pillarbox.auth.mfa import Policy
from pillarbox.events import Secret
from pillarbox.sasl import CramMd5Client, DigestKind, ExternalClient, OAuthBearerClient, XOAuth2Client
from pillarbox.sasl.digests import compute
from pillarbox.testing.live import LiveServer

PASSWORD = "correct-canary-horse-7351"
ADA, BOB, STRICT = "ada@example.org", "bob@example.org", "strict@example.org"
MECHANISMS = ["PLAIN", "EXTERNAL", "CRAM-MD5", "APOP"]


class Site(NamedTuple):
    here: Installation
    authority: Authority
    key: object
    keys: Path

    def token(self, account: str, **claims: object) -> Secret:
        given = {"iss": ISSUER, "aud": "pillarbox", "exp": time.time() + 600, "email": account, **claims}
        return signed(self.key, given, "ES256")  # type: ignore[arg-type]  # a key of joserfc, whatever its kind


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    authority = Authority(directory)
    key = ec("one")
    keys = directory / "keys.json"
    keys.write_text(json.dumps(key_set(key)))
    settings: dict[str, dict[str, object]] = {
        "auth": {"mechanisms": MECHANISMS},
        "auth.tokens": {"enabled": True, "issuer": ISSUER, "audience": ["pillarbox"], "jwks_file": str(keys)},
        "tls": {"client_ca": str(authority.path), "client_certificates": "optional"},
        "guard": {"penalty": 0.0},
    }
    with LiveServer({ADA: PASSWORD, BOB: PASSWORD, STRICT: PASSWORD}, settings=settings) as server:  # type: ignore[arg-type]  # as above
        here = Installation(server)
        here.accounts.set_mfa(STRICT, Policy.REQUIRED)
        yield Site(here, authority, key, keys)
        here.accounts.close()


def test_a_client_certificate_opens_the_account_it_is_for_and_no_other(site: Site) -> None:
    certificate = site.authority.issue(ADA, mail=True)
    with site.here.client("127.1.1.1", certificate) as client:
        assert client.auth(ExternalClient()).startswith(b"+OK")
        assert client.say("STAT").startswith(b"+OK")
    with site.here.client("127.1.1.1", certificate) as client:
        assert client.auth(ExternalClient(ADA)).startswith(b"+OK")
    with site.here.client("127.1.2.1", certificate) as client:
        assert client.auth(ExternalClient(BOB)).startswith(b"-ERR [AUTH]")
    with site.here.client("127.1.3.1") as client:
        assert client.say("AUTH EXTERNAL =").startswith(b"-ERR")


def test_a_certificate_for_a_host_opens_nothing(site: Site) -> None:
    with site.here.client("127.1.4.1", site.authority.issue("ada.example.org")) as client:
        assert client.auth(ExternalClient(ADA)).startswith(b"-ERR [AUTH]")


@pytest.mark.parametrize("kind", [OAuthBearerClient, XOAuth2Client])
def test_a_token_opens_the_account_it_names(site: Site, kind: type[OAuthBearerClient] | type[XOAuth2Client]) -> None:
    with site.here.client("127.2.1.1") as client:
        assert client.auth(kind(ADA, site.token(ADA))).startswith(b"+OK")
        assert client.say("STAT").startswith(b"+OK")
    for refused in (site.token(BOB), site.token(ADA, exp=time.time() - 600), site.token(ADA, aud="another")):
        with site.here.client("127.2.2.1") as client:
            # The mechanism answers the error with an empty line, or the dummy of its RFC, and then comes -ERR (P47).
            assert client.auth(kind(ADA, refused)).startswith(b"-ERR [AUTH]")


@pytest.mark.parametrize("kind", [OAuthBearerClient, XOAuth2Client])
def test_a_token_proves_two_factors_only_when_it_says_so(
    site: Site, kind: type[OAuthBearerClient] | type[XOAuth2Client]
) -> None:
    with site.here.client("127.2.3.1") as client:
        assert client.auth(kind(STRICT, site.token(STRICT))).startswith(b"-ERR [AUTH]")
    with site.here.client("127.2.3.1") as client:
        assert client.auth(kind(STRICT, site.token(STRICT, amr=["mfa"]))).startswith(b"+OK")


def test_with_broken_keys_nobody_comes_in_by_token_and_the_service_goes_on(site: Site) -> None:
    good = site.keys.read_text()
    token = site.token(ADA)
    for broken in ("{", "", "[]"):
        site.keys.write_text(broken)
        time.sleep(1.1)  # the file is looked at once a second
        with site.here.client("127.2.4.1") as client:
            assert client.auth(XOAuth2Client(ADA, token)).startswith(b"-ERR [SYS/TEMP]")
            assert client.user_pass(ADA, PASSWORD).startswith(b"+OK")
    site.keys.write_text(good)
    time.sleep(1.1)
    with site.here.client("127.2.4.1") as client:
        assert client.auth(XOAuth2Client(ADA, token)).startswith(b"+OK")


def _apop(client: Client, text: str) -> bytes:
    stamp = client.greeting[client.greeting.index(b"<") : client.greeting.index(b">") + 1]
    return client.say(f"APOP {ADA} {compute(DigestKind.APOP, stamp, Secret(text)).hex()}")


def test_the_old_digests_take_app_passwords_made_for_them_and_nothing_else(site: Site) -> None:
    _, old = site.here.mint(ADA, recoverable=True)
    _, new = site.here.mint(ADA)
    with site.here.client("127.3.1.1") as client:
        assert _apop(client, old).startswith(b"+OK")
    with site.here.client("127.3.1.1") as client:
        assert client.auth(CramMd5Client(ADA, Secret(old))).startswith(b"+OK")
    for other in (new, PASSWORD):
        with site.here.client("127.3.2.1") as client:
            assert _apop(client, other).startswith(b"-ERR [AUTH]")
        with site.here.client("127.3.2.1") as client:
            assert client.auth(CramMd5Client(ADA, Secret(other))).startswith(b"-ERR [AUTH]")
