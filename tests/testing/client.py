"""A client for tests that hides nothing: sends lines, reads octets."""

from __future__ import annotations

import socket
import ssl
from types import TracebackType
from typing import Self

from pillarbox.testing.scripted import ScriptedServer


class Raw:
    """A connection to a scripted server."""

    def __init__(self, server: ScriptedServer, *, greeted: bool = True, tls: bool = True) -> None:
        self._server = server
        self.sock: socket.socket = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        if server.tls == "implicit" and tls:
            self.secure()
        self.greeting = self.line() if greeted else b""

    def secure(self) -> None:
        context = self._server.client_context()
        self.sock = context.wrap_socket(self.sock, server_hostname=self._server.host, suppress_ragged_eofs=False)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def line(self) -> bytes:
        """The next line, read octet by octet, or what came before the end."""
        found = b""
        while not found.endswith(b"\n"):
            octet = self._receive(1)
            if not octet:
                break
            found += octet
        return found

    def body(self) -> bytes:
        """All lines up to the final one."""
        found = b""
        while (line := self.line()) not in (b".\r\n", b""):
            found += line
        return found

    def rest(self) -> bytes:
        """All that comes until the end."""
        found = b""
        while data := self._receive(65536):
            found += data
        return found

    def say(self, line: str) -> bytes:
        """Send a command; the first line of the reply."""
        self.send(line.encode() + b"\r\n")
        return self.line()

    def login(self, user: str = "") -> Raw:
        assert self.say(f"USER {user or self._server.user}").startswith(b"+OK")
        assert self.say(f"PASS {self._server.password}").startswith(b"+OK")
        return self

    def ends(self) -> str:
        """How the connection ends, when nothing more is said: "fin", "reset", "truncated" or "open"."""
        self.sock.settimeout(0.3)
        try:
            return "fin" if self.sock.recv(1) == b"" else "talks"
        except ssl.SSLEOFError:
            return "truncated"
        except TimeoutError:
            return "open"
        except ConnectionResetError:
            return "reset"

    def _receive(self, octets: int) -> bytes:
        try:
            return self.sock.recv(octets)
        except ssl.SSLEOFError:
            return b""

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
