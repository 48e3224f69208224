"""MD4 (RFC 1320), for one purpose: to look passwords up in lists of NTLM hashes.

MD4 has been broken for decades and protects nothing here: a breach list is public, and whoever publishes one chose its
hash. OpenSSL 3 no longer offers MD4 by default, so it is written out. Nothing else may use it.
"""

from __future__ import annotations

import struct

_MASK = 0xFFFFFFFF
_START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
# RFC 1320 §3.4: for each round the order of the words, the shifts, and the constant that is added.
_ROUNDS = (
    (tuple(range(16)), (3, 7, 11, 19), 0),
    ((0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), (3, 5, 9, 13), 0x5A827999),
    ((0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15), (3, 9, 11, 15), 0x6ED9EBA1),
)


def md4(data: bytes) -> bytes:
    """The 16 octets of the MD4 digest of `data`."""
    padded = data + b"\x80" + bytes(-(len(data) + 9) % 64) + struct.pack("<Q", 8 * len(data))
    state = _START
    for start in range(0, len(padded), 64):
        mixed = _mixed(state, struct.unpack_from("<16I", padded, start))
        state = tuple((old + new) & _MASK for old, new in zip(state, mixed, strict=True))  # type: ignore[assignment]
    return struct.pack("<4I", *state)


def _mixed(state: tuple[int, int, int, int], words: tuple[int, ...]) -> tuple[int, int, int, int]:
    a, b, c, d = state
    for number, (order, shifts, constant) in enumerate(_ROUNDS):
        for step, word in enumerate(order):
            match number:
                case 0:
                    chosen = (b & c) | (~b & d)
                case 1:
                    chosen = (b & c) | (b & d) | (c & d)
                case _:
                    chosen = b ^ c ^ d
            total = (a + chosen + words[word] + constant) & _MASK
            shift = shifts[step % 4]
            a, b, c, d = d, (total << shift | total >> (32 - shift)) & _MASK, b, c
    return a, b, c, d
