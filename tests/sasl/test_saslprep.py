"""RFC 4013 §3: its examples, and the rules they stand for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.sasl.saslprep import saslprep


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("I\u00adX", "IX"),  # RFC 4013 §3 #1: SOFT HYPHEN mapped to nothing
        ("user", "user"),  # #2
        ("USER", "USER"),  # #3: case preserved
        ("\u00aa", "a"),  # #4: NFKC
        ("\u2168", "IX"),  # #5: NFKC, will match #1
        ("a\u00a0b", "a b"),  # C.1.2: non-ASCII space
        ("\u0627\u0644\u0627", "\u0627\u0644\u0627"),  # right to left throughout
        ("", ""),
    ],
)
def test_the_examples(text: str, prepared: str) -> None:
    assert saslprep(text) == prepared
    assert saslprep(text, stored=True) == prepared


@pytest.mark.parametrize(
    "text",
    [
        "\u0007",  # RFC 4013 §3 #6
        "\u0627\u0031",  # #7: does not end right to left
        "\u0627a\u0627",
        "a\x7f",
        "\ue000",  # private use
        "\ufffd",
        "\u200e",
        "\U000e0041",
        chr(0xD800),
    ],
)
def test_what_is_prohibited_and_not_repeated_in_the_error(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        saslprep(text)
    assert text not in str(caught.value)


def test_unassigned_code_points_may_be_asked_for_but_not_stored() -> None:
    """RFC 3454 §7."""
    assert saslprep("\u0221") == "\u0221"
    with pytest.raises(ValueError, match="not assigned"):
        saslprep("\u0221", stored=True)


@given(st.text())
def test_preparing_twice_changes_nothing(text: str) -> None:
    try:
        once = saslprep(text)
    except ValueError:
        return
    assert saslprep(once) == once
