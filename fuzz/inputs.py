"""Streams of lines to throw at a parser or a server, from a seeded source of chance.

Rules: most lines are nearly right, since what is wholly random is refused at the first octet and proves little; lines
that cost the server a password check are rare, since they would measure nothing but hashing.
"""

from __future__ import annotations

import base64
import random

from pillarbox.wire.commands import Verb

_VERBS = [verb.name.encode() for verb in Verb] + [b"XTND", b"HELP", b"GET", b"EHLO"]
_NUMBERS = [
    b"0",
    b"1",
    b"2",
    b"3",
    b"-1",
    b"+1",
    b"01",
    b"1x",
    b"4294967297",
    b"9" * 29,
    b"",
    b"  1",
    b"*",
    b"\xd9\xa1",
]
_ODD = [
    b"\0",
    b"\r",
    b"\t",
    b"\x1b[31m",
    b"\xff",
    b"\xc3\xa9",
    b"%s%n",
    b"../..",
    b"'--",
    b"[AUTH]",
    b".",
    b"=",
    b"*",
    b" ",
]
_TEXTS = [
    b"ada",
    b"a b",
    b"x" * 250,
    b"x" * 1000,
    b"de",
    b"PLAIN",
    b"PLAIN =",
    b"PLAIN !",
    b"CRAM-MD5",
    b"SCRAM-SHA-256",
]
_ENDINGS = [b"\r\n"] * 12 + [b"\n", b"\r\r\n", b"\r", b" \r\n"]

# Right lines by where they belong, without those that check a password or end the session.
BEFORE_LOGIN = [b"CAPA", b"USER ada", b"AUTH", b"AUTH PLAIN", b"LANG", b"LANG de", b"UTF8", b"APOP a b", b"*"]
MAIL = [b"STAT", b"LIST", b"LIST 1", b"UIDL", b"UIDL 2", b"RETR 1", b"RETR 2", b"TOP 1 0", b"TOP 2 3", b"NOOP",
        b"DELE 1", b"RSET", b"CAPA", b"LANG fr"]  # fmt: skip


class Source:
    """Makes lines.

    Args:
        chance: where all randomness comes from.
        costly: how often a line checks a password, 0 to 1.
        ending: how often a line may end the session (QUIT, STLS), 0 to 1.
    """

    def __init__(self, chance: random.Random, *, costly: float = 0.001, ending: float = 0.01) -> None:
        self._chance = chance
        self._costly = costly
        self._ending = ending

    def line(self, right: list[bytes]) -> bytes:
        """One line with its ending, if it has one."""
        chance = self._chance
        kind = chance.random()
        if kind < self._costly:
            line = self._password()
        elif kind < self._costly + self._ending:
            line = chance.choice([b"QUIT", b"STLS", b"QUIT x", b"STLS "])
        elif kind < 0.4:
            line = chance.choice(right)
        elif kind < 0.75:
            line = self._made_up()
        elif kind < 0.97:
            line = self._harmless(self._mutated(chance.choice([*right, self._made_up()])))
        else:
            line = self._harmless(chance.randbytes(chance.randrange(60)))
        return line + chance.choice(_ENDINGS)

    def block(self, lines: int, right: list[bytes]) -> bytes:
        """So many lines, the last of which is ended for certain."""
        return b"".join(self.line(right) for _ in range(lines)) + b"\r\n"

    def _password(self) -> bytes:
        guess = self._chance.randbytes(6).hex().encode()
        if self._chance.random() < 0.5:
            return b"AUTH PLAIN " + base64.b64encode(b"\0ada\0" + guess)
        return b"USER ada\r\nPASS " + guess

    def _made_up(self) -> bytes:
        chance = self._chance
        verb = chance.choice(_VERBS)
        if chance.random() < 0.2:
            verb = bytes(octet ^ 0x20 if chance.random() < 0.5 else octet for octet in verb)
        words = [verb] + [chance.choice(_NUMBERS + _TEXTS + _ODD) for _ in range(chance.choice([0, 1, 1, 1, 2, 2, 3]))]
        return self._harmless(chance.choice([b" ", b" ", b" ", b"  ", b"\t"]).join(words))

    def _harmless(self, line: bytes) -> bytes:
        """A line that neither checks a password nor ends the session: those have rates of their own."""
        start = line.lstrip()[:4].upper()
        return b"NOOP" + line[4:] if start in (b"PASS", b"QUIT", b"STLS") else line

    def _mutated(self, line: bytes) -> bytes:
        chance = self._chance
        octets = bytearray(line)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(octets) + 1)
            match chance.randrange(5):
                case 0:
                    octets[at:at] = chance.choice(_ODD)
                case 1:
                    del octets[at : at + chance.randrange(1, 4)]
                case 2:
                    octets[at : at + 1] = bytes([chance.randrange(256)])
                case 3:
                    octets[at:at] = octets[: chance.randrange(len(octets) + 1)]
                case _:
                    octets[at:at] = bytes([chance.randrange(256)]) * chance.choice([2, 60, 255, 300])
        return bytes(octets)
