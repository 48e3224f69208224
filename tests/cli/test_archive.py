"""`pillarbox archive add`, `search` and `stats`, and the examples of docs/archive.md."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
from tests.archive.mail import filled, message, multipart
from typer.testing import CliRunner, Result

from pillarbox.cli.archive import app

DOCS = Path(__file__).parents[2] / "docs" / "archive.md"


def run(place: Path, *arguments: str, given: bytes | str = "", code: int = 0) -> Result:
    done = CliRunner().invoke(app, list(arguments), input=given, env={"PILLARBOX_ARCHIVE": str(place)})
    assert done.exit_code == code, done.output
    return done


@pytest.fixture
def place(tmp_path: Path) -> Path:
    pdf = 'Content-Disposition: attachment; filename="plan.pdf"\r\n\r\nx'
    return filled(
        tmp_path / "a", message(1, "an invoice"), message(2, "a draft of an invoice"), multipart(pdf, number=3)
    )


def test_adding_twice_and_from_everywhere(tmp_path: Path) -> None:
    mail = tmp_path / "mail"
    mail.mkdir()
    (mail / "box").write_bytes(b"From a@b Thu Jan  1 00:00:00 2026\n" + message(1) + b"\n")
    (mail / "one.eml").write_bytes(message(2))
    (mail / "x.png").write_bytes(b"\x89PNG")
    place = tmp_path / "archive"
    done = run(place, "add", str(mail), "--account", "old")
    assert done.stdout == "added 2 messages; 1 file passed over\n"
    assert "x.png: passed over" in done.stderr
    done = run(place, "add", "-", str(mail / "one.eml"), given=message(3))
    assert done.stdout == "added 1 message; 1 message there already\n"
    assert json.loads(run(place, "add", "-", "--json", given=message(3)).stdout)["duplicates"] == 1
    assert list((place / "incoming").iterdir()) == []
    assert "does not exist" in run(place, "add", str(tmp_path / "nowhere"), code=2).stderr


def test_adding_again_what_is_missing_or_damaged_restores_it(tmp_path: Path) -> None:
    place = filled(tmp_path / "a", message(1), message(2))
    (tmp_path / "one.eml").write_bytes(message(1))
    path = place / "objects" / (digest := hashlib.sha256(message(1)).hexdigest())[:2] / f"{digest[2:]}.eml"
    path.unlink()
    done = run(place, "add", str(tmp_path / "one.eml"))
    assert done.stdout == "added 0 messages; restored 1 missing or damaged message\n"
    assert path.read_bytes() == message(1)
    path.chmod(0o600)
    path.write_bytes(b"")
    said = json.loads(run(place, "add", str(tmp_path / "one.eml"), "--json").stdout)
    assert said == {"added": 0, "duplicates": 0, "restored": 1, "skipped": 0}
    assert "everything is as it was written" in run(place, "verify").stdout
    assert "1 message there already" in run(place, "add", str(tmp_path / "one.eml")).stdout


def test_searching(place: Path) -> None:
    assert "Message 2" in run(place, "search", "invoice", "draft").stdout
    assert run(place, "search", "invoice", "-draft").stdout.count("\n") == 1
    assert run(place, "search", '"an invoice"').stdout.count("\n") == 2
    assert run(place, "search").stdout.split("Message")[1].startswith(" 3")
    assert run(place, "search", "--by", "oldest").stdout.split("Message")[1].startswith(" 1")
    found = json.loads(run(place, "search", "--json", "filename:pdf").stdout)
    assert [one["attachments"] for one in found] == [1]
    assert found[0]["origins"][0]["account"] == "work"
    assert run(place, "search", "--json", "qqq").stdout == "[]\n"
    assert "nothing matches" in run(place, "search", "qqq", code=1).stderr
    assert "1 to 1 of 3" in run(place, "search", "--limit", "1").stderr


def test_queries_that_cannot_be_understood(place: Path) -> None:
    assert "never closed" in run(place, "search", '"open', code=2).stderr
    assert "no field" in run(place, "search", "sbj:x", code=2).stderr
    assert "--by x is not known" in run(place, "search", "--by", "x", code=2).stderr


def test_the_documentation_lists_every_field(place: Path) -> None:
    said = " ".join(run(place, "search", "sbj:x", code=2).stderr.split())
    names = said.partition("there are ")[2].partition(".")[0].split(", ")
    assert len(names) > 15
    assert [name for name in names if f"`{name}:" not in DOCS.read_text()] == []


def test_messages_from_a_backup_mend_what_is_missing(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "objects", tmp_path / "backup")
    for path in (place / "objects").rglob("*.eml"):
        path.unlink()
    run(place, "verify", code=1)
    assert "restored 3 missing" in run(place, "add", str(tmp_path / "backup")).stdout
    assert "everything is as it was written" in run(place, "verify").stdout


def test_statistics(place: Path) -> None:
    shown = run(place, "stats").stdout
    assert "messages     3" in shown
    assert "work: 3 messages" in shown
    assert json.loads(run(place, "stats", "--json").stdout)["accounts"] == {"work": 3}


def test_no_archive(tmp_path: Path) -> None:
    assert "is not an archive" in run(tmp_path, "search", "x", code=1).stderr


def test_what_a_message_says_moves_no_cursor(tmp_path: Path) -> None:
    place = filled(tmp_path / "a", message(1, Subject="\x1b[2Jgone\u202e"))
    assert "\x1b" not in run(place, "search").stdout


def test_the_example_of_the_documentation_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    said: list[tuple[object, ...]] = []
    exec(compile(code, "docs/archive.md", "exec"), {"print": lambda *words: said.append(words)})
    assert said == [("Invoice", 56)]


def test_the_session_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (session,) = re.findall(r"```console\n(.*?)```", DOCS.read_text(), re.DOTALL)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for part in ("cur", "new", "tmp"):
        (tmp_path / "Maildir" / part).mkdir(parents=True)
    pdf = 'Content-Disposition: attachment; filename="i.pdf"\r\n\r\nx'
    invoice = multipart(pdf).replace(b"Ada 1 <ada1@", b"Ada <ada@").replace(b"Message 1", b"Invoice for December")
    invoice = re.sub(rb"Date: [^\r]*", b"Date: Fri, 02 Jan 2026 09:00:00 +0000", invoice)
    (tmp_path / "Maildir/cur/1767400000.a").write_bytes(invoice)
    (tmp_path / "Maildir/cur/1767400000.b").write_bytes(message(2))
    (tmp_path / "old.mbox").write_bytes(b"From a@b Thu Jan  1 00:00:00 2026\n" + message(1) + b"\n")
    said: list[str] = []
    expected: list[str] = []
    for line in session.splitlines():
        if line.startswith("$ pillarbox archive "):
            words = line.removeprefix("$ pillarbox archive ").replace("~", str(tmp_path)).split()
            said += run(tmp_path / "archive", *words).stdout.splitlines()
        else:
            expected.append(line)

    def loosely(lines: list[str]) -> list[str]:
        return [re.sub(r"^[0-9a-f]{10}  |[0-9,]+ (octets|kB)", "", line) for line in lines]

    assert loosely(said) == loosely(expected)
