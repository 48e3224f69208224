"""Out of the archive, and into it again."""

import hashlib
import io
import mailbox
from contextlib import closing
from pathlib import Path

import pytest
from tests.archive.mail import filled, message

from pillarbox.archive import Archive, ArchiveError
from pillarbox.archive.export import Form, to_directory, to_mbox
from pillarbox.archive.search import Found, matching
from pillarbox.archive.sources import messages


def unexpected(found: Found, why: str) -> None:
    raise AssertionError(why)


DATA = [message(1, "From here\r\n>From there"), message(2), b"Subject: odd\n\nbare\rCR and no end"]


def test_an_mbox_is_read_by_others_and_by_us(tmp_path: Path) -> None:
    with Archive.open(filled(tmp_path / "a", *DATA)) as archive:
        with (tmp_path / "box").open("wb") as file:
            assert to_mbox(archive, matching(archive, ""), file, unexpected) == 3
        with closing(mailbox.mbox(tmp_path / "box")) as theirs:
            assert len(theirs) == 3
        again = {one.source for one in messages(tmp_path / "box", "w", lambda where, why: None)}
        # Without an end, an mbox gives one.
        assert again == {DATA[0].replace(b"\r\n", b"\n"), DATA[1].replace(b"\r\n", b"\n"), DATA[2] + b"\n"}
        exact = io.BytesIO()
        to_mbox(archive, matching(archive, "2"), exact, unexpected, exact=True)
        assert exact.getvalue().startswith(b"From ada2@example.org Thu Jan  1 ")
        assert DATA[1] in exact.getvalue()


@pytest.mark.parametrize("form", [Form.EML, Form.MAILDIR])
def test_files_are_written_once(tmp_path: Path, form: Form) -> None:
    with Archive.open(filled(tmp_path / "a", *DATA)) as archive:
        target = tmp_path / "out"
        assert to_directory(archive, matching(archive, "from:ada"), target, form, unexpected) == 2
        assert to_directory(archive, matching(archive, ""), target, form, unexpected) == 1
        written = {path.read_bytes() for path in target.rglob("*") if path.is_file()}
        if form is Form.EML:
            assert written == set(DATA)
        else:
            assert len(mailbox.Maildir(target)) == 3
            assert written == {DATA[0].replace(b"\r\n", b"\n"), DATA[1].replace(b"\r\n", b"\n"), DATA[2]}


def test_a_message_that_is_gone_is_told_and_left_out(tmp_path: Path) -> None:
    with Archive.open(filled(tmp_path / "a", *DATA)) as archive:
        next(iter(archive.layout.objects.rglob("*.eml"))).unlink()
        lost: list[str] = []
        written = to_directory(
            archive, matching(archive, ""), tmp_path / "o", Form.EML, lambda _, why: lost.append(why)
        )
        assert written == 2
        assert len(lost) == 1
        assert "missing" in lost[0]


@pytest.mark.parametrize("form", Form)
def test_a_damaged_message_is_told_and_left_out(tmp_path: Path, form: Form) -> None:
    with Archive.open(filled(tmp_path / "a", *DATA)) as archive:
        digest = hashlib.sha256(DATA[1]).digest()
        path = archive.path(digest)
        path.chmod(0o600)
        path.write_bytes(DATA[1].replace(b"Hello", b"Hellp"))
        lost: list[tuple[bytes, str]] = []

        def tell(found: Found, why: str) -> None:
            lost.append((found.sha256, why))

        if form is Form.MBOX:
            file = io.BytesIO()
            assert to_mbox(archive, matching(archive, ""), file, tell) == 2
            assert b"Hellp" not in file.getvalue()
        else:
            assert to_directory(archive, matching(archive, ""), tmp_path / "o", form, tell) == 2
        assert lost == [(digest, "is damaged: run pillarbox archive verify")]


def test_what_is_no_maildir_is_not_made_one(tmp_path: Path) -> None:
    with Archive.open(filled(tmp_path / "a", *DATA)) as archive, pytest.raises(ArchiveError, match="no Maildir"):
        to_directory(archive, [], tmp_path, Form.MAILDIR, unexpected)
