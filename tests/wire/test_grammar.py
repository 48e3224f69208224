"""P9, P10, P16, P31, P34, P39: every rule of the grammar, and the way back."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.wire.commands import Command, Verb
from pillarbox.wire.errors import BadCommand, LocalError
from pillarbox.wire.grammar import encode, message_number, parse, verb_of

NO_ARGUMENT = ["STLS", "CAPA", "UTF8", "STAT", "NOOP", "RSET", "QUIT"]
ONE_NUMBER = ["RETR", "DELE"]
OPTIONAL_NUMBER = ["LIST", "UIDL"]
BAD_NUMBERS = [
    "0", "-1", "+1", "1x", "x", "1.0", "0x1", "1e3", "00", "01", "0001", "99999999999", "9" * 29, "１", "1,2", "1 2",
    "\u00b2",
    "1_0", "--1", "*", "1\t",
]  # fmt: skip


@pytest.mark.parametrize("name", [verb.name for verb in Verb])
@pytest.mark.parametrize("spell", [str.upper, str.lower, str.title, str.swapcase])
def test_keywords_are_read_in_any_case(name: str, spell: Callable[[str], str]) -> None:
    """P31."""
    assert verb_of(spell(name).encode() + b" rest") is Verb[name]
    rest = {"USER": " a", "APOP": " a b", "RETR": " 1", "DELE": " 1", "TOP": " 1 0"}.get(name, "")
    assert parse((spell(name) + rest).encode()).verb is Verb[name]


@pytest.mark.parametrize("name", NO_ARGUMENT)
def test_commands_without_argument_take_none(name: str) -> None:
    """P39: QUIT with an argument is -ERR, as is every other; trailing spaces are no argument."""
    assert parse(name.encode()) == Command(Verb[name])
    assert parse(name.encode() + b"   ") == Command(Verb[name])
    for rest in (b" 1", b" x", b"  now", b" \xff"):
        with pytest.raises(BadCommand, match=f"{name} takes no argument"):
            parse(name.encode() + rest)


@pytest.mark.parametrize("name", ONE_NUMBER + OPTIONAL_NUMBER)
def test_message_numbers(name: str) -> None:
    """P16: leading zeros are refused; the largest number that is read has ten digits."""
    for number in (1, 7, 10, 4294967295, 4294967297, 9999999999):
        assert parse(f"{name} {number}".encode()) == Command(Verb[name], number)
    assert parse(f"{name} 1  ".encode()) == Command(Verb[name], 1)
    for bad in BAD_NUMBERS:
        with pytest.raises(BadCommand):
            parse(f"{name} {bad}".encode())
        with pytest.raises(BadCommand):
            parse(f"TOP {bad} 1".encode())
    for spaced in (b"  1", b" 1 1"):
        with pytest.raises(BadCommand):
            parse(name.encode() + spaced)


@pytest.mark.parametrize("name", ONE_NUMBER)
def test_a_missing_number_is_an_error(name: str) -> None:
    for line in (name, name + " ", name + "   "):
        with pytest.raises(BadCommand):
            parse(line.encode())


@pytest.mark.parametrize("name", OPTIONAL_NUMBER)
def test_an_optional_number_may_be_missing(name: str) -> None:
    for line in (name, name + " ", name + "  "):
        assert parse(line.encode()) == Command(Verb[name])


def test_top_needs_both_numbers() -> None:
    """P9."""
    assert parse(b"TOP 1 0") == Command(Verb.TOP, 1, 0)
    assert parse(b"top 12 9999999999") == Command(Verb.TOP, 12, 9999999999)
    for line in (b"TOP", b"TOP ", b"TOP 1", b"TOP 1 ", b"TOP 1 -1", b"TOP 1 00", b"TOP 1 x", b"TOP 1 1 1", b"TOP 1  1",
                 b"TOP  1 1", b"TOP 0 1", b"TOP 1 " + b"9" * 29):  # fmt: skip
        with pytest.raises(BadCommand):
            parse(line)


def test_a_password_is_everything_after_the_first_space() -> None:
    """P34."""
    for password in (b"x", b"a b", b" a", b"a ", b"  ", b"\xc3\xa9", b"\xff", b"a\rb", b"\t", b"[", b"PASS x"):
        assert parse(b"PASS " + password) == Command(Verb.PASS, argument=password)
    assert parse(b"PASS") == parse(b"PASS ") == Command(Verb.PASS)


def test_names_need_something() -> None:
    assert parse(b"USER ada@example.org ") == Command(Verb.USER, argument=b"ada@example.org")
    assert parse(b"USER a b") == Command(Verb.USER, argument=b"a b")
    for line in (b"USER", b"USER ", b"APOP", b"APOP   "):
        with pytest.raises(BadCommand):
            parse(line)


def test_texts_are_optional_for_auth_and_lang() -> None:
    for name, verb in ((b"AUTH", Verb.AUTH), (b"LANG", Verb.LANG)):
        assert parse(name) == parse(name + b"  ") == Command(verb)
        assert parse(name + b" x y ") == Command(verb, argument=b"x y")


@pytest.mark.parametrize("octet", [*range(0x20), 0x7F])
def test_control_characters_are_refused(octet: int) -> None:
    """P10: NUL in any command, and every other control character outside a password."""
    bad = bytes([octet])
    for line in (b"USER a" + bad, b"RETR 1" + bad, b"NOOP" + bad, bad + b"NOOP", b"XY" + bad):
        with pytest.raises(BadCommand):
            parse(line)
    if octet == 0:
        with pytest.raises(BadCommand):
            parse(b"PASS a\0b")


@pytest.mark.parametrize(
    "line", [b"", b" ", b"  NOOP", b"NOOPX", b"RETR1", b"XTND", b"\xff\xfe", b"NOOP\xc2\xa0", b"GET / HTTP/1.1"]
)
def test_unknown_commands_are_refused(line: bytes) -> None:
    with pytest.raises(BadCommand):
        parse(line)


@given(st.binary(max_size=300))
def test_the_grammar_raises_nothing_but_its_own_error(line: bytes) -> None:
    try:
        command = parse(line)
    except BadCommand:
        return
    assert command.verb is verb_of(line)
    assert command.number >= 0


@given(st.text(max_size=12).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_a_number_is_read_as_it_is_written_or_not_at_all(text: bytes) -> None:
    try:
        number = message_number(text)
    except BadCommand:
        return
    assert number > 0
    assert b"%d" % number == text


COMMANDS = st.builds(
    Command,
    st.sampled_from(list(Verb)),
    st.integers(-2, 10**11) | st.just(0),
    st.integers(-3, 10**11) | st.just(-1),
    st.binary(max_size=20) | st.just(b"") | st.text(max_size=260).map(str.encode),
)


@given(COMMANDS)
def test_what_is_encoded_is_read_as_the_same_command(command: Command) -> None:
    """No argument can smuggle a second line, and nothing is silently changed on the way."""
    try:
        line = encode(command)
    except LocalError:
        return
    assert line.endswith(b"\r\n")
    assert len(line) <= 255
    assert not set(line[:-2]) & set(b"\r\n\0")
    assert parse(line[:-2]) == command


@pytest.mark.parametrize("argument", [b"a\rb", b"a\nb", b"a\r\nDELE 1", b"a\0b", b"\n", b"a\r"])
@pytest.mark.parametrize("verb", [Verb.USER, Verb.PASS, Verb.APOP, Verb.AUTH, Verb.LANG])
def test_line_breaks_and_nul_are_refused_in_every_argument(verb: Verb, argument: bytes) -> None:
    with pytest.raises(LocalError, match="CR, LF or NUL"):
        encode(Command(verb, argument=argument))


@pytest.mark.parametrize(
    "command",
    [
        Command(Verb.USER, argument=b" ada"),
        Command(Verb.USER, argument=b"ada "),
        Command(Verb.USER),
        Command(Verb.RETR),
        Command(Verb.RETR, -1),
        Command(Verb.TOP, 1),
        Command(Verb.STAT, argument=b"x"),
        Command(Verb.LIST, 1, 1),
        Command(Verb.PASS, argument=b"x" * 249),
    ],
)
def test_what_no_line_says_is_refused(command: Command) -> None:
    with pytest.raises(LocalError):
        encode(command)


def test_the_longest_line_is_255_octets() -> None:
    """P32."""
    assert len(encode(Command(Verb.PASS, argument=b"x" * 248))) == 255
