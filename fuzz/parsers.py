"""The parsers in process: fed whole, octet by octet and cut at random they must say the same, and raise nothing else.

Rules: an exception that is not the protocol's own, and any difference between the ways of feeding, is a failure, which
is shown with the input that leads to it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from fuzz.inputs import BEFORE_LOGIN, MAIL, Source
from pillarbox.wire.capabilities import Capabilities
from pillarbox.wire.client_peer import BodyChunk, BodyEnd, ClientPeer
from pillarbox.wire.commands import Command, Malformed, Verb
from pillarbox.wire.dots import BodyReader
from pillarbox.wire.errors import LocalError, ProtocolError
from pillarbox.wire.observer import Observer
from pillarbox.wire.peer import ServerPeer
from pillarbox.wire.replies import Challenge, Reply, parse_status
from pillarbox.wire.states import TABLE, Shape

Pieces = list[bytes]


class Failed(Exception):
    """A parser did what it must not. The text holds the input."""


def server(pieces: Pieces) -> object:
    """What the server's end hears, when it grants whatever is legal."""
    peer = ServerPeer()
    peer.greet(Reply(True))
    heard: list[object] = []
    for piece in pieces:
        peer.receive(piece)
        while (said := peer.next()) is not None:
            heard.append((type(said), said))
            if not isinstance(said, Command):
                peer.reply(Reply(not isinstance(said, Malformed)))
            elif (row := TABLE[(peer.state, said.verb, said.has_argument)]).shape is Shape.SASL:
                peer.challenge(Challenge(b""))
            else:
                peer.reply(Reply(True, body=b"" if row.shape is Shape.MULTI else None))
    return heard, peer.state


def client(pieces: Pieces) -> object:
    """What the client's end hears, when it has asked for a lot; a protocol error is an outcome like any other."""
    peer = ClientPeer()
    peer.receive(b"+OK\r\n")
    heard: list[object] = [peer.next()]
    peer.command(Verb.USER, argument=b"a")
    peer.command(Verb.PASS, argument=b"b")
    for verb in (Verb.LIST, Verb.UIDL, Verb.CAPA, Verb.STAT):
        peer.command(verb)
    for number in (1, 2):
        peer.command(Verb.RETR, number=number)
    body = b""
    try:
        for piece in pieces:
            peer.receive(piece)
            while (said := peer.next()) is not None:
                if isinstance(said, BodyChunk):
                    body += said.data
                    continue
                heard.append((type(said), said, body if isinstance(said, BodyEnd) else b""))
                body = b"" if isinstance(said, BodyEnd) else body
    except LocalError:
        raise
    except ProtocolError as error:
        heard.append(str(error))
    return heard, body, peer.state


def observer(pieces: Pieces) -> object:
    """What a bystander sees of a server that says all this to a client that asked for something."""
    watcher = Observer()
    seen = list(watcher.from_server(b"+OK\r\n"))
    seen += watcher.from_client(b"USER a\r\nPASS b\r\nLIST\r\nRETR 1\r\nNOPE\r\nSTAT\r\nQUIT\r\n")
    for piece in pieces:
        seen += watcher.from_server(piece)
    return seen, watcher.state, watcher.ended()


def bystander_of_a_client(pieces: Pieces) -> object:
    """What a bystander sees of a client that says all this."""
    watcher = Observer()
    seen = list(watcher.from_server(b"+OK\r\n"))
    for piece in pieces:
        seen += watcher.from_client(piece)
    seen += watcher.from_server(b"+OK\r\n-ERR\r\n+ \r\n")
    return seen, watcher.state, watcher.ended()


def body(pieces: Pieces) -> object:
    """The body in it, as a strict and as a lenient reader see it."""
    found = []
    for lenient in (False, True):
        reader = BodyReader(lenient_lf=lenient)
        octets = b""
        rest = b""
        for piece in pieces:
            if reader.done:
                rest += piece
            else:
                octets += reader.feed(piece)
        found.append((octets, reader.done, reader.leftover + rest))
    return found


def lines(pieces: Pieces) -> object:
    """Status lines and capabilities; here only that nothing else is raised."""
    found: list[object] = []
    for line in b"".join(pieces).split(b"\r\n"):
        try:
            found.append(parse_status(line))
        except ProtocolError as error:
            found.append(str(error))
    return found, Capabilities.parse(b"".join(pieces).split(b"\r\n"))


TARGETS: dict[str, Callable[[Pieces], object]] = {
    "server": server,
    "client": client,
    "observer": observer,
    "bystander of a client": bystander_of_a_client,
    "body": body,
    "lines": lines,
}

_SERVER_SAYS = [
    *(b"+OK\r\n", b"-ERR [AUTH] no\r\n", b"+ \r\n", b"+OK 1 1\r\n", b"+OK " + b"x" * 600 + b"\r\n"),
    *(b".\r\n", b"..a\r\n", b"1 2\r\n", b"From: a\r\n", b"\r\n", b".\r", b".\n", b"\n", b"+", b"-", b"\0"),
]


def _stream(chance: random.Random, source: Source) -> bytes:
    parts = []
    for _ in range(chance.randrange(1, 14)):
        kind = chance.random()
        if kind < 0.45:
            parts.append(source.line(BEFORE_LOGIN + MAIL))
        elif kind < 0.9:
            parts.append(chance.choice(_SERVER_SAYS))
        else:
            parts.append(chance.randbytes(chance.randrange(12)))
    return b"".join(parts)


def _cut(chance: random.Random, stream: bytes) -> Pieces:
    cuts = sorted(chance.randrange(len(stream) + 1) for _ in range(chance.randrange(6)))
    return [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


def run(count: int, seconds: float, seed: int) -> int:
    """Try so many streams, or for so long; return how many were tried.

    Raises:
        Failed: at the first failure.
    """
    chance = random.Random(seed)
    source = Source(chance, costly=0.05, ending=0.05)
    end = time.monotonic() + seconds
    for tried in range(count):
        if time.monotonic() > end:
            return tried
        stream = _stream(chance, source)
        cut = _cut(chance, stream)
        for name, target in TARGETS.items():
            try:
                whole = target([stream])
                if target([bytes([octet]) for octet in stream]) != whole:
                    raise Failed(f"{name}: octet by octet differs from whole: {stream!r}")
                if target(cut) != whole:
                    raise Failed(f"{name}: cut as {cut!r} differs from whole")
            except Failed:
                raise
            except Exception as error:
                raise Failed(f"{name}: {type(error).__name__}: {error}: {stream!r}") from error
    return count
