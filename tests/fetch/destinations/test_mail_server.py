"""Mail servers: what is safe to connect to, and what is shown to whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pillarbox.client.tls_rules import TlsRules
from pillarbox.events.secret import Secret
from pillarbox.fetch.destination import DestinationError
from pillarbox.fetch.destinations.mail_server import MailServer, Security


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"host": ""}, "is no host"),
        ({"host": "a b"}, "is no host"),
        ({"host": "a\r\nb"}, "is no host"),
        ({"host": "mail.example.org", "security": Security.NONE}, "use TLS, or allow cleartext by name"),
        ({"user": "ada"}, "a user with a password or a token"),
        ({"password": "x"}, "a user with a password or a token"),
        ({"user": "a\0b", "password": "x"}, "control character"),
    ],
)
def test_unsafe_settings_are_refused(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        MailServer(**{"host": "localhost", "port": 1, **arguments})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1", "/run/lmtp"])
def test_this_machine_may_be_talked_to_without_tls(host: str) -> None:
    assert MailServer(host, 24, Security.NONE).is_local


def test_cleartext_can_be_allowed_by_name() -> None:
    rules = TlsRules(cleartext=True)
    assert not MailServer("mail.example.org", 25, Security.NONE, tls=rules).is_local


def test_secrets_are_got_anew_and_never_shown() -> None:
    given: Iterator[str | bytes | Secret] = iter(["hunter2", Secret(b"tw\xc3\xb6"), b"a\0b"])
    server = MailServer("localhost", 1, Security.NONE, "ada", lambda: next(given))
    assert "hunter2" not in repr(server)
    assert server.proof() == ("PLAIN", b"\0ada\0hunter2")
    assert server.proof() == ("PLAIN", b"\0ada\0tw\xc3\xb6")
    with pytest.raises(DestinationError, match="NUL"):
        server.proof()


def test_a_secret_that_cannot_be_got_is_said() -> None:
    def fails() -> str:
        raise OSError(2, "no such \x1bkeyring")

    with pytest.raises(DestinationError, match=r"localhost:1: .*no such \\x1bkeyring") as caught:
        MailServer("localhost", 1, Security.NONE, "ada", fails).proof()
    assert caught.value.temporary
