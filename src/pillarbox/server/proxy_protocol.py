"""Reads the PROXY protocol header with which a load balancer names the true client (P61). Pure: octets in, values out.

Rules: the header is consumed exactly, so the octets after it are TLS or POP3; whatever is not a well-formed header is
refused, never guessed at; feeding octet by octet gives what feeding at once gives. IPv4-mapped IPv6 addresses come out
as IPv4, so that limits and networks see one form.

Elsewhere: which peers may send a header, and how long they may take (`connection`, settings `listener.proxy_protocol`
and `timeouts.proxy_header`).

Source: "The PROXY protocol, versions 1 & 2" of HAProxy, sections 2.1 and 2.2.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

V1_MAX = 107
"""Octets of the longest version 1 line, CRLF included (section 2.1)."""

V2_PAYLOAD_MAX = 4096
"""Octets of a version 2 header after its first 16. The protocol allows 65,535; addresses take 216 at most, and the
largest extra that is seen in practice is a client certificate's names, so this is ample and bounds unproven peers."""

_V1_START = b"PROXY "
_V2_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_FIXED = 16
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21

# Octets of the two addresses and ports, for each valid family and transport (section 2.2).
_ADDRESS_OCTETS = {0x00: 0, _TCP4: 12, 0x12: 12, _TCP6: 36, 0x22: 36, 0x31: 216, 0x32: 216}

_PORT = re.compile(rb"0|[1-9][0-9]{0,4}")


class ProxyHeaderError(Exception):
    """The octets are not an acceptable PROXY header. `reason` is a short phrase for events."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class NeedMore:
    """The header is not complete, and nothing is wrong with it so far."""


@dataclass(frozen=True, slots=True)
class Header:
    """A complete header.

    Attributes:
        source, source_port: the client as the proxy saw it; canonical text, "" and 0 if `local`.
        destination, destination_port: where the client connected to; "" and 0 if `local`.
        local: the header carries no usable address (a health check, or an unknown family): the connection's own
            address counts.
        consumed: octets of the header; whatever follows them is the client's.
    """

    source: str
    source_port: int
    destination: str
    destination_port: int
    local: bool
    consumed: int


def parse(buffer: bytes | bytearray) -> NeedMore | Header:
    """Read a header from the start of all octets received so far.

    Raises:
        ProxyHeaderError: they can never become an acceptable header.
    """
    data = bytes(buffer[: _V2_FIXED + V2_PAYLOAD_MAX])
    if _begins(data, _V1_START):
        return _parse_v1(data)
    if _begins(data, _V2_SIGNATURE):
        return _parse_v2(data)
    raise ProxyHeaderError("no PROXY header")


def _begins(data: bytes, start: bytes) -> bool:
    """Whether `data` begins with `start`, as far as it goes."""
    return data[: len(start)] == start[: len(data)]


def _local(consumed: int) -> Header:
    return Header("", 0, "", 0, local=True, consumed=consumed)


# ---- version 1: one line of text ------------------------------------------------------------------------------


def _parse_v1(data: bytes) -> NeedMore | Header:
    end = data.find(b"\n", 0, V1_MAX)
    if end < 0:
        if len(data) >= V1_MAX:
            raise ProxyHeaderError("the version 1 line is too long")
        return NeedMore()
    line = data[: end - 1]
    if data[end - 1] != 0x0D or b"\r" in line:
        raise ProxyHeaderError("the version 1 line does not end with CRLF")
    fields = line.split(b" ")
    if fields[1] == b"UNKNOWN":
        return _local(end + 1)  # section 2.1: whatever follows UNKNOWN is ignored
    if len(fields) != 6:
        raise ProxyHeaderError("the version 1 line does not have six fields")
    source, destination = (_text_address(fields[1], field) for field in fields[2:4])
    source_port, destination_port = (_text_port(field) for field in fields[4:6])
    return Header(source, source_port, destination, destination_port, local=False, consumed=end + 1)


def _text_address(family: bytes, text: bytes) -> str:
    try:
        if family == b"TCP4":
            return str(ipaddress.IPv4Address(text.decode("ascii")))
        if family == b"TCP6" and b"%" not in text:
            return _canonical(ipaddress.IPv6Address(text.decode("ascii")))
    except ValueError:
        raise ProxyHeaderError("the version 1 line holds a bad address") from None
    raise ProxyHeaderError("the version 1 line holds an unknown family or a scoped address")


def _text_port(text: bytes) -> int:
    if not _PORT.fullmatch(text) or int(text) > 65_535:
        raise ProxyHeaderError("the version 1 line holds a bad port")
    return int(text)


# ---- version 2: binary ----------------------------------------------------------------------------------------


def _parse_v2(data: bytes) -> NeedMore | Header:
    if len(data) < _V2_FIXED:
        return NeedMore()
    command, family, length = data[12], data[13], int.from_bytes(data[14:16], "big")
    if command not in (_LOCAL, _PROXY):
        raise ProxyHeaderError("unknown version or command in a version 2 header")
    if length > V2_PAYLOAD_MAX:
        raise ProxyHeaderError("the version 2 header is too long")
    if command == _PROXY and family not in _ADDRESS_OCTETS:
        raise ProxyHeaderError("unknown family in a version 2 header")
    if command == _PROXY and length < _ADDRESS_OCTETS[family]:
        raise ProxyHeaderError("the version 2 header is too short for its addresses")
    if len(data) < _V2_FIXED + length:
        return NeedMore()
    consumed = _V2_FIXED + length
    if command == _LOCAL:
        return _local(consumed)  # section 2.2: the proxy's own connection; family and addresses mean nothing
    payload = data[_V2_FIXED:consumed]
    _check_extras(payload[_ADDRESS_OCTETS[family] :])
    if family == _TCP4:
        return _binary(payload, 4, consumed)
    if family == _TCP6:
        return _binary(payload, 16, consumed)
    return _local(consumed)  # UNSPEC, datagrams and unix sockets name no TCP client


def _binary(payload: bytes, size: int, consumed: int) -> Header:
    """The addresses, `size` octets each, and then the ports."""
    source, destination = (_packed(payload[at : at + size]) for at in (0, size))
    source_port, destination_port = (int.from_bytes(payload[at : at + 2], "big") for at in (2 * size, 2 * size + 2))
    return Header(source, source_port, destination, destination_port, local=False, consumed=consumed)


def _packed(octets: bytes) -> str:
    if len(octets) == 4:
        return str(ipaddress.IPv4Address(octets))
    return _canonical(ipaddress.IPv6Address(octets))


def _canonical(address: ipaddress.IPv6Address) -> str:
    return str(address.ipv4_mapped or address)


def _check_extras(extras: bytes) -> None:
    """Type-length-value fields are skipped, but they must fill their space exactly (section 2.2)."""
    at = 0
    while at < len(extras):
        # A cut-off length field reads as too short a number, and then ends beyond the space just the same.
        at += 3 + int.from_bytes(extras[at + 1 : at + 3], "big")
    if at != len(extras):
        raise ProxyHeaderError("the fields of a version 2 header do not fill it")
