"""Messages on a terminal, and attachments saved safely."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.archive.mail import WHEN, message, multipart

from pillarbox.archive.errors import ArchiveError
from pillarbox.archive.view import TEXT, line, lines, safe_name, save, view, when


def stored(tmp_path: Path, data: bytes) -> Path:
    (tmp_path / "message").write_bytes(data)
    return tmp_path / "message"


def attachment(name: str, text: str = "content") -> str:
    return f'Content-Disposition: attachment; filename="{name}"\r\n\r\n{text}'


def test_header_text_and_attachments(tmp_path: Path) -> None:
    html = "Content-Type: text/html\r\n\r\n<p>Rich</p>"
    data = multipart("\r\nPlain\r\n\ttext", html, attachment("a.txt"))
    seen = view(stored(tmp_path, data))
    assert dict(seen.headers)["Subject"] == "Message 1"
    assert [(one.number, one.name) for one in seen.attachments] == [(1, "a.txt")]
    assert seen.text == "Plain\n        text"
    assert not seen.cut
    assert view(tmp_path / "message", html=True).text == "Rich"
    assert view(stored(tmp_path, multipart(html))).text == "Rich"


def test_nothing_that_a_terminal_would_obey_is_shown(tmp_path: Path) -> None:
    evil = "\x1b]0;title\x07\x1b[2J\r\x9b31m\u202egpj.exe\x08"
    data = multipart(f"\r\n{evil}", attachment(f"x{evil}.txt"), number=1).replace(b"Message 1", evil.encode())
    seen = view(stored(tmp_path, data))
    shown = [*seen.text.split("\n"), *(value for _, value in seen.headers), *(one.name for one in seen.attachments)]
    assert all(text.isprintable() for text in shown)
    assert "\\x1b" in seen.text
    assert "\\u202e" in seen.text


@given(st.text())
def test_any_text_is_made_safe(text: str) -> None:
    assert line(text).isprintable()
    assert all(one.isprintable() for one in lines(text).split("\n"))


def test_long_text_is_cut(tmp_path: Path) -> None:
    seen = view(stored(tmp_path, message(1, "x" * (TEXT + 10))))
    assert seen.cut
    assert len(seen.text) <= TEXT


def test_saving_by_name_and_number(tmp_path: Path) -> None:
    path = stored(
        tmp_path, multipart("\r\nx", attachment("a.txt", "one"), attachment("b.txt", "two"), attachment("b.txt"))
    )
    into = tmp_path / "into"
    into.mkdir()
    assert save(path, "a.txt", into).read_bytes() == b"one"
    assert save(path, "2", into) == into / "b.txt"
    assert save(path, "2", into) == into / "b (2).txt"
    assert (into / "b (2).txt").read_bytes() == b"two"
    with pytest.raises(ArchiveError, match="2 attachments"):
        save(path, "b.txt", into)
    with pytest.raises(ArchiveError, match="no attachment"):
        save(path, "c.txt", into)


def test_a_link_that_waits_under_the_name_is_not_followed(tmp_path: Path) -> None:
    path = stored(tmp_path, multipart(attachment("a.txt", "one")))
    into = tmp_path / "into"
    into.mkdir()
    (into / "a.txt").symlink_to(tmp_path / "target")
    assert save(path, "a.txt", into).name == "a (2).txt"
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("plan.pdf", "plan.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\x.exe", "x.exe"),
        ("/absolute", "absolute"),
        (".bashrc", "bashrc"),
        ("..", "attachment"),
        ("", "attachment"),
        ("a\x00b\x1bc\u202ed", "a_b_c_d"),
        ("Büro Plan.pdf", "Büro Plan.pdf"),
    ],
)
def test_names(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text())
def test_any_name_becomes_a_plain_one(name: str) -> None:
    safe = safe_name(name)
    assert safe == os.path.basename(safe)
    assert safe not in ("", ".", "..")
    assert not safe.startswith(".")
    assert safe.isprintable()
    assert len(safe.encode()) <= 200


def test_moments() -> None:
    assert when(WHEN) == "2026-01-01 00:00"
    assert when(1e300) == "????-??-?? ??:??"
