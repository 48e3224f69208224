"""The sample messages are what they promise to show, and are delivered as an MDA delivers."""

from __future__ import annotations

import datetime
import email
import os
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest

from pillarbox.cli.samples import MIB, deliver, messages

NOW = datetime.datetime(2030, 5, 17, 12, 0, tzinfo=datetime.UTC)
ADA = "ada@localhost"


def parsed() -> list[EmailMessage]:
    found = [email.message_from_bytes(text, policy=default) for text in messages(ADA, NOW)]
    assert all(isinstance(one, EmailMessage) for one in found)
    return [one for one in found if isinstance(one, EmailMessage)]


def test_they_are_messages_without_defects_oldest_first() -> None:
    found = parsed()
    assert len(found) == 5
    dates = [one["Date"].datetime for one in found]
    assert dates == sorted(dates)
    assert dates[-1] < NOW
    assert len({one["Message-ID"] for one in found}) == 5
    for one in found:
        assert one.defects == []
        assert one["To"] == ADA
        assert one["Return-Path"].startswith("<")
        assert "@example.org>" in one["From"]


def test_they_lie_in_a_maildir_with_bare_lf_and_short_lines() -> None:
    for text in messages(ADA, NOW):
        assert b"\r" not in text
        assert text.endswith(b"\n")
        assert max(map(len, text.split(b"\n"))) <= 998  # RFC 5322 §2.1.1


def test_each_shows_what_naive_servers_get_wrong() -> None:
    """P9, P30: dots at line starts; octets beyond ASCII; parts; and two megabytes."""
    _, letter, patch, news, photo = messages(ADA, NOW)
    assert "Kölsch für 2,50 €".encode() in letter
    assert b"\n.profile\n..\n.\n...and" in patch
    assert b"multipart/alternative" in news
    assert len(photo) > 2 * MIB
    (attachment,) = parsed()[4].iter_attachments()
    assert (attachment.get_filename(), len(attachment.get_content())) == ("scan.bin", 2 * MIB)


def test_they_do_not_change_from_start_to_start() -> None:
    """But for the boundary of a multipart, which has to be unlike anything."""
    first, second = messages(ADA, NOW), messages(ADA, NOW)
    assert first[:3] == second[:3]
    assert [len(text) for text in first] == [len(text) for text in second]


def test_delivery_is_written_aside_and_renamed(tmp_path: Path) -> None:
    box = tmp_path / "a" / "Maildir"
    paths = [deliver(box, b"Subject: x\n\n", NOW, number) for number in (1, 2)]
    assert sorted(path.name for path in box.iterdir()) == ["cur", "new", "tmp"]
    assert [path.parent for path in paths] == [box / "new"] * 2
    assert [path.read_bytes() for path in paths] == [b"Subject: x\n\n"] * 2
    assert list((box / "tmp").iterdir()) == []
    assert all(":" not in path.name and str(os.getpid()) in path.name for path in paths)
    assert all((box / name).stat().st_mode & 0o777 == 0o700 for name in ("cur", "new", "tmp"))


def test_delivery_never_writes_over_a_message(tmp_path: Path) -> None:
    taken = deliver(tmp_path, b"old", NOW, 1)
    taken.rename(tmp_path / "tmp" / taken.name)
    with pytest.raises(FileExistsError):
        deliver(tmp_path, b"new", NOW, 1)
    assert (tmp_path / "tmp" / taken.name).read_bytes() == b"old"
