"""SASLprep (RFC 4013): what makes two ways of typing one password the same octets.

Rules: the tables are those of `stringprep` in the standard library (RFC 3454, Unicode 3.2); a stored string may hold no
unassigned code point, one that only asks may (RFC 3454 §7).
"""

from __future__ import annotations

import stringprep
import unicodedata

_PROHIBITED = (  # RFC 4013 §2.3
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(text: str, *, stored: bool = False) -> str:
    """`text` in its prepared form.

    Args:
        text: as typed.
        stored: it will be kept and compared with; unassigned code points are then refused.

    Raises:
        ValueError: it holds a character that has no place in a name or password, or mixes directions. The message
            does not repeat it.
    """
    if text.isascii() and text.isprintable():
        return text  # nothing in any table
    mapped = (" " if stringprep.in_table_c12(one) else one for one in text if not stringprep.in_table_b1(one))
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", "".join(mapped))
    for one in prepared:
        if any(prohibits(one) for prohibits in _PROHIBITED):
            raise ValueError("a character that SASLprep prohibits")
        if stored and stringprep.in_table_a1(one):
            raise ValueError("a character that Unicode 3.2 has not assigned")
    _check_direction(prepared)
    return prepared


def _check_direction(text: str) -> None:
    """RFC 3454 §6: right-to-left text is so from its first to its last character, and holds no left-to-right one."""
    if not any(stringprep.in_table_d1(one) for one in text):
        return
    if any(stringprep.in_table_d2(one) for one in text):
        raise ValueError("right-to-left and left-to-right characters are mixed")
    if not (stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])):
        raise ValueError("right-to-left text must begin and end with right-to-left characters")
