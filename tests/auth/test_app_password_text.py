"""What app passwords look like, what people make of them, and which slips are noticed."""

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.auth.app_password_text import ALPHABET, PATTERN, AppPasswordText, Slip, crockford, generate, parse


def made(seed: int) -> AppPasswordText:
    import random

    return generate(random.Random(seed).randbytes)


@given(st.integers(0, 10_000))
def test_what_is_made_is_read(seed: int) -> None:
    text = made(seed)
    assert parse(text.canonical) == text
    assert re.fullmatch(PATTERN, text.canonical.decode())
    assert len(text.id) == 8


@given(st.integers(0, 1000), st.data())
def test_people_may_write_it_in_their_way(seed: int, data: st.DataObject) -> None:
    text = made(seed)
    written = "pbx_"
    for character in text.canonical[4:].decode():
        written += data.draw(st.sampled_from(["", "", "", "-", " "]))
        ways = {"0": "0oO", "1": "1iIlL"}.get(character, character + character.upper())
        written += data.draw(st.sampled_from(ways))
    assert parse(data.draw(st.sampled_from([written, "PBX_" + written[4:], "Pbx_" + written[4:]])).encode()) == text


@given(st.integers(0, 1000), st.integers(0, 35), st.sampled_from(ALPHABET))
def test_any_one_wrong_character_is_a_slip(seed: int, place: int, other: str) -> None:
    canonical = made(seed).canonical.decode()
    place += 4
    slipped = canonical[:place] + other + canonical[place + 1 :]
    assert parse(slipped.encode()) is Slip.MISTYPED or slipped == canonical


@given(st.integers(0, 1000), st.integers(0, 33), st.integers(0, 33))
def test_any_two_characters_exchanged_are_a_slip(seed: int, one: int, two: int) -> None:
    canonical = list(made(seed).canonical.decode())
    exchanged = canonical.copy()
    exchanged[one + 4], exchanged[two + 4] = canonical[two + 4], canonical[one + 4]
    assert parse("".join(exchanged).encode()) is Slip.MISTYPED or exchanged == canonical


def test_a_lost_or_doubled_character_is_a_slip() -> None:
    canonical = made(1).canonical
    assert parse(canonical[:-1]) is Slip.MISTYPED
    assert parse(canonical + b"0") is Slip.MISTYPED


def test_guesses_are_mostly_told_from_slips_by_the_check() -> None:
    """One random text in 1021 passes the check."""
    passed = sum(isinstance(parse(f"pbx_{crockford(os.urandom, 36)}".encode()), AppPasswordText) for _ in range(20_000))
    assert passed < 60


@pytest.mark.parametrize(
    "own",
    [
        b"",
        b"pbx_",
        b"pbx_hello",
        b"pbx",
        b"correct horse battery staple",
        b"pbx_" + b"u" * 36,  # not of the alphabet
        b"pbx_" + b"\xff" * 36,
        b"pbx_" + b"0" * 5000,
        made(1).canonical[4:],
        b"x" + made(1).canonical,
    ],
)
def test_people_s_own_passwords_are_left_alone(own: bytes) -> None:
    assert parse(own) is None


@given(st.binary(max_size=200))
def test_anything_can_be_given(octets: bytes) -> None:
    for given_ in (octets, b"pbx_" + octets):
        result = parse(given_)
        assert result is None or isinstance(result, AppPasswordText | Slip)


def test_it_does_not_print_itself() -> None:
    """P60."""
    text = made(3)
    assert text.canonical.decode()[12:] not in repr(text)


def test_it_is_made_of_130_random_bits_and_an_id() -> None:
    asked: list[int] = []

    def random(octets: int) -> bytes:
        asked.append(octets)
        return bytes(range(octets))

    generate(random)
    assert asked == [34]  # five bits of each octet
