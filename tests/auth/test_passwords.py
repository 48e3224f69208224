"""argon2id."""

import pytest

from pillarbox.auth.passwords import MAX_PASSWORD_OCTETS, Hasher, prepared

FAST = Hasher(memory_kib=8, time_cost=1)


def test_the_default_parameters_are_those_of_the_design() -> None:
    assert Hasher().hash(b"correct horse").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_right_and_wrong_passwords() -> None:
    """P34: spaces are part of a password."""
    stored = FAST.hash(b" two  spaces ")
    assert FAST.verify(stored, b" two  spaces ")
    assert not FAST.verify(stored, b"two  spaces")
    assert not FAST.verify(stored, b"")
    assert not FAST.verify("not a hash", b" two  spaces ")
    assert not FAST.verify("", b"x")
    assert FAST.hash(b"x") != FAST.hash(b"x")


@pytest.mark.parametrize("password", [b"", b"x" * (MAX_PASSWORD_OCTETS + 1)])
def test_impossible_passwords_are_nobodys(password: bytes) -> None:
    with pytest.raises(ValueError):
        FAST.hash(password)
    assert not FAST.verify(FAST.hash(b"x"), password)


def test_the_longest_password_works_to_its_last_octet() -> None:
    longest = b"x" * MAX_PASSWORD_OCTETS
    stored = FAST.hash(longest)
    assert FAST.verify(stored, longest)
    assert not FAST.verify(stored, longest[:-1] + b"y")


def test_unicode_forms_are_one_password_and_other_octets_are_kept() -> None:
    """RFC 8265 §4.2.2: NFC."""
    assert FAST.verify(FAST.hash("Ångström".encode()), "A\u030angstro\u0308m".encode())
    assert prepared(b"\xff\xfe latin") == b"\xff\xfe latin"
    assert FAST.verify(FAST.hash(b"caf\xe9 latin1"), b"caf\xe9 latin1")


def test_nobody_is_never_right_and_has_the_same_parameters() -> None:
    """P42: an unknown user costs what a known one costs."""
    seen: list[int] = []

    def random(octets: int) -> bytes:
        seen.append(octets)
        return bytes(octets)

    hasher = Hasher(memory_kib=8, time_cost=1, random=random)
    assert not hasher.verify_nobody()
    assert seen == [16, 32]


def test_weaker_hashes_are_recognised() -> None:
    stored = FAST.hash(b"x")
    assert not FAST.needs_rehash(stored)
    assert Hasher(memory_kib=16, time_cost=1).needs_rehash(stored)
    assert Hasher(memory_kib=8, time_cost=2).needs_rehash(stored)
    assert not FAST.needs_rehash(Hasher(memory_kib=16, time_cost=2).hash(b"x"))
    assert FAST.needs_rehash("$1$salt$hash")
