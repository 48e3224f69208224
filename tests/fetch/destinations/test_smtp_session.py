"""SMTP sessions: TLS, STARTTLS and logins, and what is never sent without them."""

from __future__ import annotations

import datetime
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fetch.destinations.smtp_server import Inbox, scripted, serving
from tests.fetch.destinations.staging import message, stage

from pillarbox.client.tls_rules import TlsRules
from pillarbox.events.secret import Secret
from pillarbox.fetch.destination import Delivered, DestinationError
from pillarbox.fetch.destinations.mail_server import MailServer, Security
from pillarbox.fetch.destinations.smtp import Smtp
from pillarbox.fetch.destinations.smtp_session import Reply, SmtpSession
from pillarbox.server.certificates import make_self_signed

PASSWORD = "s\xe9cret"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    certificate, key = make_self_signed(
        tmp_path_factory.mktemp("tls"), ["localhost"], datetime.datetime.now(datetime.UTC)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # aiosmtpd does not see implicit TLS
@pytest.mark.parametrize("starttls", [False, True])
def test_messages_go_through_verified_tls_and_a_login(
    starttls: bool, authority: tuple[Path, ssl.SSLContext], tmp_path: Path
) -> None:
    certificate, context = authority
    security = Security.STARTTLS if starttls else Security.TLS
    inbox = Inbox()
    with serving(inbox, tls=context, starttls=starttls) as port:
        rules = TlsRules(ca_file=certificate)
        good = Smtp(MailServer("localhost", port, security, "ada", PASSWORD, tls=rules, timeout=5), "a@x")
        [answer] = good.deliver([stage(tmp_path, message(1))])
        good.close()
        assert isinstance(answer, Delivered)
        wrong = MailServer("localhost", port, security, "ada", "other", tls=rules, timeout=5)
        with pytest.raises(DestinationError, match=r"login of ada was refused: .*mend the user's name or the password"):
            Smtp(wrong, "a@x").open()
        untrusted = MailServer("localhost", port, security, "ada", PASSWORD, timeout=5)
        with pytest.raises(DestinationError, match="certificate was refused: self-signed certificate"):
            Smtp(untrusted, "a@x").open()
        pinned = TlsRules(ca_file=certificate, pins=["00" * 32])
        with pytest.raises(DestinationError, match="none of the pins"):
            Smtp(MailServer("localhost", port, security, "ada", PASSWORD, tls=pinned, timeout=5), "a@x").open()
    assert [content for _, _, content in inbox.messages] == [message(1)]


def test_starttls_that_is_not_offered_ends_it_before_the_password() -> None:
    seen: list[bytes] = []

    def strips(peer: socket.socket, lines: Iterator[bytes]) -> None:
        peer.sendall(b"220 hi\r\n")
        seen.append(next(lines))
        peer.sendall(b"250-test\r\n250 AUTH PLAIN\r\n")
        seen.extend(lines)

    with scripted(strips) as port:
        server = MailServer("localhost", port, Security.STARTTLS, "ada", PASSWORD, timeout=5)
        with pytest.raises(DestinationError, match="offers no STARTTLS: nothing was sent"):
            SmtpSession(server, lmtp=False, name="here")
    assert seen == [b"ehlo here\r\n", b"QUIT\r\n"]


class Tokens:
    refused = 0

    def access_token(self) -> Secret:
        return Secret(f"token{self.refused}")

    def rejected(self) -> None:
        self.refused += 1


def test_a_token_that_is_refused_is_renewed_once() -> None:
    seen: list[bytes] = []

    def asks(peer: socket.socket, lines: Iterator[bytes]) -> None:
        peer.sendall(b"220 hi\r\n")
        next(lines)
        peer.sendall(b"250-test\r\n250 AUTH XOAUTH2\r\n")
        seen.append(next(lines))
        peer.sendall(b"334 eyJzdGF0dXMiOiI0MDEifQ==\r\n")
        seen.append(next(lines))
        peer.sendall(b"535 expired\r\n")
        seen.append(next(lines))
        peer.sendall(b"235 ok\r\n")
        next(lines)

    tokens = Tokens()
    with scripted(asks) as port:
        SmtpSession(
            MailServer("127.0.0.1", port, Security.NONE, "ada", token=tokens, timeout=5), lmtp=False, name="here"
        ).close()
    assert tokens.refused == 1
    assert seen[1] == b"\r\n"
    assert seen[0].startswith(b"AUTH XOAUTH2 ")
    assert seen[0] != seen[2]


def test_login_is_used_where_plain_is_not_offered() -> None:
    seen: list[bytes] = []

    def asks(peer: socket.socket, lines: Iterator[bytes]) -> None:
        peer.sendall(b"220 hi\r\n")
        next(lines)
        peer.sendall(b"250-test\r\n250 AUTH LOGIN\r\n")
        for answer in (b"334 VXNlcm5hbWU6\r\n", b"334 UGFzc3dvcmQ6\r\n", b"235 ok\r\n"):
            seen.append(next(lines))
            peer.sendall(answer)
        next(lines)

    with scripted(asks) as port:
        SmtpSession(MailServer("127.0.0.1", port, Security.NONE, "ada", "x", timeout=5), lmtp=False, name="h").close()
    assert seen == [b"AUTH LOGIN\r\n", b"YWRh\r\n", b"eA==\r\n"]


@pytest.mark.parametrize(
    ("code", "ok", "temporary"), [(250, True, True), (451, False, True), (550, False, False), (-1, False, True)]
)
def test_replies(code: int, ok: bool, temporary: bool) -> None:
    assert Reply("message", code, "").ok == ok
    assert Reply("message", code, "").temporary == temporary
