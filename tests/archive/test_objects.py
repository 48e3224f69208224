"""The message files: staged, placed, recovered."""

import os
from pathlib import Path

import pytest

from pillarbox.archive import blocks, objects
from pillarbox.archive.errors import ArchiveDamaged, ArchiveError
from pillarbox.archive.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "a")
    layout.create()
    return layout


@pytest.mark.parametrize("size", [0, 1, blocks.SMALL, blocks.MANY, blocks.MANY + 1])
def test_octets_and_files_give_the_same(layout: Layout, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    stored = objects.stage(layout, data, take=False)
    assert stored == objects.stage(layout, tmp_path / "file", take=False)
    assert stored == objects.stage(layout, tmp_path / "file", take=True)
    assert stored.size == size
    assert len(stored.sums) == 4 * -(-size // stored.block)
    assert b"".join(objects.pieces(layout.staged(stored.sha256))) == data
    assert len(os.listdir(layout.tmp)) == 1


def test_placing_and_finding(layout: Layout) -> None:
    stored = objects.stage(layout, b"x", take=False)
    objects.make_durable(layout, [stored.sha256])
    assert objects.where(layout, stored.sha256) == layout.staged(stored.sha256)
    objects.place(layout, [stored.sha256])
    assert objects.where(layout, stored.sha256) == layout.object(stored.sha256)
    assert list(objects.found(layout)) == [layout.object(stored.sha256)]
    assert objects.named(layout, layout.object(stored.sha256)) == stored.sha256
    with pytest.raises(ArchiveDamaged, match="missing"):
        objects.where(layout, bytes(32))


def test_recovering_places_what_is_recorded_and_removes_the_rest(layout: Layout) -> None:
    recorded, other = (objects.stage(layout, data, take=False).sha256 for data in (b"one", b"two"))
    (layout.tmp / "1-0.part").write_bytes(b"half")
    objects.recover(layout, lambda digest: digest == recorded)
    assert os.listdir(layout.tmp) == []
    assert layout.object(recorded).read_bytes() == b"one"
    assert not layout.object(other).exists()


@pytest.mark.parametrize("held", [b"one", b"damaged", None])
@pytest.mark.parametrize("waiting", [b"one", b"on", b""])
def test_recovering_puts_no_damaged_file_over_another(layout: Layout, held: bytes | None, waiting: bytes) -> None:
    digest = objects.stage(layout, b"one", take=False).sha256
    path = layout.staged(digest)
    path.chmod(0o600)
    path.write_bytes(waiting)
    if held is not None:
        layout.object(digest).write_bytes(held)
    objects.recover(layout, lambda one: one == digest)
    assert os.listdir(layout.tmp) == []
    expected = b"one" if b"one" in (held, waiting) else (waiting if held is None else held)
    assert layout.object(digest).read_bytes() == expected
    assert objects.holds(layout, digest) is (expected == b"one")


def test_recovering_what_was_left_under_two_names_of_one_file(layout: Layout) -> None:
    digest = objects.stage(layout, b"one", take=False).sha256
    os.link(layout.staged(digest), layout.object(digest))
    objects.recover(layout, lambda one: one == digest)
    assert os.listdir(layout.tmp) == []
    assert layout.object(digest).read_bytes() == b"one"


def test_a_message_that_the_log_has_lost(layout: Layout) -> None:
    stored = objects.stage(layout, b"one", take=False)
    path = layout.staged(stored.sha256)
    record = objects.unrecorded(path, stored.sha256)
    assert record is not None
    assert (record.digest, record.size, record.block, bytes.fromhex(record.sums)) == (
        stored.sha256,
        3,
        stored.block,
        stored.sums,
    )
    assert objects.unrecorded(path, bytes(32)) is None


@pytest.mark.parametrize("size", [0, 10, objects.CHUNK, objects.CHUNK + 1])
def test_looking_at_octets_without_reading_them(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "x").write_bytes(data)
    with objects.mapped(tmp_path / "x") as view:
        assert view[:] == data


def test_where_nothing_can_be_written(layout: Layout) -> None:
    layout.tmp.rmdir()
    with pytest.raises(ArchiveError, match="nothing that was acknowledged is lost"):
        objects.stage(layout, b"x", take=False)
