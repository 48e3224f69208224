"""The mail of the benchmark: the same from the same seed, the same work in every maildrop."""

import os
from pathlib import Path

from bench.corpus import MEAN_OCTETS, Owner, Writer, deliver, fill_large, fill_small, maildrop_sizes

_SELF = Owner(os.getuid(), os.getgid())


def _files(maildrop: Path, part: str) -> list[tuple[str, bytes]]:
    return sorted((path.name, path.read_bytes()) for path in (maildrop / part).iterdir())


def test_the_same_seed_gives_the_same_octets() -> None:
    first, second, other = Writer(1), Writer(1), Writer(2)

    texts = [writer.message(7, 3000) for writer in (first, second, other)]

    assert texts[0] == texts[1] != texts[2]


def test_messages_have_the_size_asked_for_and_bare_lf() -> None:
    writer = Writer(1)
    for octets in (600, 2000, 39_999, 40_000, 3_000_000):
        text = writer.message(5, octets)
        assert len(text) == octets
        assert b"\r" not in text
        assert text.endswith(b"\n")
        assert b"\n\n" in text


def test_sizes_are_spread_like_mail_around_the_mean() -> None:
    sizes = maildrop_sizes(50)

    assert abs(sum(sizes) / 50 - MEAN_OCTETS) < MEAN_OCTETS * 0.02
    assert sizes[25] < MEAN_OCTETS / 2  # most are small,
    assert sizes[-1] > MEAN_OCTETS * 8  # and few are large


def test_every_maildrop_holds_the_same_sizes_in_another_order(tmp_path: Path) -> None:
    total = fill_small(tmp_path, _SELF, users=2, messages=20)
    one, two = ([len(text) for _, text in _files(tmp_path / f"u{user}@example.com", "new")] for user in range(2))

    assert sorted(one) == sorted(two)
    assert one != two
    assert total == sum(one) + sum(two)


def test_two_copies_are_alike(tmp_path: Path) -> None:
    for copy in ("a", "b"):
        fill_small(tmp_path / copy, _SELF, users=1, messages=5)

    a, b = (_files(tmp_path / copy / "u0@example.com", "new") for copy in ("a", "b"))
    assert a == b
    assert len(a) == 5


def test_hints_in_large_maildrops_are_true(tmp_path: Path) -> None:
    fill_large(tmp_path / "hinted", _SELF, 3, hinted=True)
    fill_large(tmp_path / "plain", _SELF, 3, hinted=False)

    for name, text in _files(tmp_path / "hinted", "cur"):
        on_the_wire = text.replace(b"\n", b"\r\n")
        assert f",S={len(text)},W={len(on_the_wire)}:2,S" in name
    assert not any(",S=" in name for name, _ in _files(tmp_path / "plain", "cur"))


def test_a_delivery_leaves_nothing_in_tmp_and_each_has_its_own_name(tmp_path: Path) -> None:
    fill_large(tmp_path / "drop", _SELF, 3, hinted=False)

    deliver(tmp_path / "drop", _SELF, 1)
    deliver(tmp_path / "drop", _SELF, 2)

    assert len(_files(tmp_path / "drop", "new")) == 2
    assert _files(tmp_path / "drop", "tmp") == []
