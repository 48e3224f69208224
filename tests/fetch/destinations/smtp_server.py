"""SMTP and LMTP servers for tests: aiosmtpd in this process, and one that does what it is told, line by line."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiosmtpd.controller import Controller
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Inbox:
    """What a server was given; `answer` decides about each message."""

    messages: list[tuple[str, str, bytes]] = field(default_factory=list)
    options: list[list[str]] = field(default_factory=list)
    answer: Callable[[str, bytes], str] = lambda sender, content: "250 stored"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's)
        content = envelope.original_content or b""
        answer = self.answer(envelope.mail_from or "", content)
        if answer.startswith("2"):
            self.messages.append((envelope.mail_from or "", envelope.rcpt_tos[0], content))
            self.options.append(envelope.mail_options)
        return answer

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 ok"


@contextmanager
def serving(
    inbox: Inbox, *, lmtp: bool = False, tls: ssl.SSLContext | None = None, starttls: bool = False, limit: int = 0
) -> Iterator[int]:
    """An aiosmtpd that asks for the login "ada" / "secret" where it has TLS; the port."""

    def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"ada", "s\xe9cret".encode())
        return AuthResult(success=good, handled=False)

    class Serving(Controller):
        def factory(self) -> SMTP:
            kind = LMTP if lmtp else SMTP
            return kind(
                self.handler,
                hostname="test",
                data_size_limit=limit or 64 << 20,
                tls_context=tls if starttls else None,
                require_starttls=starttls,
                auth_required=tls is not None,
                auth_require_tls=starttls,
                authenticator=authenticate,
            )

    controller = Serving(inbox, hostname="127.0.0.1", port=0, ssl_context=None if starttls else tls)
    controller.port = _free_port()
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port


@contextmanager
def scripted(*sessions: Callable[[socket.socket, Iterator[bytes]], None], close_after: bool = False) -> Iterator[int]:
    """A server whose n-th connection is served by the n-th function, from its socket and its lines; the port.

    With `close_after` nothing listens any more once the last of them has begun.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)

    def run() -> None:
        for number, session in enumerate(sessions, 1):
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if close_after and number == len(sessions):
                listener.close()
            with connection:
                connection.settimeout(10)
                with connection.makefile("rb") as lines:
                    try:
                        session(connection, iter(lines.readline, b""))
                    except (OSError, StopIteration):
                        continue

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        if listener.fileno() >= 0:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        thread.join()
