"""A server on loopback with real TLS, in a thread: what it says is that of a scripted `Server`."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.client.scripted import Server
from tests.listening import listening

from pillarbox.client.tls_rules import key_digest
from pillarbox.server.certificates import make_self_signed


class Certificate:
    """A self-signed certificate for localhost.

    Attributes:
        file: PEM, what a client may trust.
        context: for servers.
        key: SHA-256 of the public key.
    """

    def __init__(self, directory: Path, *, made: datetime.datetime | None = None) -> None:
        directory.mkdir(exist_ok=True)
        self.file, key = make_self_signed(directory, ["localhost"], made or datetime.datetime.now(datetime.UTC))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.file, key)
        self.key = key_digest(ssl.PEM_cert_to_DER_cert(self.file.read_text()))


@contextlib.contextmanager
def serving(script: Callable[[], Server], certificate: Certificate, *, implicit: bool = True) -> Iterator[int]:
    """A server whose each connection is a fresh script; STLS leads to TLS."""

    def serve(connection: socket.socket) -> None:
        server = script()
        with contextlib.ExitStack() as stack:
            stream = connection

            def secure() -> socket.socket:
                return stack.enter_context(certificate.context.wrap_socket(connection, server_side=True))

            if implicit:
                stream = secure()
            while True:
                if server.outgoing:
                    stream.sendall(server.outgoing)
                    server.outgoing.clear()
                if server.heard[-1:] == [b"STLS"] and stream is connection:
                    stream = secure()
                data = b"" if server.ended else stream.recv(65536)
                if not data:
                    return
                server.send(data, 0.0)

    with listening(serve) as port:
        yield port
