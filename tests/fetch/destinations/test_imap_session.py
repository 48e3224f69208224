"""IMAP's words: names of folders, literals with and without a round trip, and refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fetch.destinations.imap_server import Folder, serving

from pillarbox.events.secret import Secret
from pillarbox.fetch.destination import DestinationError
from pillarbox.fetch.destinations.imap_session import ImapSession, Refused, folder_word
from pillarbox.fetch.destinations.mail_server import MailServer, Security


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("INBOX", '"INBOX"'),
        ("a b", '"a b"'),
        ("R&D", '"R&-D"'),
        ("Entwürfe", '"Entw&APw-rfe"'),
        ("台北", '"&U,BTFw-"'),
        ("a\u2028\U0001f600b", '"a&ICjYPd4A-b"'),
        ('q"\\', '"q\\"\\\\"'),
    ],
)
def test_names_of_folders_are_in_modified_utf_7(name: str, word: str) -> None:
    assert folder_word(name) == word


@pytest.mark.parametrize("name", ["", "a\r\nb", "a\0", "\x7f"])
def test_names_that_would_end_a_command_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name of a folder"):
        folder_word(name)


def session(port: int, **login: object) -> ImapSession:
    return ImapSession(MailServer("127.0.0.1", port, Security.NONE, "ada", **({"password": "x"} | login), timeout=5.0))  # type: ignore[arg-type]  # what each test says


@pytest.mark.parametrize(
    ("capabilities", "size", "literal"),
    [
        ("IMAP4rev1 LITERAL+", 10_000, b"{10000+}"),
        ("IMAP4rev1 LITERAL-", 4096, b"{4096+}"),
        ("IMAP4rev1 LITERAL-", 4097, b"{4097}"),
        ("IMAP4rev1", 10, b"{10}"),
    ],
)
def test_a_message_is_sent_without_asking_where_that_is_allowed(
    capabilities: str, size: int, literal: bytes, tmp_path: Path
) -> None:
    octets = b"x" * (size - 2) + b"\r\n"
    (tmp_path / "m").write_bytes(octets)
    folder = Folder(capabilities=capabilities)
    with serving(folder) as port:
        one = session(port)
        date = '"14-Nov-2023 22:13:20 +0000"'
        assert one.append("INBOX", tmp_path / "m", size, flags="", date=date, binary=False) == ""
        one.close()
    assert folder.messages == [octets]
    assert b'APPEND "INBOX" "14-Nov-2023 22:13:20 +0000" ' + literal + b"\r\n" in folder.asked


def test_a_refusal_has_its_code() -> None:
    refusal = Refused("NO", b"[OVERQUOTA] no\x1b room")
    assert (refusal.code, refusal.bad, refusal.text) == ("OVERQUOTA", False, "[OVERQUOTA] no\\x1b room")
    assert Refused("BAD", b"what [X]").code == ""
    assert Refused("BAD", b"what").bad


class Tokens:
    def __init__(self) -> None:
        self.given = 0
        self.refused = 0

    def access_token(self) -> Secret:
        self.given += 1
        return Secret(f"token{self.given}")

    def rejected(self) -> None:
        self.refused += 1


def test_a_token_that_is_refused_is_renewed_once() -> None:
    tokens = Tokens()
    with serving(Folder(faults={"AUTHENTICATE": ["NO old"]})) as port:
        session(port, password=None, token=tokens).close()
    assert (tokens.given, tokens.refused) == (2, 1)
    with (
        serving(Folder(faults={"AUTHENTICATE": ["NO old", "NO old"]})) as port,
        pytest.raises(DestinationError, match=r"the login of ada was refused: .*mend the user's name or the token"),
    ):
        session(port, password=None, token=tokens)


def test_without_plain_the_login_command_is_used_and_quoted() -> None:
    folder = Folder(capabilities="IMAP4rev1")
    with serving(folder) as port:
        session(port, password='s "\\ x').close()
    assert b'LOGIN ada "s \\"\\\\ x"\r\n' in folder.asked


def test_starttls_that_is_not_offered_ends_it_before_the_password() -> None:
    folder = Folder()
    with serving(folder) as port:
        server = MailServer("127.0.0.1", port, Security.STARTTLS, "ada", "x", timeout=5.0)
        with pytest.raises(DestinationError, match="offers no STARTTLS: nothing was sent"):
            ImapSession(server)
    assert not any(line.startswith((b"LOGIN", b"AUTHENTICATE")) for line in folder.asked)
