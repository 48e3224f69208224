"""Remembered servers."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pillarbox.client.errors import TlsError
from pillarbox.client.known_hosts import KnownHostsFile


def test_keys_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "known"
    first = KnownHostsFile(path)
    assert first.key("mail.example.org", 995) is None
    first.remember("Mail.example.org", 995, b"k" * 32)
    first.remember("::1", 110, b"l" * 32)
    again = KnownHostsFile(path)
    assert again.key("mail.example.org", 995) == b"k" * 32
    assert again.key("mail.example.org", 110) is None
    assert again.key("::1", 110) == b"l" * 32
    assert path.stat().st_mode & 0o077 == 0


def test_many_that_remember_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "made" / "known"
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(KnownHostsFile(path).remember, f"h{n}.example", 995, b"k" * 32) for n in range(24)]:
            done.result()
    assert all(KnownHostsFile(path).key(f"h{n}.example", 995) for n in range(24))


@pytest.mark.parametrize("text", ["mail:995 k", "mail:995 sha256//AAAA\n", "\xff", "mail:995"])
def test_a_damaged_file_is_never_taken_for_an_empty_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "known"
    path.write_text(text, "latin-1")
    with pytest.raises(TlsError):
        KnownHostsFile(path).key("mail", 995)
    with pytest.raises(TlsError):
        KnownHostsFile(path).remember("mail", 995, b"k" * 32)
    assert path.read_text("latin-1") == text


def test_what_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TlsError, match="cannot be written"):
        KnownHostsFile(tmp_path / "file" / "known").remember("mail", 995, b"k" * 32)
