"""Mail from every form a test may have it in."""

from __future__ import annotations

import mailbox
from email.message import EmailMessage
from pathlib import Path

import pytest

from pillarbox.testing.mails import MailError, octets_of_each

ONE = b"Subject: one\n\nfirst\n"
TWO = b"Subject: two\n\nsecond\n"


def test_octets_text_and_lists_of_them() -> None:
    assert list(octets_of_each(ONE)) == [ONE]
    assert list(octets_of_each("Subject: ä\n")) == ["Subject: ä\n".encode()]
    assert list(octets_of_each([ONE, [TWO]])) == [ONE, TWO]  # type: ignore[list-item]
    assert not list(octets_of_each([]))


def test_an_email_message_has_crlf_and_nothing_else_changed() -> None:
    message = EmailMessage()
    message["Subject"] = "Grüße"
    message.set_content("a\nb\n")
    (octets,) = octets_of_each(message)
    assert octets.replace(b"\r\n", b"\n") == message.as_bytes()
    assert octets.count(b"\n") == octets.count(b"\r\n")


def test_files_mboxes_and_maildirs(tmp_path: Path) -> None:
    eml = tmp_path / "one.eml"
    eml.write_bytes(ONE)
    assert list(octets_of_each(eml)) == [ONE]
    box = mailbox.mbox(tmp_path / "mbox")
    box.add(ONE)
    box.add(TWO)
    box.close()
    assert list(octets_of_each(tmp_path / "mbox")) == [ONE, TWO]
    for part in ("cur", "new", "tmp"):
        (tmp_path / "maildir" / part).mkdir(parents=True)
    (tmp_path / "maildir" / "cur" / "1.x:2,S").write_bytes(ONE)
    (tmp_path / "maildir" / "new" / "2.x").write_bytes(TWO)
    (tmp_path / "maildir" / "tmp" / "0.x").write_bytes(b"half of i")
    (tmp_path / "maildir" / "new" / ".hidden").write_bytes(b"")
    assert list(octets_of_each(tmp_path / "maildir")) == [ONE, TWO]


def test_what_is_no_mail_is_told(tmp_path: Path) -> None:
    with pytest.raises(MailError, match="no Maildir"):
        list(octets_of_each(tmp_path))
    with pytest.raises(MailError, match="No such file"):
        list(octets_of_each(tmp_path / "nothing"))
