"""What other fetchers remember. Their own files, as they write them, are read in tests/interop/test_fetch_import.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pillarbox.fetch.importing import NotThatFile, SeenList, chosen, read_seen

MPOP = b"# by mpop\n#\n 2 mail.example.org ada@example.org\nu1\nu2\n 1 pop.example.net bob brown\n" + b"x" * 70 + b"\n"


def written(directory: Path, octets: bytes, name: str = "state") -> Path:
    path = directory / name
    path.write_bytes(octets)
    return path


def test_getmail_says_host_and_user_in_the_name(tmp_path: Path) -> None:
    path = written(tmp_path, b"u1\x001700000000\nu2\x001700000001\n", "oldmail-mail.example.org-995-ada@example.org")
    assert read_seen("getmail", path) == [SeenList("mail.example.org", "ada@example.org", [b"u1", b"u2"])]
    assert read_seen("getmail", path.rename(tmp_path / "other")) == [SeenList("", "", [b"u1", b"u2"])]


def test_mpop_has_a_list_for_each_mailbox(tmp_path: Path) -> None:
    assert read_seen("mpop", written(tmp_path, MPOP)) == [
        SeenList("mail.example.org", "ada@example.org", [b"u1", b"u2"]),
        SeenList("pop.example.net", "bob brown", [b"x" * 70]),
    ]


def test_fetchmail_has_the_mailbox_in_each_line(tmp_path: Path) -> None:
    path = written(tmp_path, b"ada@example.org@mail.example.org u1\nbob@h u9\nada@example.org@mail.example.org u2\n")
    assert read_seen("fetchmail", path) == [
        SeenList("mail.example.org", "ada@example.org", [b"u1", b"u2"]),
        SeenList("h", "bob", [b"u9"]),
    ]


@pytest.mark.parametrize("program", ["getmail", "mpop", "fetchmail"])
@pytest.mark.parametrize("octets", [b"From ada\nhello\n", b"u1\n", b"\xff\xfe\x00\x01"])
def test_other_files_are_refused(tmp_path: Path, program: str, octets: bytes) -> None:
    with pytest.raises(NotThatFile, match="name that file"):
        read_seen(program, written(tmp_path, octets))  # type: ignore[arg-type]  # a parameter of the test


def test_a_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    """Half of a list would let the other half come twice."""
    with pytest.raises(NotThatFile, match="1 more"):
        read_seen("mpop", written(tmp_path, b" 2 h ada\nu1\n"))


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(NotThatFile, match="not a file"):
        read_seen("mpop", tmp_path)


def test_the_one_that_is_meant() -> None:
    lists = [SeenList("a.example", "ada", []), SeenList("b.example", "ada", []), SeenList("", "", [])]
    assert chosen(lists, "A.example", "ada") == [lists[0], lists[2]]
    assert chosen(lists[:2], "", "ada") == lists[:2]
    assert chosen(lists[:2], "c.example", "") == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.sampled_from(["getmail", "mpop", "fetchmail"]), st.binary(max_size=200))
def test_nothing_but_its_own_error_comes_out(tmp_path: Path, program: str, octets: bytes) -> None:
    try:
        lists = read_seen(program, written(tmp_path, octets))  # type: ignore[arg-type]  # as above
    except NotThatFile:
        return
    assert all(unique_id and b"\n" not in unique_id for one in lists for unique_id in one.unique_ids)
