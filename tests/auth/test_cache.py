"""The verification cache; protocol.md's broken class 3: a key that lacked an input."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.auth.cache import VerificationCache
from pillarbox.auth.sources import Credential

BASE = Credential("alice@example.org", "$argon2id$x", epoch=3)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def cache(clock: Clock | None = None, *, seconds: float = 60, size: int = 10) -> VerificationCache:
    return VerificationCache(b"k" * 32, seconds=seconds, size=size, clock=clock or Clock())


def test_everything_that_decides_is_in_the_key() -> None:
    store = cache()
    keys = {
        store.key("accounts", BASE, b"password"),
        store.key("passwd-file", BASE, b"password"),
        store.key("accounts", BASE._replace(account="bob@example.org"), b"password"),
        store.key("accounts", BASE._replace(stored="$argon2id$y"), b"password"),
        store.key("accounts", BASE._replace(epoch=4), b"password"),
        store.key("accounts", BASE, b"passwore"),
        VerificationCache(b"other" * 5, seconds=1, size=1, clock=Clock()).key("accounts", BASE, b"password"),
    }
    assert len(keys) == 7


@given(
    st.tuples(st.text(max_size=3), st.text(max_size=3), st.text(max_size=3), st.binary(max_size=3)),
    st.tuples(st.text(max_size=3), st.text(max_size=3), st.text(max_size=3), st.binary(max_size=3)),
)
def test_two_questions_never_share_a_key(one: tuple[str, str, str, bytes], other: tuple[str, str, str, bytes]) -> None:
    """No joining of fields makes two different questions alike."""
    store = cache()
    keys = [store.key(source, Credential(name, stored), word) for source, name, stored, word in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)


def test_moving_a_border_between_fields_changes_the_key() -> None:
    store = cache()
    text = "abcdef"
    keys = set()
    for i, j, k in itertools.combinations_with_replacement(range(7), 3):
        keys.add(store.key(text[:i], Credential(text[i:j], text[j:k]), text[k:].encode()))
    assert len(keys) == 84


def test_answers_expire() -> None:
    clock = Clock()
    store = cache(clock, seconds=60)
    key = store.key("s", BASE, b"p")
    assert not store.knows(key)
    store.remember(key)
    clock.now += 59.9
    assert store.knows(key)
    clock.now += 0.1
    assert not store.knows(key)
    assert len(store) == 0


def test_the_size_is_bounded_and_the_oldest_leaves() -> None:
    store = cache(size=3)
    keys = [store.key("s", BASE, bytes([number])) for number in range(5)]
    for key in keys:
        store.remember(key)
    assert [store.knows(key) for key in keys] == [False, False, True, True, True]
    store.remember(keys[2])  # young again
    store.remember(keys[0])
    assert [store.knows(key) for key in keys] == [True, False, True, False, True]


@pytest.mark.parametrize(("seconds", "size"), [(0, 10), (60, 0)])
def test_it_can_be_off(seconds: float, size: int) -> None:
    store = cache(seconds=seconds, size=size)
    key = store.key("s", BASE, b"p")
    store.remember(key)
    assert not store.knows(key)


def test_a_key_is_needed() -> None:
    for key in (b"", b"short", b"x" * 65):
        with pytest.raises(ValueError):
            VerificationCache(key, seconds=1, size=1, clock=Clock())
