"""The typed view of CAPA."""

import math

from pillarbox.client.values import UNKNOWN, ServerCapabilities
from pillarbox.wire.capabilities import Capabilities


def of(*lines: bytes) -> ServerCapabilities:
    return ServerCapabilities.of(Capabilities.parse(lines))


def test_everything_has_its_type() -> None:
    seen = of(
        b"TOP", b"uidl", b"USER", b"STLS", b"PIPELINING", b"RESP-CODES", b"AUTH-RESP-CODE", b"LANG", b"UTF8 USER",
        b"SASL plain SCRAM-SHA-256", b"LOGIN-DELAY 900 USER", b"EXPIRE 30 USER", b"IMPLEMENTATION Box 1.0", b"X-OWN",
    )  # fmt: skip
    assert seen.known
    assert seen.top
    assert seen.uidl
    assert seen.user
    assert seen.stls
    assert seen.pipelining
    assert seen.resp_codes
    assert seen.auth_resp_code
    assert seen.lang
    assert seen.utf8
    assert seen.utf8_user
    assert seen.sasl == ("PLAIN", "SCRAM-SHA-256")
    assert (seen.login_delay, seen.login_delay_differs) == (900, True)
    assert (seen.expire, seen.expire_differs) == (30, True)
    assert seen.implementation == "Box 1.0"
    assert "x-own" in seen
    assert "Y-OWN" not in seen


def test_nonsense_counts_as_not_given() -> None:
    seen = of(b"LOGIN-DELAY soon", b"EXPIRE", b"SASL", b"\xff\xfe", b"")
    assert (seen.login_delay, seen.expire, seen.sasl) == (None, None, ())
    assert of(b"LOGIN-DELAY 99999999999999999999").login_delay is None
    assert of(b"EXPIRE NEVER").expire == math.inf


def test_a_server_without_capa_is_unknown() -> None:
    assert not UNKNOWN.known
    assert not UNKNOWN.top
