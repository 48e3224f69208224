"""What Python's poplib has, with the same names and results, on this client's exchange: for programs that exist.

    from pillarbox.client import poplib         # instead of: import poplib
    box = poplib.POP3_SSL("mail.example.org")

Rules: results are poplib's, octet for octet: (response, [lines], octets), responses as the server sent them; so are the
exceptions: `error_proto` (the very class), `OSError`s of the connection, `TimeoutError`. Different on purpose: framing
is strict (only CRLF "." CRLF ends a message), long lines are given and not refused, certificates are verified by
default, waiting always ends, a command that cannot be meant here is refused before it is sent, RPOP is gone, and
debugging output shows no password. `POP3` without `stls` sends the password in clear, as poplib does: new programs use
`Client`, which never does by itself.

Elsewhere: everything of the protocol (`exchange`). Serves RFC 1939, RFC 2449 §5, RFC 2595 §4, RFC 6856 §2.
"""

from __future__ import annotations

import re
import socket
import ssl
import sys
from poplib import error_proto
from typing import TypeVar

from pillarbox.client.errors import (
    ClientError,
    ConnectionLost,
    DeadlineExceeded,
    Refused,
    UsageError,
)
from pillarbox.client.poplib_steps import Recorder, Steps
from pillarbox.client.settings import Timeout
from pillarbox.client.tls_rules import TlsRules
from pillarbox.client.transport import Connector, Transport, connect
from pillarbox.client.wants import Work
from pillarbox.events import Secret
from pillarbox.sasl import DigestKind
from pillarbox.sasl.digests import compute
from pillarbox.wire.commands import Verb

__all__ = ["POP3", "POP3_PORT", "POP3_SSL", "POP3_SSL_PORT", "error_proto"]

POP3_PORT = 110
POP3_SSL_PORT = 995

LongResponse = tuple[bytes, "list[bytes]", int]
"""The response line, the lines without their ends, and their octets."""

Which = int | str

T = TypeVar("T")

_UNSET = object()
_STAMP = re.compile(rb"\+OK.[^<]*(<[^<>@\s]+@[^<>@\s]+>)")  # RFC 1939 §7: a Message-ID; other forms help attacks
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SECRET = frozenset({Verb.PASS, Verb.APOP})


class POP3:
    """A connection to a POP3 server, as poplib's `POP3`.

    Args:
        host: its name or address.
        port: TCP.
        timeout: seconds for connecting and for each reply to begin; by default the socket module's, or this client's.
        connect: opens connections instead of TCP sockets.

    Attributes:
        welcome: the greeting, with its "+OK".

    Raises:
        error_proto: the server turned us away, or does not speak POP3.
        OSError: there is no connection.
        ValueError: a timeout of 0.
        UsageError: that is not a host or a port.
    """

    encoding = "UTF-8"

    def __init__(
        self, host: str, port: int = POP3_PORT, timeout: object = _UNSET, *, connect: Connector = connect
    ) -> None:
        self._begin(host, port, timeout, connect, None)

    def _begin(self, host: str, port: int, timeout: object, connect: Connector, context: ssl.SSLContext | None) -> None:
        self.host = host
        self.port = port
        self._tls_established = context is not None
        self._debugging = 0
        self._connect = connect
        self._recorder: Recorder | None = None
        literal = f"[{host}]" if ":" in host else host
        self._client = Steps(
            f"{'pop3' if context is None else 'pops'}://{literal}:{port}",
            # Which TLS there is to be is said by the class, and by calling `stls`.
            tls=TlsRules(cleartext=True, stls=False),
            timeout=_patience(timeout),
            connect=self._connected,
        )
        try:
            self._carry_out(self._client.meet(context))
        except BaseException:
            self.close()
            raise
        self.welcome = self._response()

    def _connected(self, host: str, port: int, deadline: float) -> Transport:
        self._recorder = Recorder(self._connect(host, port, deadline))
        return self._recorder

    # ---- one command ----------------------------------------------------------------------------------------------

    def _carry_out(self, work: Work[T]) -> T:
        """Do it, and give what goes wrong the form it has in poplib."""
        try:
            return self._client.carry_out(work)
        except UsageError as problem:
            raise error_proto(f"-ERR {problem}") from None
        except ClientError as problem:
            raise self._translated(problem) from None

    def _translated(self, problem: ClientError) -> Exception:
        recorder = self._recorder
        if recorder is not None and recorder.trouble is not None:
            return recorder.trouble
        if isinstance(problem, DeadlineExceeded):
            return TimeoutError(str(problem))
        if isinstance(problem, Refused):
            return error_proto(self._response())
        return error_proto("-ERR EOF" if isinstance(problem, ConnectionLost) else f"-ERR {problem}")

    def _response(self) -> bytes:
        assert self._recorder is not None  # a server has answered
        line = self._recorder.line
        if self._debugging > 1:
            self._show("resp", repr(line))
        return line

    def _short(self, verb: Verb, number: int = 0, argument: str = "") -> bytes:
        if _CONTROL.search(argument):
            raise ValueError("Control characters not allowed in commands")
        self._show_command(verb, number, -1, argument)
        ok = self._carry_out(self._client.say(verb, number, argument=argument.encode(self.encoding)))
        response = self._response()
        if not ok:
            raise error_proto(response)
        return response

    def _long(self, verb: Verb, number: int = 0, lines: int = -1) -> LongResponse:
        self._show_command(verb, number, lines, "")
        found = self._carry_out(self._client.ask(verb, number, lines))
        response = self._response()
        if found is None:
            raise error_proto(response)
        return response, *found

    def _show_command(self, verb: Verb, number: int, lines: int, argument: str) -> None:
        if self._debugging:
            words = [verb.name, str(number) if number else "", str(lines) if lines >= 0 else ""]
            words.append("*" if argument and verb in _SECRET else argument)
            self._show("cmd", repr(" ".join(word for word in words if word)))

    def _show(self, what: str, text: str) -> None:
        sys.stdout.write(f"*{what}* {text}\n")

    # ---- poplib's methods -----------------------------------------------------------------------------------------

    def getwelcome(self) -> bytes:
        """The greeting."""
        return self.welcome

    def set_debuglevel(self, level: int) -> None:
        """Show commands (1), and responses too (2), on standard output; passwords are never shown."""
        self._debugging = level

    def user(self, user: str) -> bytes:
        """Say the name."""
        return self._short(Verb.USER, argument=user)

    def pass_(self, pswd: str) -> bytes:
        """Say the password."""
        return self._short(Verb.PASS, argument=pswd)

    def apop(self, user: str, password: str) -> bytes:
        """Log in with a digest; only where the greeting has a timestamp."""
        found = _STAMP.match(self.welcome)
        if found is None:
            raise error_proto("-ERR APOP not supported by server")
        digest = compute(DigestKind.APOP, found.group(1), Secret(password.encode(self.encoding)))
        return self._short(Verb.APOP, argument=f"{user} {digest.hex()}")

    def rpop(self, user: str) -> bytes:
        """Fails: no server has had it since RFC 1460."""
        raise error_proto("-ERR RPOP is not supported")

    def stat(self) -> tuple[int, int]:
        """How many messages, and how many octets."""
        words = self._short(Verb.STAT).split()
        if len(words) < 3:
            raise error_proto("Invalid STAT response format")
        try:
            return int(words[1]), int(words[2])
        except ValueError:
            raise error_proto("Invalid STAT response data: non-numeric values") from None

    def list(self, which: Which | None = None) -> bytes | LongResponse:
        """Numbers and sizes, or the line of one message."""
        return self._listed(Verb.LIST, which)

    def uidl(self, which: Which | None = None) -> bytes | LongResponse:
        """Numbers and unique-ids, or the line of one message."""
        return self._listed(Verb.UIDL, which)

    def _listed(self, verb: Verb, which: Which | None) -> bytes | LongResponse:
        return self._long(verb) if which is None else self._short(verb, _number(which))

    def retr(self, which: Which) -> LongResponse:
        """A message."""
        return self._long(Verb.RETR, _number(which))

    def top(self, which: Which, howmuch: Which) -> LongResponse:
        """The headers of a message, and so many lines of its body."""
        return self._long(Verb.TOP, _number(which), _number(howmuch, least=0))

    def dele(self, which: Which) -> bytes:
        """Mark a message to be deleted at `quit`."""
        return self._short(Verb.DELE, _number(which))

    def noop(self) -> bytes:
        """Keep the session alive."""
        return self._short(Verb.NOOP)

    def rset(self) -> bytes:
        """Take all marks back."""
        return self._short(Verb.RSET)

    def utf8(self) -> bytes:
        """Ask for UTF-8 mode (RFC 6856)."""
        return self._short(Verb.UTF8)

    def capa(self) -> dict[str, list[str]]:  # type: ignore[valid-type]  # poplib's method hides the type's name here
        """What the server can do, by name."""
        try:
            lines = self._long(Verb.CAPA)[1]
        except error_proto:
            raise error_proto("-ERR CAPA not supported by server") from None
        words = [line.decode("ascii", "replace").split() for line in lines]
        return {name: arguments for name, *arguments in filter(None, words)}

    def stls(self, context: ssl.SSLContext | None = None) -> bytes:
        """Go on inside TLS."""
        if self._tls_established:
            raise error_proto("-ERR TLS session already established")
        if "STLS" not in self.capa():
            raise error_proto("-ERR STLS not supported by server")
        self._show_command(Verb.STLS, 0, -1, "")
        ok = self._carry_out(self._client.secure(context or ssl.create_default_context()))
        response = self._response()
        if not ok:
            raise error_proto(response)
        self._tls_established = True
        return response

    def quit(self) -> bytes:
        """Have the deletions carried out, and close."""
        try:
            return self._short(Verb.QUIT)
        finally:
            self.close()

    def close(self) -> None:
        """Close without a word: nothing is deleted."""
        self._client.close()


class POP3_SSL(POP3):  # noqa: N801 - poplib's name
    """A connection with TLS from the first octet, as poplib's `POP3_SSL`.

    Args:
        host, port, timeout, connect: as for `POP3`.
        context: whom to trust; by default the system's authorities, for the host's name.
    """

    def __init__(
        self,
        host: str,
        port: int = POP3_SSL_PORT,
        *,
        timeout: object = _UNSET,
        context: ssl.SSLContext | None = None,
        connect: Connector = connect,
    ) -> None:
        self.context = context or ssl.create_default_context()
        self._begin(host, port, timeout, connect, self.context)


def _patience(timeout: object) -> Timeout:
    if isinstance(timeout, int | float):
        if not timeout:
            raise ValueError("Non-blocking socket (timeout=0) is not supported")
    else:
        timeout = socket.getdefaulttimeout()
    if timeout is None:
        return Timeout(session=None)
    return Timeout(connect=float(timeout), command=float(timeout), session=None)


def _number(which: Which, least: int = 1) -> int:
    text = str(which)
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or int(text) < least:
        raise error_proto("-ERR that is not a message number" if least else "-ERR that is not a number of lines")
    return int(text)
