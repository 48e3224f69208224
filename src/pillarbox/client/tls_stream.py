"""The client's side of TLS, sans I/O: cipher octets in, plain octets out, and back; the same for both shells.

Rules: nothing here waits or touches a socket; the end of the stream counts as its end with and without close_notify,
because POP3 says itself whether a reply was complete.
"""

from __future__ import annotations

import ssl

from pillarbox.client.wants import Channel

RECORD = 16_384
"""Octets of plaintext in a TLS record at most (RFC 8446 §5.1)."""


class TlsStream:
    """One TLS connection.

    Attributes:
        ended: the server has closed its side: nothing more can be read.
    """

    __slots__ = ("_incoming", "_object", "_outgoing", "ended")

    def __init__(self, context: ssl.SSLContext, name: str) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=False, server_hostname=name)
        self.ended = False

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

    def channel(self) -> Channel:
        """What the handshake, which is complete, has led to."""
        tls = self._object
        version = tls.version() or ""
        # RFC 9266 §4: "tls-unique" is not defined for TLS 1.3, whatever OpenSSL gives.
        unique = tls.get_channel_binding("tls-unique") if version == "TLSv1.2" else None
        cipher = tls.cipher()
        return Channel(version, cipher[0] if cipher else "", tls.getpeercert(binary_form=True) or b"", unique or b"")

    def feed(self, data: bytes) -> None:
        """Take octets from the network; b"" when it has ended."""
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def read(self) -> bytes:
        """The plaintext of all records that are complete; b"" when there is none, or the stream has `ended`.

        Raises:
            ssl.SSLError: the records are broken: somebody meddled with them.
        """
        parts = []
        while not self.ended:
            try:
                part = self._object.read(RECORD)
            except ssl.SSLWantReadError:
                break
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                part = b""
            if not part:
                self.ended = True
                break
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def encrypt(self, data: bytes) -> bytes:
        """The records for `data`.

        Raises:
            ssl.SSLError: the connection can no longer be written to.
        """
        self._object.write(data)
        return self._outgoing.read()

    def take(self) -> bytes:
        """Octets for the network that a handshake, a renewal of keys or a close has made."""
        return self._outgoing.read()

    def close(self) -> bytes:
        """Our close_notify."""
        try:
            self._object.unwrap()
        except (ssl.SSLError, ValueError):
            pass
        return self._outgoing.read()
