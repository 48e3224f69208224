"""Appends messages to a folder on an IMAP server.

Rules: a message whose fate is unknown, after a lost connection or a crash, is looked for before it is sent again: by
its Message-ID, or by its size where it has none, and then octet by octet through its SHA-256, because another message
with the same Message-ID is a way for strangers to make mail disappear; a message counts as delivered when the server
has said OK, with its UID where the server tells it.

At least once: a server that changes messages as it stores them shows other octets, and then a copy may come twice.
"""

from __future__ import annotations

import hashlib
import imaplib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pillarbox.fetch.destination import Delivered, DestinationError, Failed, LineEnds, Staged, Sure
from pillarbox.fetch.destinations.imap_session import BROKEN, ImapSession, Refused, folder_word
from pillarbox.fetch.destinations.mail_server import MailServer, one_by_one
from pillarbox.fetch.destinations.problems import connection_problem, file_problem
from pillarbox.fetch.header_fields import MAX_OCTETS, header_fields
from pillarbox.fetch.line_ends import exact
from pillarbox.maildrop.maildrop import Facts, Shape
from pillarbox.maildrop.wire_form import Encoder

CANDIDATES = 50
"""Messages that are read back at most to find one."""

_FLAG = re.compile(r"\\?[A-Za-z0-9$_.-]{1,60}")
_MESSAGE_ID = re.compile(r"<[!#-;=?-\[\]-~]{1,250}>")
_NORMALISED = Facts(0, 0, 0, 0, Shape.KNOWN)
_PASSING = frozenset(
    {"UNAVAILABLE", "INUSE", "OVERQUOTA", "SERVERBUG", "CONTACTADMIN", "EXPIRED", "AUTHENTICATIONFAILED"}
)
_GONE = frozenset({"TRYCREATE", "NONEXISTENT"})


class Imap:
    r"""One folder on an IMAP server as a destination.

    Args:
        server: where; the port is 993 with TLS, 143 with STARTTLS.
        folder: its name, with the server's own separator.
        create: whether to make it when it is missing.
        flags: for every message, such as "\\Seen" or "$Fetched".
    """

    sure = Sure.AT_LEAST_ONCE
    line_ends = LineEnds.CRLF

    def __init__(
        self, server: MailServer, *, folder: str = "INBOX", create: bool = False, flags: Sequence[str] = ()
    ) -> None:
        folder_word(folder)
        for flag in flags:
            if not _FLAG.fullmatch(flag) or flag.lower() == r"\recent":
                raise ValueError(f'"{flag}" is no flag that can be set')
        self._server, self._folder, self._create, self._flags = server, folder, create, " ".join(flags)
        self._session: ImapSession | None = None
        self.uncertain = 0
        """How many messages may be there although neither an answer nor a search says so: each may come twice."""

    def staging(self) -> Path | None:
        """Messages leave the machine; they may be staged anywhere."""
        return None

    def open(self) -> None:
        """Connect, log in, and see to it that the folder is there.

        Raises:
            DestinationError: the server cannot be reached, refuses us, or has no such folder.
        """
        self._connected()

    def close(self) -> None:
        """End the session."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def find(self, staged: Staged) -> str | None:
        """The message's UID if the very same octets are in the folder.

        Raises:
            DestinationError: the server cannot be asked.
        """
        try:
            return self._search(self._connected(), staged)
        except Refused as error:
            raise self._problem(error) from None
        except BROKEN as error:
            self.close()
            raise connection_problem(error, self._server.peer) from None

    def deliver(self, batch: Sequence[Staged]) -> list[Delivered | Failed]:
        """Append the messages; see `Destination.deliver`.

        Raises:
            DestinationError: the server takes nothing, and nothing of the batch was appended.
        """
        return one_by_one(batch, self._deliver)

    def _deliver(self, staged: Staged) -> Delivered | Failed:
        try:
            with open(staged.path, "rb", buffering=0) as file:
                arrived = header_fields(file.read(MAX_OCTETS)).arrived()
            size = staged.path.stat().st_size
            binary = any(b"\0" in piece for piece in exact(staged.path))
        except OSError as error:
            return Failed(staged, file_problem(error, staged.path).text, temporary=True)
        # A date that imaplib cannot write, or one of the future, is a stranger's joke.
        moment = arrived if arrived is not None and 0 < arrived <= staged.received else staged.received
        date = imaplib.Time2Internaldate(moment)
        session = self._connected()
        try:
            uid = session.append(self._folder, staged.path, size, flags=self._flags, date=date, binary=binary)
            return Delivered(staged, self._id(uid))
        except Refused as error:
            return self._refusal(staged, error)
        except BROKEN:
            self.close()
        # It may be there. If it is not, the connection may just have been too old: once more.
        self.uncertain += 1
        try:
            session = self._connected()
            found = self._search(session, staged)
            if found is None:
                uid = session.append(self._folder, staged.path, size, flags=self._flags, date=date, binary=binary)
                found = self._id(uid)
        except Refused as error:
            return self._refusal(staged, error)
        except BROKEN:
            self.close()
            text = f"{self._server.peer}: the connection broke twice: the message is looked for, and sent again"
            return Failed(staged, text, temporary=True)
        self.uncertain -= 1
        return Delivered(staged, found)

    def _connected(self) -> ImapSession:
        if self._session is None:
            session = ImapSession(self._server)
            try:
                self._see_to_folder(session)
            except Refused as error:
                session.close()
                raise self._problem(error) from None
            except BROKEN as error:
                session.close()
                raise connection_problem(error, self._server.peer) from None
            except DestinationError:
                session.close()
                raise
            self._session = session
        return self._session

    def _see_to_folder(self, session: ImapSession) -> None:
        try:
            session.ask("STATUS", folder_word(self._folder), "(UIDVALIDITY)")
        except Refused as error:
            if error.bad:
                raise
            if not self._create:
                text = f'{self._server.peer}: there is no folder "{self._folder}": make it, or say `create = true`'
                raise DestinationError(text, temporary=False) from None
            session.ask("CREATE", folder_word(self._folder))
            session.ask("SUBSCRIBE", folder_word(self._folder))

    def _search(self, session: ImapSession, staged: Staged) -> str | None:
        session.examine(self._folder)
        here = staged.path.exists()
        message_id = _message_id(staged.path) if here else ""
        if message_id:
            uids = session.search("HEADER", "Message-ID", f'"{message_id}"')
        else:
            uids = session.search("LARGER", str(staged.size - 1), "SMALLER", str(staged.size + 1))
        # Bare CRs and LFs are made line ends by many servers; that is still the same message.
        same = _digests(exact(staged.path)) if here else {staged.sha256}
        for uid in reversed(uids[-CANDIDATES:]):
            if same & _digests(session.pieces(uid)):
                return self._id(uid)
        return None

    def _refusal(self, staged: Staged, error: Refused) -> Failed:
        if error.code in _GONE:
            raise self._problem(error)
        text = f"{self._server.peer}: it refused the message: {error.text}"
        if error.code in _PASSING:
            return Failed(staged, f"{text}: it will be sent again", temporary=True)
        return Failed(staged, text, message_is_bad=True)

    def _problem(self, error: Refused) -> DestinationError:
        text = f'{self._server.peer}: folder "{self._folder}": {error.text}: look into the server\'s log'
        return DestinationError(text, temporary=error.code in _PASSING)

    def _id(self, uid: str) -> str:
        return f"{self._folder}:{uid}" if uid else self._folder


def _message_id(message: Path) -> str:
    """The Message-ID of a staged message, or "" where it has none that can be asked for."""
    with open(message, "rb", buffering=0) as file:
        values = header_fields(file.read(MAX_OCTETS)).values("message-id")
    return values[0] if values and _MESSAGE_ID.fullmatch(values[0]) else ""


def _digests(pieces: Iterable[bytes]) -> set[bytes]:
    """The SHA-256 of the octets, and that of their form in which every line ends in CRLF."""
    plain, lines, encoder = hashlib.sha256(), hashlib.sha256(), Encoder(_NORMALISED)
    for piece in pieces:
        plain.update(piece)
        lines.update(encoder.feed(piece))
    lines.update(encoder.finish())
    return {plain.digest(), lines.digest()}
