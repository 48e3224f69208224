"""A small IMAP server for tests, with one folder in memory, that can be told to fail at a command."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.listening import listening

LITERAL = re.compile(rb"(~?)\{(\d+)(\+?)\}\r\n\Z")


@dataclass
class Folder:
    """What the server holds, and how it behaves.

    Attributes:
        faults: for a command (its name, upper case), what is done with it, one after the other: an answer such as
            "NO [OVERQUOTA] full", "cut" before it is done, "lost" after it is done, or "" for as usual.
        asked: every command line, without its tag.
    """

    capabilities: str = "IMAP4rev1 LITERAL+ UIDPLUS AUTH=PLAIN"
    messages: list[bytes] = field(default_factory=list)
    faults: dict[str, list[str]] = field(default_factory=dict)
    asked: list[bytes] = field(default_factory=list)


@contextmanager
def serving(folder: Folder) -> Iterator[int]:
    """Serve one connection after the other; the port."""
    with listening(lambda connection: _talk(folder, connection)) as port:
        yield port


def _talk(folder: Folder, connection: socket.socket) -> None:
    connection.sendall(b"* OK hi\r\n")
    with connection.makefile("rb") as lines:
        while line := lines.readline():
            tag, _, rest = line.partition(b" ")
            folder.asked.append(rest)
            name = rest.split()[0].decode().upper()
            body = b""
            if found := LITERAL.search(rest):
                if not found[3]:
                    connection.sendall(b"+ go\r\n")
                body = lines.read(int(found[2])) + lines.readline()
            faults = folder.faults.get(name, [])
            fault = faults.pop(0) if faults else ""
            if fault == "cut":
                return
            if fault and fault != "lost":
                connection.sendall(tag + b" " + fault.encode() + b"\r\n")
                continue
            answer = _done(folder, name, rest.decode("utf-8", "replace"), body.removesuffix(b"\r\n"))
            if name == "AUTHENTICATE":
                connection.sendall(b"+ \r\n")
                lines.readline()
            if fault == "lost":
                return
            connection.sendall(answer.replace(b"TAG", tag))
            if name == "LOGOUT":
                return


def _done(folder: Folder, name: str, line: str, body: bytes) -> bytes:
    """Do it; the answer."""
    if name == "CAPABILITY":
        return f"* CAPABILITY {folder.capabilities}\r\nTAG OK done\r\n".encode()
    if name == "APPEND":
        folder.messages.append(body)
        return (
            b"TAG OK [APPENDUID 7 %d] done\r\n" % len(folder.messages)
            if "UIDPLUS" in folder.capabilities
            else b"TAG OK done\r\n"
        )
    if name == "EXAMINE":
        return b"* %d EXISTS\r\nTAG OK [READ-ONLY] done\r\n" % len(folder.messages)
    if "SEARCH" in line:
        if found := re.search('"(<.*>)"', line):
            hits = [number for number, one in enumerate(folder.messages, 1) if found[1].encode() in one]
        else:
            size = int(line.split()[3]) + 1
            hits = [number for number, one in enumerate(folder.messages, 1) if len(one) == size]
        return f"* SEARCH {' '.join(map(str, hits))}\r\nTAG OK done\r\n".encode()
    if "FETCH" in line:
        found = re.search(r"FETCH (\d+) \(BODY.PEEK\[\]<(\d+)\.(\d+)>", line)
        assert found
        number, start, octets = map(int, found.groups())
        piece = folder.messages[number - 1][start : start + octets]
        return (
            b"* %d FETCH (UID %d BODY[]<%d> {%d}\r\n" % (number, number, start, len(piece))
            + piece
            + b")\r\nTAG OK done\r\n"
        )
    if name == "LOGOUT":
        return b"* BYE\r\nTAG OK done\r\n"
    return b"TAG OK done\r\n"
