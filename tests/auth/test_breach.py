"""The breach filter as a reader sees it: what it finds, what it does not, and what a damaged file does."""

import hashlib
import io
from pathlib import Path

import pytest

from pillarbox.auth.breach import HEADER_OCTETS, BreachFilter, BreachFilterError, Kind, ntlm, sha1
from pillarbox.auth.breach_build import Listing, build

LISTED = [b"listed %d" % number for number in range(20_000)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("breach") / "filter"
    build(path, [Listing("list", io.BytesIO(b"\n".join(LISTED)), plain=True)], bits=8)
    return path


def test_every_listed_password_is_found_and_others_at_the_documented_rate(made: Path) -> None:
    with BreachFilter(made) as breached:
        assert all(breached.knows(password) for password in LISTED)
        tries = 30_000
        wrong = sum(breached.holds(hashlib.sha1(b"other %d" % number).digest()) for number in range(tries))
        rate = breached.header.false_positive_rate
        # Six standard deviations: the hashes are fixed, so that this fails for a reason or never.
        assert abs(wrong - tries * rate) < 6 * (tries * rate) ** 0.5
        assert 2**-8.1 < rate <= 2**-8
        assert breached.header.kind is Kind.SHA1
        assert breached.header.entries == len(LISTED)


def test_its_size_is_what_is_documented(made: Path) -> None:
    assert 8 * made.stat().st_size / len(LISTED) < 8 + 2.7


def test_a_password_is_found_in_its_own_octets_and_in_nfc(tmp_path: Path) -> None:
    decomposed, composed = "Scho\u0308nheit".encode(), "Sch\u00f6nheit".encode()
    for listed, asked in ((composed, decomposed), (composed, composed), (decomposed, decomposed)):
        path = tmp_path / "filter"
        digest = sha1(listed).hex().encode()
        build(path, [Listing("list", io.BytesIO(digest))], bits=24)
        with BreachFilter(path) as breached:
            assert breached.knows(asked)


def test_ntlm_takes_any_octets() -> None:
    assert ntlm(b"password").hex() == "8846f7eaee8fb117ad06bdd830b7586c"
    assert len(ntlm(b"\xff\xfe")) == 16


@pytest.mark.parametrize(
    ("place", "message"),
    [(0, "not a breach filter"), (8, "header"), (20, "header"), (HEADER_OCTETS - 1, "header")],
)
def test_a_damaged_header_is_refused_at_opening(made: Path, tmp_path: Path, place: int, message: str) -> None:
    data = bytearray(made.read_bytes())
    data[place] ^= 1
    (tmp_path / "bad").write_bytes(data)
    with pytest.raises(BreachFilterError, match=message):
        BreachFilter(tmp_path / "bad")


@pytest.mark.parametrize("keep", [0, 5, HEADER_OCTETS, -1])
def test_a_cut_file_is_refused_at_opening(made: Path, tmp_path: Path, keep: int) -> None:
    (tmp_path / "cut").write_bytes(made.read_bytes()[:keep])
    with pytest.raises(BreachFilterError, match=r"not a breach filter|cut short"):
        BreachFilter(tmp_path / "cut")


def test_a_longer_file_is_refused(made: Path, tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(made.read_bytes() + b"x")
    with pytest.raises(BreachFilterError, match="added"):
        BreachFilter(tmp_path / "long")


def test_what_cannot_be_opened_says_why(tmp_path: Path) -> None:
    with pytest.raises(BreachFilterError, match="No such file"):
        BreachFilter(tmp_path / "none")
    with pytest.raises(BreachFilterError, match=r"cannot be read|not a breach"):
        BreachFilter(tmp_path)


def test_damage_inside_is_met_with_an_error_or_an_answer_and_found_by_the_check(made: Path, tmp_path: Path) -> None:
    whole = made.read_bytes()
    with BreachFilter(made) as breached:
        breached.check()
    for place in range(HEADER_OCTETS, len(whole), 997):
        data = bytearray(whole)
        data[place] ^= 0xFF
        (tmp_path / "bad").write_bytes(data)
        with BreachFilter(tmp_path / "bad") as breached:
            with pytest.raises(BreachFilterError, match="checksum"):
                breached.check()
            for password in LISTED[::500]:
                try:
                    breached.knows(password)
                except BreachFilterError:
                    pass  # said so: enough
