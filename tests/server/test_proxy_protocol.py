"""P61: the PROXY protocol header, versions 1 and 2."""

from __future__ import annotations

import ipaddress
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.server.proxy_protocol import V1_MAX, V2_PAYLOAD_MAX, Header, NeedMore, ProxyHeaderError, parse

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")


def v2(command: int, family: int, payload: bytes = b"", length: int | None = None) -> bytes:
    size = len(payload) if length is None else length
    return SIGNATURE + struct.pack("!BBH", command, family, size) + payload


def addresses(source: str, destination: str, source_port: int, destination_port: int) -> bytes:
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    packed = socket.inet_pton(family, source) + socket.inet_pton(family, destination)
    return packed + struct.pack("!HH", source_port, destination_port)


V4 = addresses("192.0.2.7", "198.51.100.1", 40_000, 995)
V6 = addresses("2001:db8::7", "2001:db8::1", 40_000, 995)
LONGEST_V6 = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

GOOD = {
    "v1 TCP4": (b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 995\r\n", ("192.0.2.7", 40_000, "198.51.100.1", 995)),
    "v1 TCP6": (b"PROXY TCP6 2001:DB8:0::7 ::1 40000 995\r\n", ("2001:db8::7", 40_000, "::1", 995)),
    "v1 mapped": (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 0 65535\r\n", ("192.0.2.7", 0, "::1", 65_535)),
    "v1 longest TCP6": (
        f"PROXY TCP6 {LONGEST_V6} {LONGEST_V6} 65535 65535\r\n".encode(),
        (LONGEST_V6, 65_535, LONGEST_V6, 65_535),
    ),
    "v1 UNKNOWN": (b"PROXY UNKNOWN\r\n", None),
    "v1 UNKNOWN with more": (b"PROXY UNKNOWN anything \xff at all\r\n", None),
    "v1 longest UNKNOWN": (f"PROXY UNKNOWN {LONGEST_V6} {LONGEST_V6} 65535 65535\r\n".encode(), None),
    "v2 TCP4": (v2(0x21, 0x11, V4), ("192.0.2.7", 40_000, "198.51.100.1", 995)),
    "v2 TCP6": (v2(0x21, 0x21, V6), ("2001:db8::7", 40_000, "2001:db8::1", 995)),
    "v2 mapped": (v2(0x21, 0x21, addresses("::ffff:1.2.3.4", "::1", 1, 2)), ("1.2.3.4", 1, "::1", 2)),
    "v2 TLVs": (
        v2(0x21, 0x11, V4 + b"\x01\x00\x04pop3" + b"\x04\x00\x00" + b"\x20\x00\x01x"),
        ("192.0.2.7", 40_000, "198.51.100.1", 995),
    ),
    "v2 LOCAL": (v2(0x20, 0x00), None),
    "v2 LOCAL with addresses": (v2(0x20, 0x11, V4), None),
    "v2 LOCAL with junk": (v2(0x20, 0xFF, b"junk"), None),
    "v2 UNSPEC": (v2(0x21, 0x00), None),
    "v2 UNSPEC with a TLV": (v2(0x21, 0x00, b"\x04\x00\x02ab"), None),
    "v2 UDP4": (v2(0x21, 0x12, V4), None),
    "v2 unix": (v2(0x21, 0x31, b"/run/a".ljust(108, b"\0") + b"/run/b".ljust(108, b"\0")), None),
    "v2 longest": (
        v2(0x21, 0x11, V4 + b"\x04" + struct.pack("!H", V2_PAYLOAD_MAX - 15) + bytes(V2_PAYLOAD_MAX - 15)),
        ("192.0.2.7", 40_000, "198.51.100.1", 995),
    ),
}

BAD = {
    "POP3": b"USER fred\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "lower case": b"proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
    "no family": b"PROXY \r\n",
    "unknown family": b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
    "bare LF": b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
    "LF at once": b"PROXY \n",
    "CR inside": b"PROXY UNKNOWN a\rb\r\n",
    "double space": b"PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
    "trailing space": b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
    "missing port": b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
    "short address": b"PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
    "leading zero in address": b"PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n",
    "IPv6 as TCP4": b"PROXY TCP4 ::1 ::1 1 2\r\n",
    "IPv4 as TCP6": b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
    "scope": b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
    "not ASCII": "PROXY TCP4 १.2.3.4 1.2.3.4 1 2\r\n".encode(),
    "port too high": b"PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
    "port with leading zero": b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
    "negative port": b"PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
    "port of other digits": "PROXY TCP4 1.2.3.4 1.2.3.4 १ 2\r\n".encode(),
    "too long": b"PROXY UNKNOWN ".ljust(V1_MAX - 1, b"x") + b"\r\n",
    "endless": b"PROXY " + b"x" * 10_000,
    "v2 version": v2(0x11, 0x11, V4),
    "v2 command": v2(0x22, 0x11, V4),
    "v2 family": v2(0x21, 0x41, V4),
    "v2 transport": v2(0x21, 0x13, V4),
    "v2 half family": v2(0x21, 0x10, V4),
    "v2 short TCP4": v2(0x21, 0x11, V4[:-1]),
    "v2 short TCP6": v2(0x21, 0x21, V4),
    "v2 short unix": v2(0x21, 0x31, bytes(215)),
    "v2 too long": v2(0x21, 0x11, length=V2_PAYLOAD_MAX + 1),
    "v2 TLV beyond the end": v2(0x21, 0x11, V4 + b"\x04\x00\x05abcd"),
    "v2 TLV cut in its length": v2(0x21, 0x11, V4 + b"\x04\x00"),
    "v2 TLV cut after its type": v2(0x21, 0x11, V4 + b"\x04"),
    "v2 broken signature": SIGNATURE[:11] + b"\r" + b"\x21\x11\x00\x00",
}


def octet_by_octet(data: bytes) -> Header | NeedMore | str:
    for end in range(len(data) + 1):
        result = at_once(data[:end])
        if not isinstance(result, NeedMore):
            return result
    return NeedMore()


def at_once(data: bytes) -> Header | NeedMore | str:
    try:
        return parse(data)
    except ProxyHeaderError as error:
        return f"refused: {error.reason}"


@pytest.mark.parametrize(("octets", "expected"), GOOD.values(), ids=GOOD)
@pytest.mark.parametrize("rest", [b"", b"\r\n", b"\x16\x03\x01", b"PROXY TCP4 "])
def test_p61_good_headers_are_consumed_exactly(
    octets: bytes, expected: tuple[str, int, str, int] | None, rest: bytes
) -> None:
    source, source_port, destination, destination_port = expected or ("", 0, "", 0)
    header = Header(source, source_port, destination, destination_port, expected is None, len(octets))
    assert parse(octets + rest) == header
    assert parse(bytearray(octets + rest)) == header
    assert octet_by_octet(octets + rest) == header


@pytest.mark.parametrize("octets", [octets for octets, _ in GOOD.values()], ids=GOOD)
def test_p61_an_unfinished_header_asks_for_more(octets: bytes) -> None:
    for end in range(len(octets)):
        assert parse(octets[:end]) == NeedMore()


@pytest.mark.parametrize("octets", BAD.values(), ids=BAD)
def test_p61_malformed_headers_are_refused(octets: bytes) -> None:
    with pytest.raises(ProxyHeaderError):
        parse(octets)
    assert octet_by_octet(octets) == at_once(octets)


def test_the_longest_v1_line_is_107_octets() -> None:
    assert len(GOOD["v1 longest UNKNOWN"][0]) == V1_MAX


def mutated(base: bytes, changes: list[tuple[int, int]]) -> bytes:
    octets = bytearray(base)
    for at, value in changes:
        octets[at % len(octets)] = value
    return bytes(octets)


starts = st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", b"PROXY TCP6 ", SIGNATURE, SIGNATURE + b"\x21\x11\x00\x0f"])
noise = st.builds(lambda start, rest: start + rest, starts, st.binary(max_size=140))
changes = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=3)
near = st.builds(mutated, st.sampled_from([octets for octets, _ in GOOD.values() if len(octets) < 300]), changes)


@given(noise | near)
def test_p61_octet_by_octet_equals_at_once(data: bytes) -> None:
    result = at_once(data)
    assert octet_by_octet(data) == result
    if isinstance(result, Header):
        assert 0 < result.consumed <= len(data)
        assert parse(data[: result.consumed]) == result


ip = st.ip_addresses()


@given(ip, ip, st.integers(0, 65_535), st.integers(0, 65_535), st.binary(max_size=40))
def test_p61_every_address_survives_both_versions(
    source: Address, destination: Address, source_port: int, destination_port: int, rest: bytes
) -> None:
    if source.version != destination.version:
        destination = source
    family = "TCP4" if source.version == 4 else "TCP6"
    line = f"PROXY {family} {source} {destination} {source_port} {destination_port}\r\n".encode()
    binary = v2(
        0x21,
        0x11 if source.version == 4 else 0x21,
        addresses(str(source), str(destination), source_port, destination_port),
    )
    for octets in (line, binary):
        header = parse(octets + rest)
        assert isinstance(header, Header)
        assert (header.source_port, header.destination_port) == (source_port, destination_port)
        assert header.source == canonical(source)
        assert header.destination == canonical(destination)
        assert header.consumed == len(octets)


def canonical(address: Address) -> str:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
