"""One IMAP session as a client: TLS, login, a folder, appending a streamed message, and reading one back in pieces.

Rules: `imaplib` keeps the connection and reads the answers; a message is never held whole: it is sent from its file,
without a round trip where the server has LITERAL+; names and words that go into a command are quoted here, and what
cannot be quoted is refused.

Serves RFC 9051 and RFC 3501, RFC 7888 (LITERAL+), RFC 4315 (UIDPLUS), RFC 3516 (BINARY, for messages with NUL),
RFC 5530 (response codes), RFC 3501 §5.1.3 (names of folders).
"""

from __future__ import annotations

import base64
import contextlib
import functools
import imaplib
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pillarbox.client.errors import TlsError
from pillarbox.fetch.destination import DestinationError
from pillarbox.fetch.destinations.mail_server import MailServer, Security
from pillarbox.fetch.destinations.problems import connection_problem, said
from pillarbox.fetch.line_ends import CHUNK, exact

_SMALL_LITERAL = 4096
"""Octets: the most that LITERAL- takes without asking (RFC 7888 §5)."""

_SPECIAL = re.compile(r"[^ -%'-~]+|&")
_CODE = re.compile(rb"\[([A-Za-z0-9!.-]{1,40})[ \]]")


class Refused(Exception):
    """The server said NO or BAD. `code` is its response code in upper case (RFC 5530), or ""."""

    def __init__(self, kind: str, text: bytes) -> None:
        found = _CODE.match(text)
        self.bad = kind == "BAD"
        self.code = found[1].decode("ascii").upper() if found else ""
        self.text = said(text)
        super().__init__(self.text)


BROKEN = (OSError, imaplib.IMAP4.abort)
"""What is raised when the connection is gone."""


class _Body:
    """A message in a file, as `imaplib` wants its literals."""

    def __init__(self, path: Path, size: int) -> None:
        self.path, self._size = path, size

    def __len__(self) -> int:
        return self._size


class _Connection(imaplib.IMAP4):
    """`imaplib`'s connection over a socket of ours, which can send a file."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self.waiting: _Body | None = None
        super().__init__(server.host, server.port, server.timeout)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return self._server.connect()

    def send(self, data: Any) -> None:
        """Send octets, or a file; `Any` because `imaplib` gives us whatever the literal is."""
        if isinstance(data, _Body):
            for piece in exact(data.path):
                super().send(piece)
            return
        super().send(data)
        if self.waiting is not None and data.endswith(b"+}\r\n"):
            body, self.waiting = self.waiting, None
            self.send(body)
            super().send(b"\r\n")


class _Answers:
    """What is said in a SASL exchange: our one message, and then nothing more but the end of it."""

    def __init__(self, message: bytes) -> None:
        self._left = [message]

    def answer(self, challenge: bytes) -> bytes:
        """The answer to a challenge."""
        return self._left.pop() if self._left else b""


class ImapSession:
    """A session that is logged in.

    Raises:
        DestinationError: there is none to be had.
    """

    def __init__(self, server: MailServer) -> None:
        self._server = server
        try:
            self._imap = _Connection(server)
        except (OSError, imaplib.IMAP4.error) as error:
            raise connection_problem(error, server.peer) from None
        try:
            self._begin()
        except BaseException as error:
            self.close()
            if isinstance(error, TlsError):
                raise DestinationError(f"{server.peer}: {said(str(error))}", temporary=False) from None
            if isinstance(error, OSError | imaplib.IMAP4.error):
                raise connection_problem(error, server.peer) from None
            raise
        _, answer = self._imap.capability()
        self.capabilities = frozenset(
            b" ".join(one for one in answer if one).decode("ascii", "replace").upper().split()
        )

    def _begin(self) -> None:
        imap, server = self._imap, self._server
        if server.security is Security.STARTTLS:
            # A greeting that says we are logged in already would keep us from asking for TLS.
            if imap.state != "NONAUTH" or "STARTTLS" not in imap.capabilities:
                text = f"{server.peer}: it offers no STARTTLS: nothing was sent; use another port, or mend the server"
                raise DestinationError(text, temporary=True)
            imap.host = server.tls.name or server.host
            imap.starttls(server.tls.client_context())
            assert isinstance(imap.sock, ssl.SSLSocket)
            server.tls.judge(server.host, server.port, imap.sock.getpeercert(binary_form=True) or b"")
        if imap.state == "NONAUTH":
            self._log_in()

    def _log_in(self) -> None:
        server, imap = self._server, self._imap
        if not server.user:
            raise DestinationError(f"{server.peer}: it asks for a login: name a user and a password", temporary=False)
        for last in (False, True):
            mechanism, message = server.proof()
            try:
                if mechanism == "PLAIN" and "AUTH=PLAIN" not in imap.capabilities:
                    _, user, password = message.split(b"\0")
                    imap.login(user.decode(), password.decode("utf-8", "surrogateescape"))
                else:
                    imap.authenticate(mechanism, _Answers(message).answer)
                return
            except imaplib.IMAP4.abort:
                raise
            except imaplib.IMAP4.error as error:
                refusal = Refused("NO", _octets(error.args[0] if error.args else ""))
                if server.token is None or last:
                    temporary = refusal.code in ("UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG")
                    raise server.refused(refusal.text, temporary=temporary) from None
                server.token.rejected()

    def ask(self, command: str, *words: str) -> list[bytes]:
        """Send a command without a literal; the data of its answer.

        Raises:
            Refused: NO or BAD.
        """
        data = _done(lambda: self._imap.xatom(command, *words))
        return [one for one in data if isinstance(one, bytes)]

    def append(self, folder: str, message: Path, size: int, *, flags: str, date: str, binary: bool) -> str:
        """Append a message; "uidvalidity:uid" where the server says it, else "".

        Raises:
            Refused: it was not appended.
        """
        imap = self._imap
        plus = "LITERAL+" in self.capabilities or ("LITERAL-" in self.capabilities and size <= _SMALL_LITERAL)
        body = _Body(message, size)
        words = [folder_word(folder), *([f"({flags})"] if flags else []), date]
        imap.response("APPENDUID")  # forget an older one
        if plus:
            imap.waiting = body
            words.append(f"{'~' if binary else ''}{{{size}+}}")
        elif binary:
            raise Refused("NO", b"[CANNOT] the message holds NUL octets, and the server does not take these")
        else:
            imap.literal = body  # type: ignore[assignment]  # it needs a length, and to be sent; ours can do both
        self.ask("APPEND", *words)
        _, data = imap.response("APPENDUID")
        uid = data[0] if data else None
        return _octets(uid).decode("ascii", "replace").replace(" ", ":") if uid else ""

    def examine(self, folder: str) -> None:
        """Open a folder for reading.

        Raises:
            Refused: there is none.
        """
        _done(lambda: self._imap.select(folder_word(folder), readonly=True))

    def search(self, *words: str) -> list[str]:
        """The UIDs of the messages in the open folder that fit.

        Raises:
            Refused: NO or BAD.
        """
        data = _done(lambda: self._imap.uid("SEARCH", *words))
        return [uid.decode("ascii") for uid in b" ".join(one for one in data if one).split() if uid.isdigit()]

    def pieces(self, uid: str) -> Iterator[bytes]:
        """The octets of a message in the open folder.

        Raises:
            Refused: NO or BAD.
        """
        offset = 0
        while True:
            data = _done(functools.partial(self._imap.uid, "FETCH", uid, f"(BODY.PEEK[]<{offset}.{CHUNK}>)"))
            piece = next((one[1] for one in data if isinstance(one, tuple)), b"")
            if not piece:
                return
            yield piece
            offset += len(piece)

    def close(self) -> None:
        """End the session. Never raises."""
        with contextlib.suppress(OSError, imaplib.IMAP4.error):
            self._imap.sock.settimeout(5.0)
            self._imap.logout()
        with contextlib.suppress(OSError, imaplib.IMAP4.error):
            self._imap.shutdown()


def _done(call: Callable[[], tuple[str, list[Any]]]) -> list[Any]:
    """The data of an answer (`Any`: octets, or pairs of them where there are literals).

    Raises:
        Refused: NO or BAD.
    """
    try:
        kind, data = call()
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error as error:  # which is how it tells BAD
        raise Refused("BAD", str(error).encode("utf-8", "replace")) from None
    if kind != "OK":
        raise Refused(kind, _octets(data[0] if data else b""))
    return data


def folder_word(name: str) -> str:
    """The name of a folder as a command wants it: in modified UTF-7, quoted.

    Raises:
        ValueError: it is empty or holds a control character.
    """
    if not name or any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise ValueError("the name of a folder is empty or holds a control character")
    return _quoted(_SPECIAL.sub(_shifted, name))


def _shifted(part: re.Match[str]) -> str:
    if part[0] == "&":
        return "&-"
    coded = base64.b64encode(part[0].encode("utf-16-be")).decode("ascii")
    return "&" + coded.rstrip("=").replace("/", ",") + "-"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _octets(data: object) -> bytes:
    return data if isinstance(data, bytes) else str(data).encode("utf-8", "replace")
