"""P51, P60 from beside the line: what a bystander sees, and that nothing makes it raise or grow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.wire import limits
from pillarbox.wire.commands import Command, Verb
from pillarbox.wire.observations import (
    Asked,
    BodyEnded,
    Challenged,
    Ended,
    Found,
    Garbled,
    Greeted,
    Lost,
    Moved,
    Observation,
    Replied,
    Responded,
    StlsStarted,
    Unasked,
    Violation,
)
from pillarbox.wire.observer import Observer
from pillarbox.wire.replies import Status
from pillarbox.wire.states import State

A, N, T = State.AUTHORIZATION, State.NAMED, State.TRANSACTION
OK = Status(True, "")


def watch(
    script: list[tuple[str, bytes]], *, octets: bool = False, observer: Observer | None = None
) -> list[Observation]:
    """Everything observed of (side, octets) pairs; `octets`: fed octet by octet."""
    observer = observer or Observer()
    seen: list[Observation] = []
    for side, data in script:
        feed = observer.from_client if side == "C" else observer.from_server
        for piece in [bytes([octet]) for octet in data] if octets else [data]:
            seen += feed(piece)
    return seen


LOGIN = [("S", b"+OK hello\r\n"), ("C", b"USER ada\r\nPASS open sesame\r\n"), ("S", b"+OK\r\n+OK\r\n")]


@pytest.mark.parametrize("octets", [False, True])
def test_a_session(octets: bool) -> None:
    script = [
        *LOGIN,
        ("C", b"RETR 1\r\nNOPE\r\nQUIT\r\n"),
        ("S", b"+OK\r\n..a\r\n.\r\n-ERR what\r\n+OK bye\r\n"),
    ]
    assert watch(script, octets=octets) == [
        Greeted(Status(True, "hello")),
        Moved(State.GREETING, A),
        Asked(Command(Verb.USER, argument=b"ada")),
        Asked(Command(Verb.PASS, argument=b"*")),
        Replied(Command(Verb.USER, argument=b"ada"), OK, False),
        Moved(A, N),
        Replied(Command(Verb.PASS, argument=b"*"), OK, False),
        Moved(N, T),
        Asked(Command(Verb.RETR, 1)),
        Garbled("unknown command", None),
        Asked(Command(Verb.QUIT)),
        Replied(Command(Verb.RETR, 1), OK, True),
        BodyEnded(Command(Verb.RETR, 1), 4),
        Replied(None, Status(False, "what"), False),
        Replied(Command(Verb.QUIT), Status(True, "bye"), False),
        Moved(T, State.CLOSED),
    ]


def test_an_exchange_shows_no_secret() -> None:
    """P60: neither an initial response nor a line of the exchange is shown, nor taken for a command."""
    script = [
        ("S", b"+OK\r\n"),
        ("C", b"AUTH PLAIN AGFkYQBzZXNhbWU=\r\n"),
        ("S", b"-ERR\r\n"),
        ("C", b"AUTH LOGIN\r\n"),
        ("S", b"+ \r\n"),
        ("C", b"QUIT\r\n"),
        ("S", b"+ \r\n"),
        ("C", b"*\r\nSTAT\r\n"),
        ("S", b"-ERR\r\n-ERR\r\n"),
    ]
    seen = watch(script)
    assert seen == watch(script, octets=True)
    assert [one for one in seen if not isinstance(one, (Moved, Replied))][1:] == [
        Asked(Command(Verb.AUTH, argument=b"PLAIN *")),
        Asked(Command(Verb.AUTH, argument=b"LOGIN")),
        Challenged(),
        Responded(cancelled=False),
        Challenged(),
        Responded(cancelled=True),
        Asked(Command(Verb.STAT)),
    ]
    assert "AGFk" not in repr(seen)


def test_pipelining_behind_auth_waits_until_it_is_known_what_it_is() -> None:
    script = [("S", b"+OK\r\n"), ("C", b"AUTH PLAIN AGEAYg==\r\nSTAT\r\n"), ("S", b"+OK\r\n"), ("S", b"+OK 1 1\r\n")]
    seen = watch(script)
    assert [one.command.verb for one in seen if isinstance(one, Replied) and one.command] == [Verb.AUTH, Verb.STAT]


def test_a_clean_stls() -> None:
    observer = Observer()
    handshake = [("C", b"\x16\x03\x01xx"), ("S", b"\x16\x03")]
    seen = watch([("S", b"+OK\r\n"), ("C", b"STLS\r\n"), ("S", b"+OK\r\n"), *handshake], observer=observer)
    assert seen[-1] == StlsStarted()
    assert not any(isinstance(one, (Violation, Lost)) for one in seen)
    assert observer.held == 0
    assert observer.secured() == [Moved(State.TLS, A)]
    assert watch([("C", b"CAPA\r\n"), ("S", b"+OK\r\nTOP\r\n.\r\n")], observer=observer)[-1] == BodyEnded(
        Command(Verb.CAPA), 5
    )


@pytest.mark.parametrize("octets", [False, True])
def test_injection_around_stls_is_seen_on_both_sides(octets: bool) -> None:
    """P51."""
    injected = Violation("client", "plaintext between STLS and the handshake")
    assert injected in watch([("S", b"+OK\r\n"), ("C", b"STLS\r\nNOOP\r\n"), ("S", b"+OK\r\n")], octets=octets)
    assert injected in watch(
        [("S", b"+OK\r\n"), ("C", b"STLS\r\n"), ("S", b"+OK\r\n"), ("C", b"NOOP\r\n")], octets=octets
    )
    assert Violation("server", injected.reason) in watch(
        [("S", b"+OK\r\n"), ("C", b"STLS\r\n"), ("S", b"+OK\r\n+OK more\r\n")], octets=octets
    )


def test_more_than_the_table_knows_is_a_violation_and_no_end() -> None:
    seen = watch([("S", b"+OK\r\n"), ("C", b"NOOP\r\nXTND x\r\nCAPA\r\n"), ("S", b"+OK\r\n+OK\r\n-ERR\r\n")])
    assert [type(one) for one in seen].count(Violation) == 2
    assert seen[-1] == Replied(Command(Verb.CAPA), Status(False, ""), False)


def test_an_unasked_farewell() -> None:
    """P57."""
    seen = watch([*LOGIN, ("S", b"-ERR [SYS/TEMP] bye\r\n")])
    assert seen[-2:] == [Unasked(Status(False, "bye", "SYS/TEMP")), Moved(T, State.CLOSED)]


def test_the_end_of_a_connection() -> None:
    observer = Observer()
    watch([*LOGIN, ("C", b"RETR 1\r\nQUIT\r\n"), ("S", b"+OK\r\nFrom: ")], observer=observer)
    assert observer.ended() == [Ended(1, True), Moved(T, State.CLOSED)]
    assert observer.state is State.CLOSED
    assert observer.from_server(b"x") == observer.from_client(b"x") == []


@pytest.mark.parametrize("octets", [False, True])
def test_a_start_in_mid_stream_finds_its_way(octets: bool) -> None:
    """Said openly: lost first, then found at a command that tells its state."""
    script = [
        ("S", b"half a line\r\nof a message\r\n.\r\n"),
        ("C", b"RETR 5\r\n"),
        ("S", b"+OK 3 octets\r\na\r\n.\r\n"),
        ("C", b"DELE 5\r\n"),
        ("S", b"-ERR no\r\n"),
    ]
    seen = watch(script, octets=octets)
    assert isinstance(seen[0], Lost)
    assert seen[1:] == [
        Found(T),
        Asked(Command(Verb.RETR, 5)),
        Replied(Command(Verb.RETR, 5), Status(True, "3 octets"), True),
        BodyEnded(Command(Verb.RETR, 5), 3),
        Asked(Command(Verb.DELE, 5)),
        Replied(Command(Verb.DELE, 5), Status(False, "no"), False),
    ]


@pytest.mark.parametrize("octets", [False, True])
def test_a_client_that_speaks_first_is_not_believed(octets: bool) -> None:
    observer = Observer()
    seen = watch([("C", b"CAPA\r\nSTAT\r\n"), ("S", b"+OK 1 1\r\n")], octets=octets, observer=observer)
    assert seen[0] == Lost("the client spoke before the greeting")
    assert seen[1] == Found(T)
    assert not observer.lost


def test_lost_stays_lost_with_a_client_that_does_not_wait() -> None:
    observer = Observer()
    seen = watch([("S", b"junk\r\n"), ("C", b"RETR 1\r\nRETR 2\r\n"), ("S", b"+OK\r\n")], observer=observer)
    assert [type(one) for one in seen] == [Lost]
    assert observer.lost


def test_memory_is_bounded() -> None:
    observer = Observer()
    watch([("S", b"+OK\r\n"), ("C", b"AUTH PLAIN\r\n")], observer=observer)
    lost = False
    for _ in range(200):
        lost = lost or any(isinstance(one, Lost) for one in observer.from_client(b"CAPA\r\n" * 200))
        assert observer.held <= limits.OBSERVED_AHEAD
    assert lost
    observer = Observer()
    for _ in range(200):
        observer.from_server(b"x" * 2000)
        observer.from_client(b"y" * 2000)
        assert observer.held <= limits.REPLY_LINE_TOLERATED + limits.COMMAND_LINE


def test_quiet_means_that_it_is_the_clients_turn() -> None:
    observer = Observer()
    for side, data, quiet in (
        ("S", b"+OK\r\n", True),
        ("C", b"CA", False),
        ("C", b"PA\r\n", False),
        ("S", b"+OK\r\nTOP\r\n", False),
        ("S", b".\r\n", True),
        ("C", b"AUTH PLAIN\r\n", False),
        ("S", b"+ \r\n", True),
        ("C", b"AGEAYg==\r\n", False),
        ("S", b"-ERR\r\n", True),
    ):
        watch([(side, data)], observer=observer)
        assert observer.quiet is quiet, data


def test_lf_only_servers_are_followed_with_the_switch() -> None:
    observer = Observer(lenient_lf=True)
    seen = watch([("S", b"+OK\n"), ("C", b"CAPA\n"), ("S", b"+OK\nTOP\n.\n")], observer=observer)
    assert seen[-1] == BodyEnded(Command(Verb.CAPA), 4)


PIECES = st.sampled_from(
    [b"+OK\r\n", b"-ERR\r\n", b"+ \r\n", b".\r\n", b"a\r\n", b"USER a\r\n", b"PASS b\r\n", b"STAT\r\n", b"RETR 1\r\n",
     b"AUTH PLAIN\r\n", b"AUTH\r\n", b"STLS\r\n", b"\x16\x03", b"QUIT\r\n", b"*\r\n", b"\n", b"\0", b"x" * 300]
)  # fmt: skip
SCRIPTS = st.lists(st.tuples(st.sampled_from("CS"), PIECES | st.binary(max_size=12)), max_size=25)


@given(SCRIPTS, st.booleans())
def test_nothing_raises_and_whole_is_the_same_as_octet_by_octet(script: list[tuple[str, bytes]], greeted: bool) -> None:
    script = [("S", b"+OK\r\n"), *script] if greeted else script
    one, other = Observer(), Observer()
    assert watch(script, observer=one) == watch(script, octets=True, observer=other)
    assert one.ended() == other.ended()
