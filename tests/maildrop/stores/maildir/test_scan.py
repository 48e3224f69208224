"""What a scan lists, reads and leaves alone."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tests.maildrop.stores.maildir.conftest import Box

from pillarbox.maildrop.maildrop import Facts, Shape
from pillarbox.maildrop.stores.maildir import directory as files
from pillarbox.maildrop.stores.maildir.index import Index
from pillarbox.maildrop.stores.maildir.scan import Scan, hinted

LATER = 4e9  # UTC seconds: every time stamp has settled by then


@pytest.fixture
def root(box: Box) -> Iterator[int]:
    descriptor = os.open(box.path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def scan(root: int, old: Index | None = None) -> tuple[Index, Scan]:
    stamps = (files.examine(root, files.NEW)[0], files.examine(root, files.CUR)[0])
    done = Scan(root, old, stamps, lambda base: os.fsencode(base))
    done.look()
    while done.pending:
        done.read(3)
    return done.result(LATER), done


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("1.a,S=10,W=12", (10, 12)),
        ("1.a,W=12,S=10:2,S", (10, 12)),
        ("1.a,S=10", None),
        ("1.a,W=12", None),
        ("1.a,S=10x,W=12", None),
        ("1.a,S=-1,W=12", None),
        ("1.a,S=,W=", None),
        ("1.a,S=" + "9" * 30 + ",W=1", None),
    ],
)
def test_hints(name: str, facts: tuple[int, int] | None) -> None:
    """P3: only whole numbers before the flags count, and only both together."""
    expected = facts and Facts(facts[0], facts[1], 0, facts[1], Shape(0))
    assert hinted(name) == expected


def test_nothing_changed(box: Box, root: int) -> None:
    for _ in range(5):
        box.deliver()
    first, _ = scan(root)
    second, done = scan(root, first)
    assert not done.changed
    assert second.raw == first.raw


def test_known_messages_are_not_read_again(box: Box, root: int) -> None:
    """After a delivery only the new file is opened: the facts of the others survive even a wrong size on disk."""
    names = [box.deliver() for _ in range(4)]
    first, _ = scan(root)
    (box.path / "new" / names[0]).write_bytes(b"altered without a change of its directory\n")
    (box.path / "new" / names[1]).rename(box.path / "cur" / f"{names[1]}:2,S")
    (box.path / "new" / names[2]).unlink()
    new = box.deliver(b"new\n")
    second, done = scan(root, first)
    assert done.changed
    assert second.names() == [names[0], f"{names[1]}:2,S", names[3], new]
    assert second.facts(0) == first.facts(0)
    assert second.facts(1) == first.facts(1)
    assert second.facts(3).octets == 5


def test_all_moved_at_once(box: Box, root: int) -> None:
    """A program moves everything from new to cur: nothing is read, numbers stay."""
    names = [box.deliver() for _ in range(20)]
    first, _ = scan(root)
    for name in names:
        (box.path / "new" / name).rename(box.path / "cur" / f"{name}:2,S")
    second, done = scan(root, first)
    assert done.changed
    assert second.unique_ids() == first.unique_ids() == [name.encode() for name in names]
    assert all(second.directory(at) == files.CUR for at in range(20))


def test_a_part_is_a_valid_index(box: Box, root: int) -> None:
    """A first scan that is given up: what was read is kept, and the rest is looked for the next time."""
    for _ in range(10):
        box.deliver()
    stamps = (files.examine(root, files.NEW)[0], files.examine(root, files.CUR)[0])
    part = Scan(root, None, stamps, lambda base: os.fsencode(base))
    part.look()
    part.read(4)
    index = part.result(LATER)
    assert index.count == 4
    assert index.stamps[0][0] == files.UNTRUSTED
    complete, _ = scan(root, index)
    assert complete.count == 10
    assert complete.stamps[0][0] != files.UNTRUSTED


def test_a_file_that_vanishes_is_no_error(box: Box, root: int) -> None:
    names = [box.deliver() for _ in range(3)]
    stamps = (files.examine(root, files.NEW)[0], files.examine(root, files.CUR)[0])
    done = Scan(root, None, stamps, lambda base: os.fsencode(base))
    done.look()
    (box.path / "new" / names[1]).unlink()
    done.read(9)
    assert done.result(LATER).names() == [names[0], names[2]]
    assert done.hidden == []
