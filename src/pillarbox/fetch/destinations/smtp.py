"""Hands messages on by SMTP or LMTP: to another server, or to a mail store such as Dovecot's.

Rules: one recipient, from the settings, so that one answer decides about one message (RFC 2033's answer for each
recipient is then that answer, too); a message that was answered is never sent again; a connection that broke before
the message was complete is made anew, once, because nothing can have been delivered; one that broke later leaves the
message for another try, counted in `uncertain`, because nobody can be asked whether it arrived.

At least once, with a duplicate only after such a break or a crash between an answer and our record.
"""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Sequence
from pathlib import Path

from pillarbox.fetch.destination import Delivered, Failed, LineEnds, Staged, Sure
from pillarbox.fetch.destinations.envelope import checked_recipient, sender_of
from pillarbox.fetch.destinations.mail_server import MailServer, one_by_one
from pillarbox.fetch.destinations.problems import file_problem
from pillarbox.fetch.destinations.smtp_session import Reply, SmtpSession, Unknown


class Smtp:
    """One SMTP server as a destination.

    Args:
        server: where; ports are 465 (TLS) and 587 (STARTTLS) for submission, 25 between servers.
        recipient: who gets every message.
        sender: the envelope sender: an address, "" for none, None for the message's Return-Path.
        name: how we call ourselves in EHLO.
    """

    sure = Sure.AT_LEAST_ONCE
    line_ends = LineEnds.CRLF
    _lmtp = False

    def __init__(
        self, server: MailServer, recipient: str, *, sender: str | None = None, name: str = socket.gethostname()
    ) -> None:
        self._server, self._name = server, name
        self._recipient = checked_recipient(recipient)
        self._sender = sender_of(sender)
        self._session: SmtpSession | None = None
        self.uncertain = 0
        """How many messages may have been delivered although their answer was lost: each may come twice."""

    def staging(self) -> Path | None:
        """Messages leave the machine; they may be staged anywhere."""
        return None

    def open(self) -> None:
        """Connect and log in.

        Raises:
            DestinationError: the server cannot be reached, or refuses us.
        """
        self._connected()

    def close(self) -> None:
        """End the session."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def find(self, staged: Staged) -> str | None:
        """The server cannot be asked."""
        return None

    def deliver(self, batch: Sequence[Staged]) -> list[Delivered | Failed]:
        """Send the messages; see `Destination.deliver`.

        Raises:
            DestinationError: the server cannot be reached, and nothing of the batch was sent.
        """
        return one_by_one(batch, self._deliver)

    def _deliver(self, staged: Staged) -> Delivered | Failed:
        try:
            sender = self._sender(staged.path)
            size = staged.path.stat().st_size
        except OSError as error:
            return Failed(staged, file_problem(error, staged.path).text, temporary=True)
        for last in (False, True):
            fresh = self._session is None
            session = self._connected()
            try:
                return self._answer(staged, session.send(sender, self._recipient, staged.path, size))
            except Unknown:
                self.close()
                self.uncertain += 1
                text = f"{self._server.peer}: the connection broke before the server said whether it has the message:"
                return Failed(staged, f"{text} it will be sent again, and may then be there twice", temporary=True)
            except (OSError, smtplib.SMTPException):
                self.close()
                if last or fresh:
                    break
        text = f"{self._server.peer}: the connection broke before the message was complete: it will be sent again"
        return Failed(staged, text, temporary=True)

    def _connected(self) -> SmtpSession:
        if self._session is None:
            self._session = SmtpSession(self._server, lmtp=self._lmtp, name=self._name)
        return self._session

    def _answer(self, staged: Staged, reply: Reply) -> Delivered | Failed:
        if reply.ok:
            return Delivered(staged, f"{reply.code} {reply.text}")
        if reply.code == 421:  # RFC 5321 §3.8: it closes the session
            self.close()
        text = f"{self._server.peer}: it refused the {reply.step}: {reply.code} {reply.text}"
        if reply.temporary:
            return Failed(staged, f"{text}: it will be sent again", temporary=True)
        if reply.step == "RCPT":
            # The recipient is the same for every message, so this is hardly the message's fault.
            return Failed(staged, f"{text}: look whether {self._recipient} exists there")
        return Failed(staged, text, message_is_bad=True)


class Lmtp(Smtp):
    """One LMTP server as a destination: a mail store that answers once the message is stored.

    Args:
        server: where: a Unix socket such as "/run/dovecot/lmtp", or host and port (24).
        recipient: the user as the store calls them.
        sender: as for `Smtp`.
        name: as for `Smtp`.
    """

    _lmtp = True
