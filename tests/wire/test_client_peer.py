"""P35, P45, P46, P51 from the client's end, and a hostile server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.wire.client_peer import Answer, BodyChunk, BodyEnd, ClientPeer, Greeting, Said, Unasked
from pillarbox.wire.commands import Command, Verb
from pillarbox.wire.errors import LocalError, ProtocolError
from pillarbox.wire.replies import Challenge, Status
from pillarbox.wire.states import State

OK = Status(True, "")
ERR = Status(False, "")


def all_said(peer: ClientPeer, data: bytes) -> list[Said]:
    peer.receive(data)
    got = []
    while (said := peer.next()) is not None:
        got.append(said)
    return got


def greeted(*, lenient_lf: bool = False) -> ClientPeer:
    peer = ClientPeer(lenient_lf=lenient_lf)
    assert all_said(peer, b"+OK hello\r\n") == [Greeting(Status(True, "hello"))]
    return peer


def logged_in(*, lenient_lf: bool = False) -> ClientPeer:
    peer = greeted(lenient_lf=lenient_lf)
    assert peer.command(Verb.USER, argument=b"ada") == b"USER ada\r\n"
    assert peer.command(Verb.PASS, argument=b"open sesame") == b"PASS open sesame\r\n"
    all_said(peer, b"+OK\r\n+OK\r\n")
    assert peer.state is State.TRANSACTION
    return peer


def test_a_pipelined_session() -> None:
    peer = greeted()
    sent = peer.command(Verb.USER, argument=b"a") + peer.command(Verb.PASS, argument=b"b") + peer.command(Verb.LIST)
    sent += peer.command(Verb.RETR, number=1) + peer.command(Verb.TOP, number=1, lines=0) + peer.command(Verb.QUIT)
    assert sent == b"USER a\r\nPASS b\r\nLIST\r\nRETR 1\r\nTOP 1 0\r\nQUIT\r\n"
    assert peer.unanswered == 6
    assert all_said(
        peer, b"+OK\r\n+OK\r\n+OK\r\n1 5\r\n.\r\n+OK 5 octets\r\n..abc\r\n.\r\n-ERR gone\r\n+OK bye\r\n"
    ) == [
        Answer(Command(Verb.USER, argument=b"a"), OK, False),
        Answer(Command(Verb.PASS, argument=b"*"), OK, False),
        Answer(Command(Verb.LIST), OK, True),
        BodyChunk(b"1 5\r\n"),
        BodyEnd(5),
        Answer(Command(Verb.RETR, 1), Status(True, "5 octets"), True),
        BodyChunk(b".abc\r\n"),
        BodyEnd(6),
        Answer(Command(Verb.TOP, 1, 0), Status(False, "gone"), False),
        Answer(Command(Verb.QUIT), Status(True, "bye"), False),
    ]
    assert peer.state is State.CLOSED
    peer.eof()


def test_what_is_illegal_is_refused_before_it_is_sent() -> None:
    peer = ClientPeer()
    with pytest.raises(LocalError):
        peer.command(Verb.CAPA)  # the greeting comes first
    peer = greeted()
    for verb in (Verb.PASS, Verb.STAT, Verb.NOOP):
        with pytest.raises(LocalError):
            peer.command(verb)
    assert peer.unanswered == 0
    peer = logged_in()
    with pytest.raises(LocalError):
        peer.command(Verb.STLS)
    peer.command(Verb.QUIT)
    with pytest.raises(LocalError):
        peer.command(Verb.NOOP)


@pytest.mark.parametrize("argument", [b"a\r\nDELE 1", b"a\n", b"a\0", b"\r"])
def test_line_breaks_and_nul_are_refused_in_every_argument(argument: bytes) -> None:
    peer = greeted()
    with pytest.raises(LocalError):
        peer.command(Verb.USER, argument=argument)
    peer.command(Verb.USER, argument=b"a")
    with pytest.raises(LocalError):
        peer.command(Verb.PASS, argument=argument)


def test_a_refusal_is_taken_into_account_by_what_comes_next() -> None:
    peer = greeted()
    peer.command(Verb.USER, argument=b"a")
    peer.command(Verb.PASS, argument=b"b")
    peer.command(Verb.STAT)
    assert len(all_said(peer, b"+OK\r\n-ERR [AUTH] no\r\n-ERR log in first\r\n")) == 3
    with pytest.raises(LocalError):
        peer.command(Verb.STAT)
    peer.command(Verb.USER, argument=b"c")
    assert all_said(peer, b"-ERR\r\n") == [Answer(Command(Verb.USER, argument=b"c"), ERR, False)]
    with pytest.raises(LocalError):
        peer.command(Verb.PASS, argument=b"d")


def test_an_exchange_with_final_data() -> None:
    """P45, P46: nothing is pipelined behind AUTH; the empty response is an empty line."""
    peer = greeted()
    assert peer.auth("SCRAM-SHA-256", b"n,,n=a") == b"AUTH SCRAM-SHA-256 biwsbj1h\r\n"
    for verb in (Verb.CAPA, Verb.QUIT):
        with pytest.raises(LocalError):
            peer.command(verb)
    with pytest.raises(LocalError):
        peer.respond(b"too early")
    assert all_said(peer, b"+ cj0x\r\n") == [Challenge(b"r=1")]
    assert peer.respond(b"c=") == b"Yz0=\r\n"
    with pytest.raises(LocalError):
        peer.respond(b"twice")
    assert all_said(peer, b"+ dj0x\r\n") == [Challenge(b"v=1")]
    assert peer.respond(b"") == b"\r\n"
    assert all_said(peer, b"+OK\r\n") == [Answer(Command(Verb.AUTH, argument=b"SCRAM-SHA-256 *"), OK, False)]
    assert peer.state is State.TRANSACTION
    peer.command(Verb.STAT)


def test_an_exchange_can_be_cancelled() -> None:
    """P45."""
    peer = greeted()
    assert peer.auth("PLAIN") == b"AUTH PLAIN\r\n"
    assert all_said(peer, b"+ \r\n") == [Challenge(b"")]
    assert peer.cancel() == b"*\r\n"
    all_said(peer, b"-ERR cancelled\r\n")
    assert peer.state is State.AUTHORIZATION
    assert peer.auth("PLAIN", b"") == b"AUTH PLAIN =\r\n"


def test_an_initial_response_that_is_too_long_has_to_wait() -> None:
    peer = greeted()
    with pytest.raises(LocalError):
        peer.auth("XOAUTH2", b"x" * 200)
    peer.auth("XOAUTH2")
    all_said(peer, b"+ \r\n")
    assert len(peer.respond(b"x" * 9000)) == 12_002
    all_said(peer, b"+ \r\n")
    with pytest.raises(LocalError):
        peer.respond(b"x" * 10_000)


@pytest.mark.parametrize("injected", [b"+OK\r\n", b"\r\n", b"x", b"\x16\x03\x01"])
def test_octets_before_the_handshake_are_fatal(injected: bytes) -> None:
    """P51 for clients: the class that broke mutt, curl, MailKit and others."""
    stream = b"+OK begin TLS\r\n" + injected
    for cut in range(15, len(stream)):
        peer = greeted()
        peer.command(Verb.STLS)
        if cut > 15:
            with pytest.raises(ProtocolError, match="handshake"):
                all_said(peer, stream[:cut])
            assert peer.state is State.CLOSED
            continue
        all_said(peer, stream[:cut])
        peer.receive(stream[cut:])
        with pytest.raises(ProtocolError, match="handshake"):
            peer.secured()
        assert peer.state is State.CLOSED


def test_tls_starts_afresh() -> None:
    peer = greeted()
    peer.command(Verb.USER, argument=b"a")
    with pytest.raises(LocalError, match="alone"):
        peer.command(Verb.STLS)
    all_said(peer, b"+OK\r\n")
    peer.receive(b"+OK injected")
    with pytest.raises(LocalError, match="alone"):
        peer.command(Verb.STLS)
    peer = greeted()
    with pytest.raises(LocalError):
        peer.secured()
    peer.command(Verb.STLS)
    all_said(peer, b"+OK\r\n")
    with pytest.raises(LocalError):
        peer.command(Verb.CAPA)
    peer.secured()
    assert peer.state is State.AUTHORIZATION
    peer.command(Verb.CAPA)


@pytest.mark.parametrize(
    "line",
    [b"220 hello\r\n", b"+ \r\n", b"\r\n", b"+OK\n", b"x" * 9000, b"+OK " + b"x" * 9000 + b"\r\n", b"HTTP/1.1 400\r\n"],
)
def test_a_wrong_greeting_is_the_end(line: bytes) -> None:
    peer = ClientPeer()
    with pytest.raises(ProtocolError):
        all_said(peer, line + b"\r\n")
    assert peer.state is State.CLOSED
    assert peer.next() is None


@pytest.mark.parametrize("line", [b"+OK\r\n", b"+ \r\n", b"junk\r\n"])
def test_replies_nobody_asked_for_are_the_end(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        all_said(greeted(), line)


def test_a_server_may_say_why_it_closes() -> None:
    """P57."""
    peer = logged_in()
    assert all_said(peer, b"-ERR [SYS/TEMP] shutting down\r\n") == [Unasked(Status(False, "shutting down", "SYS/TEMP"))]
    assert peer.state is State.CLOSED
    peer.eof()


def test_a_refusing_greeting_closes() -> None:
    """P58."""
    peer = ClientPeer()
    assert all_said(peer, b"-ERR [SYS/TEMP] too many\r\n+OK\r\n") == [Greeting(Status(False, "too many", "SYS/TEMP"))]
    with pytest.raises(LocalError):
        peer.command(Verb.CAPA)


def test_ok_to_what_is_illegal_is_the_end() -> None:
    peer = greeted()
    peer.command(Verb.USER, argument=b"a")
    peer.command(Verb.PASS, argument=b"b")
    peer.command(Verb.STAT)
    with pytest.raises(ProtocolError):
        all_said(peer, b"+OK\r\n-ERR\r\n+OK 1 1\r\n")


@pytest.mark.parametrize("line", [b"+ !!\r\n", b"+ YQ\r\n", b"+ \r\n+ \r\n"])
def test_bad_challenges_are_the_end(line: bytes) -> None:
    peer = greeted()
    peer.auth("PLAIN")
    with pytest.raises(ProtocolError):
        all_said(peer, line)


def test_a_long_status_line_is_read_up_to_a_limit() -> None:
    peer = logged_in()
    peer.command(Verb.NOOP)
    assert len(all_said(peer, b"+OK " + b"x" * 8000 + b"\r\n")) == 1
    peer.command(Verb.NOOP)
    with pytest.raises(ProtocolError, match="too long"):  # at the limit: its end may never come
        all_said(peer, b"+OK " + b"x" * 9000)


def test_the_end_of_the_connection() -> None:
    for data, sent in ((b"", True), (b"+O", True), (b"+OK\r\nFrom", True), (b"+OK\r\nx\r\n.\r", True), (b"+O", False)):
        peer = logged_in()
        if sent:
            peer.command(Verb.RETR, number=1)
        all_said(peer, data)
        with pytest.raises(ProtocolError):
            peer.eof()
        assert peer.state is State.CLOSED
    logged_in().eof()
    with pytest.raises(ProtocolError):
        ClientPeer().eof()


def test_lf_only_servers_need_a_switch() -> None:
    peer = logged_in()
    peer.command(Verb.NOOP)
    with pytest.raises(ProtocolError, match="bare LF"):
        all_said(peer, b"+OK\n")
    peer = logged_in(lenient_lf=True)
    peer.command(Verb.RETR, number=1)
    peer.command(Verb.NOOP)
    said = all_said(peer, b"+OK\na\n.\n+OK\n")
    assert said[1:3] == [BodyChunk(b"a\n"), BodyEnd(2)]
    assert len(said) == 4


def test_secrets_do_not_stay() -> None:
    """P60: what is kept for matching replies holds no password."""
    peer = greeted()
    peer.command(Verb.USER, argument=b"a")
    peer.command(Verb.PASS, argument=b"open sesame")
    answers = all_said(peer, b"+OK\r\n+OK\r\n")
    assert b"sesame" not in b"".join(a.command.argument for a in answers if isinstance(a, Answer))


def test_a_long_body_is_handed_on_in_pieces() -> None:
    peer = logged_in()
    peer.command(Verb.RETR, number=1)
    chunks = [
        said for said in all_said(peer, b"+OK\r\n" + b"x" * 1_000_000 + b"\r\n.\r\n") if isinstance(said, BodyChunk)
    ]
    assert sum(len(chunk.data) for chunk in chunks) == 1_000_002
    assert max(len(chunk.data) for chunk in chunks) <= 65_538


@given(st.binary(max_size=80), st.booleans(), st.booleans(), st.integers(0, 6))
def test_a_server_can_raise_nothing_but_protocol_errors(data: bytes, lenient: bool, ok: bool, asked: int) -> None:
    peer = ClientPeer(lenient_lf=lenient)
    try:
        all_said(peer, b"+OK\r\n" if ok else b"")
        for _ in range(asked if ok else 0):
            peer.command(Verb.CAPA)
        all_said(peer, data)
        all_said(peer, b"+OK\r\n" + data)
        peer.eof()
    except ProtocolError as error:
        assert not isinstance(error, LocalError)  # noqa: PT017  a good end is right too
    assert peer.state in (State.CLOSED, State.GREETING)


def test_commands_a_server_threw_away_get_no_reply() -> None:
    peer = logged_in()
    peer.command(Verb.LIST, number=999)
    peer.command(Verb.QUIT)
    peer.discarded()
    assert peer.unanswered == 0
    peer.command(Verb.STAT)  # legal again: the QUIT was never read
    peer.receive(b"+OK 1 10\r\n")
    answer = peer.next()
    assert isinstance(answer, Answer)
    assert answer.command.verb is Verb.STAT
