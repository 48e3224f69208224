"""An address and the networks around it, as keys that make small dictionary keys.

Rules: IPv6 is counted by /64, the smallest network a subscriber gets (RFC 6177), and IPv4-mapped IPv6 as IPv4; what is
no address at all is a place of its own. What is remembered about places is in `memory`.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

_V4, _V6 = 4, 6
_OTHER = 0

Key = bytes
"""A network as a small dictionary key that encodes well: IP version, prefix length, and the leading 4 or 8 octets."""


class Place(NamedTuple):
    """Where an attempt comes from.

    Attributes:
        address: the key of the address (IPv4) or of its /64 (IPv6): what is scored and blocked first.
        network: the key of its /24 or /64: what an account becomes familiar with.
        around: the keys of wider networks that are scored too, nearest first: /24, or /56 and /48.
        region: the key of its /16 or /32: about one provider in one region.
    """

    address: Key
    network: Key
    around: tuple[Key, ...]
    region: Key


def _key(version: int, prefix: int, bits: int) -> Key:
    """The key of the network of `prefix` bits around an address, of which `bits` are the leading 32 or 64."""
    octets = 4 if version == _V4 else 8
    rest = 8 * octets - prefix
    return bytes((version, prefix)) + (bits >> rest << rest).to_bytes(octets, "big")


def address_of(text: str) -> IPv4Address | IPv6Address | None:
    """The address of a text, IPv4-mapped IPv6 as IPv4; None if it is none."""
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


def is_within(address: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Whether the address of a text is in one of the networks; False for what is no address."""
    parsed = address_of(address)
    return parsed is not None and any(parsed in network for network in networks)


@functools.lru_cache(maxsize=16_384)
def place(address: str) -> Place:
    """The place of an address's text."""
    parsed = address_of(address)
    if parsed is None:
        key = bytes((_OTHER, 0)) + zlib.crc32(address.encode("utf-8", "surrogatepass")).to_bytes(4, "big")
        return Place(key, key, (), key)
    bits = _leading(parsed)
    if parsed.version == _V4:
        network = _key(_V4, 24, bits)
        return Place(_key(_V4, 32, bits), network, (network,), _key(_V4, 16, bits))
    own = _key(_V6, 64, bits)
    return Place(own, own, (_key(_V6, 56, bits), _key(_V6, 48, bits)), _key(_V6, 32, bits))


def _leading(address: IPv4Address | IPv6Address) -> int:
    return int(address) if address.version == _V4 else int(address) >> 64


def prefix_of(key: Key) -> tuple[int, int]:
    """IP version and prefix length of a key; (0, 0) for what is no address."""
    return key[0], key[1]


def network_of(key: Key) -> IPv4Network | IPv6Network | None:
    """The network that a key stands for; None for what is no address."""
    version, prefix = prefix_of(key)
    bits = int.from_bytes(key[2:], "big")
    if version == _V4:
        return IPv4Network((bits, prefix))
    return IPv6Network((bits << 64, prefix)) if version == _V6 else None


def region_of(key: Key) -> Key:
    """The key of the /16 or /32 around the network of a key."""
    version = key[0]
    if version == _OTHER:
        return key
    return _key(version, 16 if version == _V4 else 32, int.from_bytes(key[2:], "big"))


def network_around(key: Key) -> Key:
    """The key of the /24 of an IPv4 address; of everything else the key itself."""
    return _key(_V4, 24, int.from_bytes(key[2:], "big")) if prefix_of(key) == (_V4, 32) else key


def shown(key: Key) -> str:
    """A key for people: an address where it is one, else a network."""
    network = network_of(key)
    if network is None:
        return "not an address"
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def keys_of(text: str) -> tuple[Key, ...]:
    """The keys that a person means by an address or network they typed: itself, and all that is scored around it.

    Raises:
        ValueError: it is neither.
    """
    network = ip_network(text, strict=False)
    if network.num_addresses == 1:
        found = place(str(network.network_address))
        return (found.address, *found.around)
    version = network.version
    if network.prefixlen not in ((24,) if version == _V4 else (64, 56, 48)):
        raise ValueError("neither an address nor a network that is scored")
    return (_key(version, network.prefixlen, _leading(network.network_address)),)
