"""Each kind of account and destination of the file becomes what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pillarbox.client.auth import ClientCertificate
from pillarbox.client.oauth import OAuth2
from pillarbox.client.tls_rules import Verify
from pillarbox.config import ConfigError
from pillarbox.fetch import AT_ONCE, KEEP, LineEnds, Oversize
from pillarbox.fetch.accounts_file import Fetcher, application, load, token_file
from pillarbox.fetch.destinations.archive import ArchiveDestination
from pillarbox.fetch.destinations.imap import Imap
from pillarbox.fetch.destinations.maildir import MaildirDestination
from pillarbox.fetch.destinations.mbox import Mbox
from pillarbox.fetch.destinations.pipe import Pipe
from pillarbox.fetch.destinations.smtp import Lmtp, Smtp
from pillarbox.fetch.new_account import table_text
from pillarbox.fetch.schema import OAuth
from pillarbox.fetch.secrets import SecretUnavailable

ADA: dict[str, Any] = {
    "url": "pops://ada@mail.example.org",
    "password_file": "/p",
    "deliver": {"to": "maildir", "path": "/m"},
}


def loaded(tmp_path: Path, head: str = "", **accounts: dict[str, Any]) -> Fetcher:
    path = tmp_path / "fetch.toml"
    text = "".join(table_text(name, {**ADA, **changes}) for name, changes in accounts.items())
    path.write_text(f'[fetch]\nstate = "state"\n{head}\n{text}')
    return load(path)


def test_an_account_is_what_the_file_says(tmp_path: Path) -> None:
    changes = {
        "delete": "after delivery", "keep_days": 2, "largest": 9, "oversize": "headers", "every": 30, "tries": 5,
        "pipelining": "off", "lenient_lf": True, "commit_messages": 7,
        "tls": {"verify": "first use", "cleartext": True},
    }  # fmt: skip
    fetcher = loaded(tmp_path, "every = 60", ada=changes, bob={}, carl={"enabled": False})
    assert [(one.account.name, one.every, one.host) for one in fetcher.accounts] == [
        ("ada", 30, "mail.example.org"),
        ("bob", 60, "mail.example.org"),
    ]
    assert (fetcher.disabled, fetcher.state) == (("carl",), tmp_path / "state")
    ada, bob = (one.account for one in fetcher.accounts)
    assert (ada.delete_after, ada.largest, ada.oversize, ada.tries) == (172_800, 9, Oversize.HEADERS, 5)
    assert (ada.pipelining, ada.lenient_lf, ada.commit_messages) == (False, True, 7)
    assert ada.tls is not None
    assert (ada.tls.verify, ada.tls.cleartext) == (Verify.FIRST_USE, True)
    assert (bob.delete_after, bob.largest, bob.pipelining, bob.filter) == (KEEP, None, None, None)


def test_deleting_at_once_is_said_by_no_days(tmp_path: Path) -> None:
    (one,) = loaded(tmp_path, ada={"delete": "after delivery"}).accounts
    assert one.account.delete_after == AT_ONCE


@pytest.mark.parametrize(
    ("deliver", "kind"),
    [
        ({"to": "maildir", "path": "/m", "line_ends": "crlf"}, MaildirDestination),
        ({"to": "mbox", "path": "/m"}, Mbox),
        ({"to": "archive", "path": "/m"}, ArchiveDestination),
        ({"to": "pipe", "command": ["x", "y"]}, Pipe),
        ({"to": "pipe", "command": ["x | y"], "shell": True}, Pipe),
        ({"to": "lmtp", "socket": "/s", "recipient": "a@b.c"}, Lmtp),
        ({"to": "smtp", "host": "localhost", "tls": "off", "recipient": "a@b.c", "sender": "<>"}, Smtp),
        ({"to": "imap", "host": "h", "user": "ada", "password_file": "/p"}, Imap),
    ],
)
def test_destinations(tmp_path: Path, deliver: dict[str, Any], kind: type) -> None:
    (one,) = loaded(tmp_path, ada={"deliver": deliver}).accounts
    destination = one.account.destination
    assert isinstance(destination, kind)
    if deliver.get("line_ends") == "crlf":
        assert destination.line_ends is LineEnds.CRLF


def test_ways_to_log_in(tmp_path: Path) -> None:
    text = ADA | {"url": "pops://ada@h"}
    del text["password_file"]
    path = tmp_path / "fetch.toml"
    oauth = {**text, "oauth": {"provider": "microsoft", "client_id": "1", "tenant": "consumers"}}
    path.write_text(table_text("o", oauth) + table_text("c", {**text, "tls": {"certificate": "/c.pem", "key": "/k"}}))
    with_token, with_certificate = (one.account for one in load(path).accounts)
    assert isinstance(with_token.auth, OAuth2)
    assert "consumers" in with_token.auth.application.provider.token_url
    assert with_token.password is None
    assert isinstance(with_certificate.auth, ClientCertificate)


def test_what_cannot_be_built_is_told_for_all_accounts_at_once(tmp_path: Path) -> None:
    wrong = {"tls": {"pins": ["nonsense"]}}
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, ada=wrong, bob={}, carl={"tls": {"verify": "pins"}})
    assert [problem.key for problem in caught.value.problems] == ["account.ada", "account.carl"]


def test_the_secret_of_an_application_is_in_a_private_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    secret.chmod(0o600)
    table = OAuth(provider="google", client_id="1", client_secret_file=secret)
    found = application(table)
    assert found.client_secret is not None
    assert found.client_secret.reveal() == b"s3cret"
    assert "s3cret" not in repr(found)
    secret.chmod(0o644)
    with pytest.raises(SecretUnavailable, match="chmod 600"):
        application(table)
    assert token_file(tmp_path, "ada") == tmp_path / "ada.tokens"
