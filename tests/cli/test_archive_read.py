"""`pillarbox archive show` and `export`."""

import hashlib
import json
from pathlib import Path

import pytest
from tests.archive.mail import filled, message, multipart
from tests.cli.test_archive import run

PDF = 'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="../plan.pdf"\r\n\r\ncontent'
DATA = multipart("\r\nSee the plan.\x1b[2J", PDF)
ID = hashlib.sha256(DATA).hexdigest()[:10]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return filled(tmp_path / "a", DATA, message(2))


def test_showing(place: Path) -> None:
    shown = run(place, "show", ID).stdout
    assert "Subject: Message 1" in shown
    assert "Archived: work, received 2026-01-01T00:00:01Z" in shown
    assert "Attachment 1: ../plan.pdf (application/pdf" in shown
    assert "See the plan.\\x1b[2J" in shown
    assert run(place, "show", "--raw", ID).stdout_bytes == DATA
    found = json.loads(run(place, "show", "--json", ID).stdout)
    assert found["attachments"] == [{"number": 1, "name": "../plan.pdf", "type": "application/pdf", "octets": 7}]
    assert Path(found["path"]).read_bytes() == DATA


def test_saving(place: Path, tmp_path: Path) -> None:
    into = tmp_path / "into"
    into.mkdir()
    assert "plan.pdf, 7 octets" in run(place, "show", ID, "--save", "1", "--into", str(into)).stdout
    assert (into / "plan.pdf").read_bytes() == b"content"
    run(place, "show", ID, "--save-all", "--into", str(into))
    assert (into / "plan (2).pdf").exists()
    assert "no directory" in run(place, "show", ID, "--save", "1", "--into", str(into / "x"), code=2).stderr
    assert "no attachment" in run(place, "show", ID, "--save", "x", "--into", str(into), code=1).stderr


def test_ids_that_are_none(place: Path) -> None:
    assert "no message" in run(place, "show", "0000", code=1).stderr
    assert "no id" in run(place, "show", "xyz", code=2).stderr


def test_exporting(place: Path, tmp_path: Path) -> None:
    assert "exported 2 messages" in run(place, "export", str(tmp_path / "box")).stderr
    assert (tmp_path / "box").read_bytes().count(b"\nFrom ") == 1
    assert "exists" in run(place, "export", str(tmp_path / "box"), code=2).stderr
    assert run(place, "export", "-", "see", "-hello").stdout_bytes.startswith(b"From ada1@example.org ")
    run(place, "export", str(tmp_path / "eml"), "--format", "eml", "hello")
    assert [path.read_bytes() for path in (tmp_path / "eml").iterdir()] == [message(2)]
    run(place, "export", str(tmp_path / "md"), "--format", "maildir")
    assert len(list((tmp_path / "md" / "cur").iterdir())) == 2
    assert "not known" in run(place, "export", str(tmp_path / "z"), "--format", "pst", code=2).stderr
    assert "never closed" in run(place, "export", str(tmp_path / "z"), '"open', code=2).stderr
    assert not (tmp_path / "z").exists()
