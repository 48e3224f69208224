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


def test_what_is_damaged_is_not_shown_as_if_it_were_not(place: Path, tmp_path: Path) -> None:
    path = next(path for path in place.rglob("*.eml") if path.read_bytes() == DATA)
    path.chmod(0o600)
    harmed = DATA.replace(b"content\r\n--b--", b"kontent\r\n--b--")
    assert harmed != DATA
    path.write_bytes(harmed)
    said = f"message {ID} is damaged: run pillarbox archive verify"
    for options in ([], ["--html"], ["--json"], ["--save-all", "--into", str(tmp_path)]):
        shown = run(place, "show", ID, *options, code=1)
        assert shown.stdout == ""
        assert said in shown.stderr
    assert not (tmp_path / "plan.pdf").exists()
    raw = run(place, "show", ID, "--raw", code=1)
    assert raw.stdout_bytes == harmed
    assert said in raw.stderr
    for form in ("mbox", "eml", "maildir"):
        done = run(place, "export", str(tmp_path / form), "--format", form, code=1)
        assert said in done.stderr
        assert "left out" in done.stderr
        assert "exported 1 message\n" in done.stderr
    assert said in run(place, "export", "-", code=1).stderr


def test_what_is_missing_is_named(place: Path, tmp_path: Path) -> None:
    next(path for path in place.rglob("*.eml") if path.read_bytes() == DATA).unlink()
    for options in ([], ["--raw"]):
        assert "is missing" in run(place, "show", ID, *options, code=1).stderr
    for form in ("mbox", "eml", "maildir"):
        done = run(place, "export", str(tmp_path / form), "--format", form, code=1)
        assert f"message {ID} cannot be read" in done.stderr
        assert "exported 1 message\n" in done.stderr
    run(place, "export", str(tmp_path / "none"), "plan", code=1)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("form", ["mbox", "eml", "maildir"])
def test_exporting_nothing_makes_nothing(place: Path, tmp_path: Path, form: str) -> None:
    done = run(place, "export", str(tmp_path / "out"), "--format", form, "qqq", code=1)
    assert "nothing matches" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("form", ["eml", "maildir"])
def test_standard_output_is_no_directory(
    place: Path, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "name a directory" in run(place, "export", "-", "--format", form, code=2).stderr
    assert not (tmp_path / "-").exists()
