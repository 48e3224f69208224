"""Finding messages in files, mboxes, Maildirs and directories."""

import os
from pathlib import Path

import pytest
from tests.archive.mail import WHEN, filled, message

from pillarbox.archive import Incoming
from pillarbox.archive.sources import mbox, messages


def found(path: Path) -> tuple[list[Incoming], list[tuple[str, str]]]:
    skipped: list[tuple[str, str]] = []
    incoming = list(messages(path, "w", lambda where, why: skipped.append((where.name, why))))
    return incoming, skipped


def octets(incoming: list[Incoming]) -> list[bytes]:
    return [one.source if isinstance(one.source, bytes) else one.source.read_bytes() for one in incoming]


FROM = b"From ada@example.org Thu Jan  1 00:00:00 2026\n"


def test_an_mbox(tmp_path: Path) -> None:
    one = b"Subject: one\n\nFrom here on, text.\n\nFrom there, too.\n"
    two = b"Subject: two\n\n>From quoted\n>>From twice\n"
    (tmp_path / "box").write_bytes(
        FROM + one + b"\n" + FROM.replace(b"Jan  1", b"Jan  2") + two.replace(b">From", b">>From") + b"\n"
    )
    first, second = mbox(tmp_path / "box", "w")
    assert (first.source, first.received, first.unique_id, first.account) == (one, WHEN, "box", "w")
    assert (second.source, second.received) == (two, WHEN + 86_400)


@pytest.mark.parametrize("tail", [b"", b"\n", b"\n\n"])
def test_an_mbox_with_crlf_and_odd_ends(tmp_path: Path, tail: bytes) -> None:
    crlf = FROM.replace(b"\n", b"\r\n")
    (tmp_path / "box").write_bytes(
        crlf + b"A: b\r\n\r\nx\r\n\r\n" + crlf + b"C: d\r\n\r\ny" + tail.replace(b"\n", b"\r\n")
    )
    first, second = mbox(tmp_path / "box", "w")
    assert first.source == b"A: b\r\n\r\nx\r\n"
    assert second.source in (b"C: d\r\n\r\ny", b"C: d\r\n\r\ny\r\n")


def test_a_maildir_with_folders(tmp_path: Path) -> None:
    for folder in ("box", "box/.Sent"):
        for part in ("cur", "new", "tmp"):
            (tmp_path / folder / part).mkdir(parents=True)
    (tmp_path / "box/cur/1767225600.x.host:2,S").write_bytes(message(1))
    (tmp_path / "box/new/odd-name").write_bytes(message(2))
    (tmp_path / "box/tmp/1767225600.y").write_bytes(message(3))
    (tmp_path / "box/.Sent/cur/1767225700.z:2,").write_bytes(message(4))
    (tmp_path / "box/cur/.hidden").write_bytes(b"x")
    incoming, skipped = found(tmp_path / "box")
    assert sorted(octets(incoming)) == sorted([message(1), message(2), message(4)])
    by_name = {one.unique_id: one.received for one in incoming}
    assert by_name["1767225600.x.host"] == 1_767_225_600
    assert set(by_name) == {"1767225600.x.host", "odd-name", "1767225700.z"}
    assert skipped == []


def test_files_and_what_is_none(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.eml").write_bytes(b"Received: x; Thu, 01 Jan 2026 00:00:09 +0000\r\nA: b\r\n\r\n")
    (tmp_path / "a" / "two").write_bytes(message(2))
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n")
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path)
    filled(tmp_path / "archive", message(9))
    incoming, skipped = found(tmp_path)
    assert sorted(one.unique_id for one in incoming) == ["one.eml", "two"]
    assert {one.unique_id: one.received for one in incoming}["one.eml"] == WHEN + 9
    assert {name for name, _ in skipped} == {"picture.png", "empty", "pipe", "archive"}
    assert octets(found(tmp_path / "a" / "one.eml")[0])[0].startswith(b"Received")
    with pytest.raises(OSError, match="No such"):
        found(tmp_path / "nowhere")
