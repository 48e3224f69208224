"""P26-P30: a unique-id is for good."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tests.maildrop.stores.maildir.conftest import Box

from pillarbox.events import MessagesHidden
from pillarbox.maildrop.errors import MaildropUnavailable
from pillarbox.maildrop.stores.maildir import Source, unique_ids

LIST = b"3 V1275660208 N5\n1 :1.a\n2 PUID7-9 :2.b:2,S\n3 :9.gone\n"


@pytest.fixture
def root(box: Box) -> Iterator[int]:
    descriptor = os.open(box.path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def test_names_that_are_allowed_are_the_ids() -> None:
    none: frozenset[bytes] = frozenset()
    assert unique_ids.unique_id("1.a", {}, none) == b"1.a"
    assert unique_ids.unique_id("x" * 70, {}, none) == b"x" * 70
    odd = ["", "a b", "x" * 71, "ä", "a\n", "a\x7f"]
    ids = [unique_ids.unique_id(name, {}, none) for name in odd]
    assert len(set(ids)) == len(odd)
    assert all(unique_ids.is_allowed(unique_id) and b":2," in unique_id for unique_id in ids)


def test_an_id_that_was_taken_over_is_not_given_again() -> None:
    """P27: a file named like somebody else's old id."""
    imported = {b"1.a": b"2.b"}
    taken = frozenset(imported.values())
    assert unique_ids.unique_id("1.a", imported, taken) == b"2.b"
    assert unique_ids.unique_id("2.b", imported, taken) not in {b"2.b", b"1.a"}


def test_kept_for_good(box: Box, root: int) -> None:
    assert unique_ids.load(root) is None
    unique_ids.save(root, {})
    assert unique_ids.load(root) == {}
    kept = {b"1.a": b"x", b"2.\xff": b"y"}
    unique_ids.save(root, kept)
    assert unique_ids.load(root) == kept
    assert box.ours() == {"pillarbox.uidl"}


def test_damage_is_refused(box: Box, root: int) -> None:
    """P26: no ids are better than other ids."""
    unique_ids.save(root, {b"1.a": b"x"})
    whole = (box.path / "pillarbox.uidl").read_bytes()
    for at in range(len(whole)):
        (box.path / "pillarbox.uidl").write_bytes(whole[:at])
        with pytest.raises(MaildropUnavailable) as refused:
            unique_ids.load(root)
        assert refused.value.permanent
        assert "backup" in refused.value.reason


def test_taken_over_once(box: Box) -> None:
    """P29: Dovecot's ids first, later messages by their names; what Dovecot writes afterwards changes nothing."""
    for name in ("1.a", "2.b", "3.c"):
        box.deliver(name=name)
    (box.path / "dovecot-uidlist").write_bytes(LIST)
    expected = [b"000000014c0907b0", b"UID7-9", b"3.c"]
    assert box.ids(source=Source.DOVECOT) == expected
    box.deliver(name="4.d")
    (box.path / "dovecot-uidlist").write_bytes(LIST.replace(b"9.gone", b"4.d").replace(b"UID7-9", b"other"))
    assert box.ids(source=Source.DOVECOT) == [*expected, b"4.d"]
    (box.path / "pillarbox.index").unlink()
    assert box.ids(source=Source.DOVECOT) == [*expected, b"4.d"]
    # Also when the setting is taken away again.
    (box.path / "pillarbox.index").unlink()
    assert box.ids() == [*expected, b"4.d"]


def test_taken_over_after_the_index_was_made(box: Box) -> None:
    """The setting was forgotten at first: the index must not keep the wrong ids."""
    box.deliver(name="1.a")
    (box.path / "dovecot-uidlist").write_bytes(LIST)
    assert box.ids() == [b"1.a"]
    assert box.ids(source=Source.DOVECOT) == [b"000000014c0907b0"]


def test_ids_that_cannot_be_stored_are_not_given(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """P30: old messages keep their ids; new ones are hidden, with an event, until theirs can be stored."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    box.deliver(name="1.a")
    box.deliver(name="5.new")
    (box.path / "dovecot-uidlist").write_bytes(LIST)
    with monkeypatch.context() as patch:
        patch.setattr(unique_ids, "save", full)
        assert box.ids(source=Source.DOVECOT) == [b"000000014c0907b0"]
    (hidden,) = box.sink.of(MessagesHidden)
    assert (hidden.count, hidden.examples) == (1, ["5.new"])
    assert box.ids(source=Source.DOVECOT) == [b"000000014c0907b0", b"5.new"]
