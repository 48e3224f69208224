"""The TLS side of a channel, sans I/O: cipher octets in, plain octets out, and back.

Rules: nothing here waits or touches a socket; a FIN without close_notify is the channel's to judge, so that a client
that only shuts down its side can still be answered (P37); at most one record is buffered on the way out, so that an
idle session holds next to nothing.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator, Mapping
from typing import NamedTuple

RECORD = 16_384
"""Octets of plaintext in a TLS record at most (RFC 8446 §5.1)."""

LAST = 64
"""Octets the last record of a longer write has at least, so that the end of a reply is not torn (P11)."""


class ServerContext(ssl.SSLContext):
    """A context that shows one certificate.

    Attributes:
        end_point: the channel binding of that certificate, "tls-server-end-point"; b"" where none is defined.
    """

    end_point: bytes = b""


class Secured(NamedTuple):
    """What a handshake has led to.

    Attributes:
        version: of TLS, such as "TLSv1.3".
        certificate: the client's verified certificate in DER, or b"".
        bindings: channel bindings by their registered name (RFC 5929, RFC 9266).
    """

    version: str
    certificate: bytes
    bindings: Mapping[str, bytes]


class TlsStream:
    """The server's side of one TLS connection.

    Attributes:
        ended: the peer said close_notify, or broke TLS: nothing more can be read.
    """

    __slots__ = ("_incoming", "_object", "_outgoing", "ended")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.ended = False

    def secured(self) -> Secured:
        """What the handshake, which is complete, has led to."""
        tls = self._object
        version = tls.version() or "TLS"
        return Secured(version, tls.getpeercert(binary_form=True) or b"", self._bindings(version))

    def _bindings(self, version: str) -> dict[str, bytes]:
        found = {}
        # The name the client asked for may have led to another context than the first.
        context = self._object.context
        if isinstance(context, ServerContext) and context.end_point:
            found["tls-server-end-point"] = context.end_point
        # RFC 5929 §3 ends with TLS 1.2; RFC 9266 §4 begins with 1.3, where Python's OpenSSL binding can do it.
        kind = "tls-unique" if version == "TLSv1.2" else "tls-exporter"
        if kind in ssl.CHANNEL_BINDING_TYPES and (data := self._object.get_channel_binding(kind)):
            found[kind] = data
        return found

    def handshake(self) -> bool:
        """Go on with the handshake; returns whether it is complete. What `take` gives must be sent either way.

        Raises:
            ssl.SSLError: it failed.
        """
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def feed(self, data: bytes) -> None:
        """Take octets from the network."""
        self._incoming.write(data)

    def read(self) -> bytes:
        """The plaintext of all records that are complete."""
        parts = []
        # Asking only while something is there saves the exception that would say otherwise.
        while not self.ended and (self._incoming.pending or self._object.pending()):
            try:
                part = self._object.read(RECORD)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLError:
                part = b""
            # Nothing is how close_notify reads. What stands behind it stays in the buffer, and is never looked at.
            if not part:
                self.ended = True
                break
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def encrypt(self, data: bytes | bytearray) -> Iterator[bytes]:
        """The records for `data`, each to be sent before the next is asked for.

        Raises:
            ssl.SSLError: the connection can no longer be written to.
        """
        view = memoryview(data)
        while view:
            size = min(len(view), RECORD)
            if 0 < len(view) - size < LAST:
                size = len(view) - LAST
            done = self._object.write(view[:size])
            view = view[done:]
            yield self._outgoing.read()

    def take(self) -> bytes:
        """Octets for the network that a handshake or a close has made."""
        return self._outgoing.read()

    def close(self) -> bytes:
        """Our close_notify (P56)."""
        with contextlib.suppress(ssl.SSLError):
            self._object.unwrap()
        return self._outgoing.read()
