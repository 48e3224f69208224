"""The index is a cache: damaged in any way, nothing is lost and nothing wrong is believed."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.maildrop.stores.maildir.conftest import Box

from pillarbox.maildrop.maildrop import Facts, Shape
from pillarbox.maildrop.stores.maildir.index import EMPTY, Index, IndexSnapshot, Rows, find, load, save
from pillarbox.maildrop.stores.maildir.opened import MaildirMaildrop

ROW = st.tuples(
    st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=30),
    st.integers(0, 1),
    st.builds(Facts, *[st.integers(0, 2**48)] * 4, st.integers(0, 63).map(Shape), st.integers(0, 2**64 - 1)),
    st.binary(min_size=1, max_size=70).filter(lambda octets: b"\0" not in octets),
)


@given(st.lists(ROW, max_size=8), st.booleans())
def test_what_goes_in_comes_out(values: list[tuple[str, int, Facts, bytes]], imported: bool) -> None:
    rows = Rows(stamps=((1, 2, 3, 4), (-5, 6, 2**63, 8)), imported=imported)
    rows.insert([0] * len(values), values)
    index = Index(rows.encode())
    assert index.count == len(values)
    assert index.names() == [value[0] for value in values]
    assert index.unique_ids() == [value[3] for value in values]
    assert [index.facts(at) for at in range(index.count)] == [value[2] for value in values]
    assert [index.directory(at) for at in range(index.count)] == [value[1] for value in values]
    assert index.stamps == rows.stamps
    assert index.imported is imported
    assert Index(index.rows().encode()).raw == index.raw
    for utf8 in (True, False):
        snapshot = IndexSnapshot(index, utf8=utf8)
        assert snapshot.total == sum(snapshot.octets)
        ids = snapshot.unique_ids
        assert list(ids) == [ids[at] for at in range(len(ids))] == ids[:] == [value[3] for value in values]
        with pytest.raises(IndexError):
            ids[len(ids)]


def test_no_octet_can_be_changed_or_lost() -> None:
    """Every octet is covered by a check; every length is."""
    rows = Rows()
    rows.insert(
        [0, 0], [("1.a", 0, Facts(1, 2, 3, 4, Shape(1)), b"1.a"), ("2.b", 1, Facts(5, 6, 7, 8, Shape(2)), b"x")]
    )
    raw = rows.encode()
    for at in range(len(raw)):
        with pytest.raises(ValueError):
            Index(raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :])
        with pytest.raises(ValueError):
            Index(raw[:at])
    with pytest.raises(ValueError, match="length"):
        Index(raw + b"x")


def test_a_name_that_leads_elsewhere_is_not_believed() -> None:
    rows = Rows()
    rows.insert([0], [("../../other/cur/1.a", 0, Facts(1, 2, 3, 4, Shape(1)), b"1.a")])
    with pytest.raises(ValueError, match="slash"):
        Index(rows.encode())


@pytest.mark.parametrize("tenth", range(11))
def test_truncated_anywhere_it_is_made_anew(box: Box, tenth: int) -> None:
    names = [box.deliver(b"Subject: %d\n\n.\n" % number).encode() for number in range(12)]
    assert box.ids() == names
    index = box.path / "pillarbox.index"
    raw = index.read_bytes()
    index.write_bytes(raw[: len(raw) * tenth // 10])
    assert box.ids() == names
    index.write_bytes(b"garbage" * 100)
    assert box.ids() == names
    index.unlink()
    assert box.ids() == names


def test_only_our_own_is_believed(box: Box) -> None:
    """Whoever may write into a Maildir must not tell the server what to believe: no link, no other owner."""
    box.deliver()
    box.ids()
    index = box.path / "pillarbox.index"
    root = os.open(box.path, os.O_RDONLY)
    assert find(root) is not None
    index.rename(box.path / "real")
    index.symlink_to("real")
    assert find(root) is None
    index.unlink()
    os.mkfifo(index)
    assert find(root) is None
    if os.geteuid() == 0:
        index.unlink()
        (box.path / "real").rename(index)
        os.chown(index, 12345, -1)
        assert find(root) is None
    os.close(root)


def test_saving_replaces_what_a_killed_process_left(box: Box) -> None:
    root = os.open(box.path, os.O_RDONLY)
    (box.path / "pillarbox.index.tmp").symlink_to("/etc/passwd")
    assert save(root, EMPTY)
    found = find(root)
    assert found is not None
    loaded = load(*found)
    assert loaded is not None
    assert loaded.raw == EMPTY.raw
    assert box.ours() == {"pillarbox.index"}
    os.close(root)


def test_revised() -> None:
    """What was learned goes in; what has to be looked at again goes out, and the directories are listed again."""
    rows = Rows(stamps=((1, 2, 3, 4), (5, 6, 7, 8)))
    facts = Facts(1, 2, 3, 4, Shape.KNOWN)
    rows.insert([0] * 3, [(f"{n}.a", 0, facts, b"%d.a" % n) for n in range(3)])
    learned = Facts(9, 8, 7, 6, Shape.KNOWN | Shape.DOTTED)
    index = Index(rows.encode()).revised({2: learned}, {0})
    assert index.names() == ["1.a", "2.a"]
    assert [index.facts(0), index.facts(1)] == [facts, learned]
    assert index.stamps[0] == (-1, 2, 3, 4)
    assert index.total == 10


def test_a_message_altered_in_place_is_looked_at_again(box: Box) -> None:
    """P19: its facts are wrong, so it is not sent; the next session has the right ones."""
    name = box.deliver(b"Subject: x\n\nshort\n")
    box.ids()
    (box.path / "new" / name).write_bytes(b"Subject: x\n\nmuch longer than before\n")

    async def read(maildrop: MaildirMaildrop) -> bytes:
        return bytes((await maildrop.read(0, 0, 1000)).data)

    with pytest.raises(Exception, match="altered"):
        box.run(read)
    assert box.run(read) == b"Subject: x\n\nmuch longer than before\n"
