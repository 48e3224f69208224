"""One SMTP or LMTP session as a client: greeting, TLS, login, and one message after the other, streamed.

Rules: `smtplib` keeps the connection and reads the replies; the message itself is sent here, in pieces, with its dots
doubled and each bare CR and LF made CRLF: a bare one may not stand in SMTP, and what follows it could be read as
commands by some servers. What a lost connection means is told apart: before the last dot nothing can have been
delivered, after it nobody knows.

Serves RFC 5321, RFC 2033 (LMTP), RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 2920 (PIPELINING), RFC 3207, RFC 4954.
"""

from __future__ import annotations

import base64
import contextlib
import smtplib
import socket
import ssl
from pathlib import Path
from typing import NamedTuple

from pillarbox.fetch.destination import DestinationError
from pillarbox.fetch.destinations.mail_server import MailServer, Security
from pillarbox.fetch.destinations.problems import connection_problem, said
from pillarbox.fetch.line_ends import exact
from pillarbox.maildrop.maildrop import Facts, Shape
from pillarbox.maildrop.wire_form import Encoder

_UNKNOWN = Facts(0, 0, 0, 0, Shape(0))
_OPEN = 354


class Unknown(Exception):
    """The connection broke after the whole message was sent and before the server said what became of it."""


class Reply(NamedTuple):
    """A server's answer to one step of a delivery."""

    step: str
    code: int
    text: str

    @property
    def ok(self) -> bool:
        """Whether it is positive."""
        return 200 <= self.code < 300

    @property
    def temporary(self) -> bool:
        """Whether a later try may succeed. An answer that is none of RFC 5321 is taken for a passing fault."""
        return not 500 <= self.code < 600


class _Lines(smtplib.SMTP):
    """`smtplib`'s connection over a socket of ours; with LMTP's greeting where that is spoken."""

    def __init__(self, server: MailServer, *, lmtp: bool, name: str) -> None:
        super().__init__(local_hostname=name, timeout=server.timeout)
        if lmtp:
            self.ehlo_msg = "lhlo"
        self._lmtp = lmtp
        self.sock = server.connect()

    def helo(self, name: str = "") -> tuple[int, bytes]:
        """LMTP has no HELO (RFC 2033 §4.1)."""
        return (500, b"no HELO in LMTP") if self._lmtp else super().helo(name)


class SmtpSession:
    """A session that is logged in and ready for messages.

    Args:
        server: where.
        lmtp: whether LMTP is spoken.
        name: how we call ourselves in EHLO.

    Raises:
        DestinationError: there is no session to be had.
    """

    def __init__(self, server: MailServer, *, lmtp: bool, name: str) -> None:
        self._server = server
        self._smtp = _Lines(server, lmtp=lmtp, name=name)
        try:
            self._begin()
        except BaseException as error:
            self.close()
            if isinstance(error, smtplib.SMTPResponseException):
                raise self._refused("greeting", error.smtp_code, error.smtp_error) from None
            if isinstance(error, OSError | smtplib.SMTPException | UnicodeError):
                raise connection_problem(error, server.peer) from None
            raise

    def _begin(self) -> None:
        self._expect("greeting", *self._smtp.getreply())
        self._expect("greeting", *self._smtp.ehlo())
        if self._server.security is Security.STARTTLS:
            self._start_tls()
        if self._server.user:
            self._log_in()

    def _start_tls(self) -> None:
        smtp, server = self._smtp, self._server
        if not smtp.has_extn("starttls"):
            text = f"{server.peer}: it offers no STARTTLS: nothing was sent; use another port, or mend the server"
            raise DestinationError(text, temporary=True)
        self._expect("STARTTLS", *smtp.docmd("STARTTLS"))
        assert isinstance(smtp.sock, socket.socket)
        smtp.sock = server.wrapped(smtp.sock)
        # Whatever was said before, and whatever was slipped in behind the reply, is forgotten (RFC 3207 §4.2).
        smtp.file = None
        smtp.ehlo_resp = smtp.helo_resp = None
        smtp.esmtp_features = {}
        smtp.does_esmtp = False
        self._expect("greeting", *smtp.ehlo())

    def _log_in(self) -> None:
        server, smtp = self._server, self._smtp
        if not isinstance(smtp.sock, ssl.SSLSocket) and not server.is_local and not server.tls.cleartext:
            raise DestinationError(f"{server.peer}: no login without TLS", temporary=False)
        for last in (False, True):
            mechanism, message = server.proof()
            code, text = self._authenticate(mechanism, message)
            if code == 235:
                return
            if server.token is None or last:
                raise server.refused(said(text), temporary=not 500 <= code < 600)
            server.token.rejected()

    def _authenticate(self, mechanism: str, message: bytes) -> tuple[int, bytes]:
        smtp = self._smtp
        offered = smtp.esmtp_features.get("auth", "").upper().split()
        if mechanism == "PLAIN" and "PLAIN" not in offered and "LOGIN" in offered:
            _, user, password = message.split(b"\0")
            code, text = smtp.docmd("AUTH", "LOGIN")
            for answer in (user, password):
                if code == 334:
                    code, text = smtp.docmd(_base64(answer))
            return code, text
        code, text = smtp.docmd("AUTH", f"{mechanism} {_base64(message)}")
        if code == 334:  # the reason, as JSON; the end of the exchange has to be asked for
            return smtp.docmd("")
        return code, text

    def _expect(self, step: str, code: int, text: bytes) -> None:
        if not 200 <= code < 300:
            raise self._refused(step, code, text)

    def _refused(self, step: str, code: int, text: bytes | str) -> DestinationError:
        words = f"{self._server.peer}: it refused our {step}: {code} {said(text)}"
        return DestinationError(f"{words}: look into the server's log", temporary=not 500 <= code < 600)

    def send(self, sender: str, recipient: str, message: Path, size: int) -> Reply:
        """Hand on one message; the last answer, or the first that is a refusal.

        Args:
            sender: the envelope sender, an address or "".
            recipient: an address.
            message: the file with the exact octets.
            size: of it, in octets.

        Raises:
            smtplib.SMTPServerDisconnected, OSError: the connection broke before all was sent: nothing was delivered.
            Unknown: it broke later.
        """
        smtp = self._smtp
        limit = smtp.esmtp_features.get("size", "").strip()
        if limit.isdigit() and 0 < int(limit) < size:
            return Reply("SIZE", 552, f"the server takes {limit} octets, and the message has {size}")
        start = f"MAIL FROM:<{sender}>"
        start += f" SIZE={size}" if smtp.has_extn("size") else ""
        start += " BODY=8BITMIME" if smtp.has_extn("8bitmime") else ""
        refusal = self._open([("MAIL", start), ("RCPT", f"RCPT TO:<{recipient}>"), ("DATA", "DATA")])
        if refusal is not None:
            return refusal
        encoder = Encoder(_UNKNOWN)
        for piece in exact(message):
            smtp.send(bytes(encoder.feed(piece)))
        smtp.send(encoder.finish() + b".\r\n")
        try:
            code, text = smtp.getreply()
        except (OSError, smtplib.SMTPException):
            raise Unknown from None
        if not 200 <= code < 600:
            raise Unknown  # no answer that SMTP knows
        return Reply("message", code, said(text))

    def _open(self, commands: list[tuple[str, str]]) -> Reply | None:
        """Send the commands before the message; the first refusal, after which the session is as before them."""
        smtp = self._smtp
        together = smtp.has_extn("pipelining")
        if together:
            smtp.send("".join(f"{command}\r\n" for _, command in commands))
        refusal: Reply | None = None
        for step, command in commands:
            code, text = smtp.getreply() if together else smtp.docmd(command)
            good = code == _OPEN if step == "DATA" else 200 <= code < 300
            if not good and refusal is None:
                refusal = Reply(step, code, said(text))
            if good and step == "DATA" and refusal is not None:
                # RFC 2920 §3.1: it waits for a message that has no recipient; it gets an empty one, and refuses that.
                smtp.send(b".\r\n")
                smtp.getreply()
            if refusal is not None and not together:
                break
        if refusal is not None:
            smtp.docmd("RSET")
        return refusal

    def close(self) -> None:
        """End the session. Never raises."""
        with contextlib.suppress(OSError, smtplib.SMTPException):
            if self._smtp.sock is not None:
                self._smtp.sock.settimeout(5.0)
                self._smtp.send("QUIT\r\n")
        self._smtp.close()


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")
