"""P31, P32, P35, P39, P43, P45, P51: the server's end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.wire.commands import Command, Malformed, Received, SaslResponse, Verb
from pillarbox.wire.errors import LocalError
from pillarbox.wire.peer import ServerPeer
from pillarbox.wire.replies import Challenge, Reply
from pillarbox.wire.states import State

OK = Reply(True, "fine")
ERR = Reply(False, "no")


def greeted() -> ServerPeer:
    peer = ServerPeer()
    assert peer.greet(Reply(True, "hello")) == b"+OK hello\r\n"
    return peer


def logged_in() -> ServerPeer:
    peer = greeted()
    peer.receive(b"USER a\r\nPASS b\r\n")
    for _ in range(2):
        peer.next()
        peer.reply(OK)
    return peer


def heard(peer: ServerPeer, data: bytes) -> Received | None:
    peer.receive(data)
    return peer.next()


def test_pipelined_commands_are_given_out_one_by_one_in_order() -> None:
    """P35: what stands behind PASS in the same packet is read in the state PASS led to."""
    peer = greeted()
    peer.receive(b"USER a\r\nPASS b c\r\nSTAT\r\nQUIT\r\n")
    assert peer.next() == Command(Verb.USER, argument=b"a")
    with pytest.raises(LocalError):
        peer.next()
    peer.reply(OK)
    assert peer.next() == Command(Verb.PASS, argument=b"b c")
    peer.reply(OK)
    assert peer.next() == Command(Verb.STAT)
    peer.reply(OK)
    assert peer.next() == Command(Verb.QUIT)
    peer.reply(OK)
    assert peer.state is State.CLOSED
    assert heard(peer, b"NOOP\r\n") is None


def test_pipelined_behind_a_refused_login_nothing_is_legal() -> None:
    """P35, P43."""
    peer = greeted()
    peer.receive(b"USER a\r\nPASS b\r\nSTAT\r\nPASS c\r\n")
    peer.next()
    peer.reply(OK)
    peer.next()
    peer.reply(ERR)
    assert peer.next() == Malformed("log in first", Verb.STAT)
    peer.reply(ERR)
    assert peer.next() == Malformed("USER comes first", Verb.PASS)


def test_a_second_user_replaces_the_first() -> None:
    """P43."""
    peer = greeted()
    for name in (b"a", b"b"):
        assert heard(peer, b"USER " + name + b"\r\n") == Command(Verb.USER, argument=name)
        peer.reply(OK)
        assert peer.state is State.NAMED


@pytest.mark.parametrize("line", [b"NOOP", b"STAT", b"LIST", b"RETR 1", b"DELE 1", b"RSET", b"TOP 1 0", b"UIDL"])
def test_nothing_of_transaction_is_legal_before_login(line: bytes) -> None:
    """P39."""
    peer = greeted()
    said = heard(peer, line + b"\r\n")
    assert isinstance(said, Malformed)
    peer.reply(ERR)
    assert peer.state is State.AUTHORIZATION


def test_an_overlong_line_is_answered_once_and_never_read_as_a_command() -> None:
    """P32."""
    peer = greeted()
    for data in (b"QUIT " + b"x" * 300, b"\r\nQUIT " + b"y" * 9000 + b"\nCAPA\r\n"):
        peer.receive(data)
    for _ in range(2):
        assert peer.next() == Malformed("command line too long", Verb.QUIT, overlong=True)
        peer.reply(ERR)
    assert peer.next() == Command(Verb.CAPA)


def test_an_endless_line_holds_no_memory() -> None:
    """P32."""
    peer = greeted()
    for _ in range(500):
        assert heard(peer, b"USER " * 200) is None
        assert peer.held <= 255


def test_an_exchange() -> None:
    """P45: lines of an exchange are no commands, have their own limit, and come one at a time."""
    peer = greeted()
    assert heard(peer, b"AUTH PLAIN\r\nQUIT\r\nQUIT\r\n") == Command(Verb.AUTH, argument=b"PLAIN")
    assert peer.challenge(Challenge(b"")) == b"+ \r\n"
    assert peer.next() == SaslResponse(b"QUIT")
    with pytest.raises(LocalError):
        peer.next()
    peer.reply(ERR)
    assert peer.next() == Command(Verb.QUIT)


def test_an_overlong_response_is_malformed() -> None:
    peer = greeted()
    assert heard(peer, b"AUTH PLAIN\r\n") is not None
    peer.challenge(Challenge(b""))
    assert heard(peer, b"A" * 12_287 + b"\r\n") == Malformed("response too long", overlong=True)
    peer.reply(ERR)
    assert heard(peer, b"AUTH PLAIN\r\n") is not None
    peer.challenge(Challenge(b""))
    assert heard(peer, b"A" * 12_286 + b"\r\n") == SaslResponse(b"A" * 12_286)


def test_the_caller_cannot_break_the_protocol() -> None:
    peer = greeted()
    with pytest.raises(LocalError):
        peer.reply(OK)
    with pytest.raises(LocalError):
        peer.refuse(OK)
    heard(peer, b"CAPA\r\n")
    with pytest.raises(LocalError):
        peer.reply(OK)  # a body is missing
    peer = greeted()
    heard(peer, b"USER a\r\n")
    with pytest.raises(LocalError):
        peer.reply(Reply(True, body=b""))


def test_a_reply_may_close() -> None:
    peer = greeted()
    heard(peer, b"NOPE\r\n")
    assert peer.reply(Reply(False, "too many bad commands", close=True)) == b"-ERR too many bad commands\r\n"
    assert peer.state is State.CLOSED
    peer = greeted()
    assert peer.refuse(ERR) == b"-ERR no\r\n"
    assert peer.state is State.CLOSED


@pytest.mark.parametrize("line", [b"STLS\r\n", b"stls \r\n", b"STLS\n"])
def test_octets_behind_stls_are_never_read(line: bytes) -> None:
    """P51: at every split; also with a trailing space and a bare LF."""
    behind = b"USER evil\r\n"
    stream = line + behind
    for cut in range(len(line), len(stream) + 1):
        peer = greeted()
        assert heard(peer, stream[:cut]) == Command(Verb.STLS)
        peer.reply(OK)
        assert peer.state is State.TLS
        assert peer.next() is None
        peer.receive(stream[cut:])
        assert peer.next() is None
        with pytest.raises(LocalError):
            peer.secured()
        assert peer.leftover() == len(behind)


def test_tls_forgets_the_name() -> None:
    """P51."""
    peer = greeted()
    heard(peer, b"USER a\r\n")
    peer.reply(OK)
    heard(peer, b"STLS\r\n")
    peer.reply(OK)
    assert peer.leftover() == 0
    peer.secured()
    assert heard(peer, b"PASS b\r\n") == Malformed("USER comes first", Verb.PASS)


def test_stls_is_illegal_after_login() -> None:
    """P52."""
    assert heard(logged_in(), b"STLS\r\n") == Malformed("not possible after login", Verb.STLS)
    assert heard(greeted(), b"STLS now\r\n") == Malformed("STLS takes no argument", Verb.STLS)


def test_other_protocols_are_known_before_a_line_is_complete() -> None:
    """P55."""
    peer = greeted()
    peer.receive(b"\x16\x03\x01")
    assert peer.begins_with(b"\x16")


def drive(pieces: list[bytes]) -> list[Received]:
    """Everything a server hears, when it answers +OK to what is legal."""
    peer = greeted()
    got: list[Received] = []
    for piece in pieces:
        peer.receive(piece)
        while (said := peer.next()) is not None:
            got.append(said)
            if isinstance(said, Command) and said.verb is Verb.AUTH and said.argument:
                peer.challenge(Challenge(b""))
            elif isinstance(said, Command):
                multi = said.verb in (Verb.CAPA, Verb.RETR, Verb.TOP, Verb.AUTH)
                multi = multi or (said.verb in (Verb.LIST, Verb.UIDL, Verb.LANG) and not said.has_argument)
                peer.reply(Reply(True, body=b"" if multi else None))
            else:
                peer.reply(ERR if isinstance(said, Malformed) else OK)
    return got


LINES = st.sampled_from(
    [b"USER a\r\n", b"PASS b\n", b"STAT\r\n", b"LIST 1\r\n", b"RETR 1\r\n", b"AUTH PLAIN\r\n", b"AGEAYg==\r\n",
     b"STLS\r\n", b"\r\n", b"\0", b"\r", b"x" * 260, b"QUIT\r\n", b"LANG\r\n", b"\xff\r\n"]
)  # fmt: skip


@given(st.lists(LINES | st.binary(max_size=20), max_size=12))
def test_whole_is_the_same_as_octet_by_octet_and_nothing_raises(parts: list[bytes]) -> None:
    stream = b"".join(parts)
    assert drive([stream]) == drive([bytes([octet]) for octet in stream])
