"""Making a breach filter: order, repetition, bad lines, and an output that is whole or not there."""

import io
from pathlib import Path
from typing import BinaryIO

import pytest

from pillarbox.auth import breach_build
from pillarbox.auth.breach import BreachFilter, Kind, fingerprint, ntlm, sha1
from pillarbox.auth.breach_build import BuildError, Built, Listing, build

PASSWORDS = [b"password %d" % number for number in range(3_000)]


def hashes(passwords: list[bytes], end: bytes = b"\r\n") -> bytes:
    return b"".join(sha1(password).hex().upper().encode() + b":7" + end for password in passwords)


class Reports:
    def __init__(self) -> None:
        self.lines: list[tuple[str, int, str]] = []

    def __call__(self, name: str, line: int, what: str) -> None:
        self.lines.append((name, line, what))


def made(path: Path, *contents: bytes, plain: bool = False, run_keys: int = 1 << 20) -> tuple[Built, Reports]:
    reports = Reports()
    listings = [Listing(f"list-{number}", io.BytesIO(data), plain) for number, data in enumerate(contents)]
    return build(path, listings, bits=16, report=reports, run_keys=run_keys), reports


def all_known(path: Path, passwords: list[bytes]) -> bool:
    with BreachFilter(path) as breached:
        breached.check()
        return all(breached.knows(password) for password in passwords)


def test_order_and_the_size_of_runs_do_not_matter(tmp_path: Path) -> None:
    ordered = sorted(PASSWORDS, key=sha1)
    files = []
    for name, passwords, run_keys in (("a", PASSWORDS, 7), ("b", ordered, 1000), ("c", ordered[::-1], 1 << 20)):
        built, reports = made(tmp_path / name, hashes(passwords), run_keys=run_keys)
        assert (built.header.entries, built.lines, built.bad, reports.lines) == (3_000, 3_000, 0, [])
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1] == files[2]
    assert all_known(tmp_path / "a", PASSWORDS)


def test_repeated_entries_count_once_over_all_lists(tmp_path: Path) -> None:
    built, _ = made(tmp_path / "f", hashes(PASSWORDS), hashes(PASSWORDS[:100], b"\n").lower(), run_keys=64)
    assert (built.header.entries, built.lines) == (3_000, 3_100)
    assert all_known(tmp_path / "f", PASSWORDS)


def test_lists_of_one_part_of_the_hashes_work(tmp_path: Path) -> None:
    """The first lines of a sorted list all begin alike."""
    alike = [password for password in (b"x%d" % number for number in range(60_000)) if sha1(password)[0] == 0x5B]
    made(tmp_path / "f", hashes(alike))
    assert all_known(tmp_path / "f", alike)


def test_entries_that_become_one_are_stored_once(tmp_path: Path) -> None:
    """With few bits and few slots, also where they lie in different ranges of hashes."""
    listings = [Listing("list", io.BytesIO(hashes(PASSWORDS[:2])))]
    alike = [password for password in PASSWORDS if sha1(password)[0] == 0x5B]
    built = build(tmp_path / "f", [*listings, Listing("alike", io.BytesIO(hashes(alike)))], bits=4, run_keys=1)
    assert built.header.entries == len(alike) + 2
    assert built.header.stored < built.header.entries
    prints = {fingerprint(sha1(password), built.header.slots, 4) for password in (*PASSWORDS[:2], *alike)}
    assert built.header.stored == len(prints)
    assert all_known(tmp_path / "f", alike)


@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, 513])
def test_small_lists_work(tmp_path: Path, count: int) -> None:
    made(tmp_path / "f", hashes(PASSWORDS[:count]))
    assert all_known(tmp_path / "f", PASSWORDS[:count])
    with BreachFilter(tmp_path / "f") as breached:
        assert not any(breached.knows(password) for password in PASSWORDS[count:1000])


def test_bad_lines_are_reported_by_number_and_stop_nothing(tmp_path: Path) -> None:
    good = hashes(PASSWORDS[:3]).splitlines(keepends=True)
    lines = [good[0], b"\n", b"nonsense\n", good[1], b"00AA:1\n", b"\xff\xfe\0\n", b"G" * 40 + b":1\n", good[2], b"end"]
    built, reports = made(tmp_path / "f", b"".join(lines))
    assert [(name, line) for name, line, _ in reports.lines] == [("list-0", line) for line in (3, 5, 6, 7, 9)]
    assert (built.bad, built.lines, built.header.entries) == (5, 9, 3)
    assert not any("nonsense" in what for _, _, what in reports.lines)


def test_an_endless_line_is_one_bad_line_and_costs_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breach_build, "_BLOCK", 8192)
    good = hashes(PASSWORDS[:200])
    built, reports = made(tmp_path / "f", good + b"A" * 100_000 + b"\n" + good + b"A" * 50_000)
    assert [line for _, line, _ in reports.lines] == [201, 402]
    assert (built.lines, built.bad, built.header.entries) == (402, 2, 200)


def test_plain_lists_keep_spaces_and_skip_what_cannot_be_a_password(tmp_path: Path) -> None:
    built, reports = made(tmp_path / "f", b" two spaces \r\n\nlatin-\xe4\n" + b"x" * 1025 + b"\nlast", plain=True)
    assert [line for _, line, _ in reports.lines] == [4]
    assert built.header.entries == 3
    assert all_known(tmp_path / "f", [b" two spaces ", b"latin-\xe4", b"last"])


def test_ntlm_lists(tmp_path: Path) -> None:
    lines = b"".join(ntlm(password).hex().encode() + b":1\n" for password in PASSWORDS[:50])
    build(tmp_path / "f", [Listing("l", io.BytesIO(lines))], kind=Kind.NTLM)
    assert all_known(tmp_path / "f", PASSWORDS[:50])


def test_nothing_usable_makes_no_file_and_leaves_the_old_one(tmp_path: Path) -> None:
    made(tmp_path / "f", hashes(PASSWORDS[:5]))
    with pytest.raises(BuildError, match="no line"):
        made(tmp_path / "f", b"nonsense\n")
    assert all_known(tmp_path / "f", PASSWORDS[:5])
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


class Breaking(io.BytesIO):
    """A disk that fails after the first block."""

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        if not data:
            raise OSError(5, "Input/output error")
        return data


def test_a_failing_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    made(tmp_path / "f", hashes(PASSWORDS[:5]))
    broken: BinaryIO = Breaking(hashes(PASSWORDS))
    with pytest.raises(OSError, match="Input/output"):
        build(tmp_path / "f", [Listing("list", broken)])
    assert all_known(tmp_path / "f", PASSWORDS[:5])
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_run_that_is_interrupted_while_writing_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(doing: str, count: int) -> None:
        if doing == "writing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "f", [Listing("list", io.BytesIO(hashes(PASSWORDS)))], progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_the_server_can_read_what_root_made(tmp_path: Path) -> None:
    made(tmp_path / "f", hashes(PASSWORDS[:5]))
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o644
