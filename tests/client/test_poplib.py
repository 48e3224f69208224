"""The shim against the standard library's poplib: the same script, on our server and on Dovecot, value by value.

Where the two differ on purpose, a test says so.
"""

import contextlib
import inspect
import io
import poplib as stdlib
import socket
import ssl
import struct
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pytest
from tests.listening import listening
from tests.peers.dovecot import MISSING, Dovecot

from pillarbox.client import poplib as shim
from pillarbox.testing.live import LiveServer

Server = LiveServer | Dovecot
Module = Any  # one of the two modules, which have no type in common
# poplib leaves its socket open when it fails; ours is looked after by the other tests.
leaks = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
PASSWORD = "open sesame"
MESSAGES = (
    b"Subject: one\n\nhello\n",
    b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n...\r\nend\r\n",
    b"Subject: =?utf-8?q?=C3=BC?=\n\n\xc3\xbc \xff\n\n\n" + b"x" * 1000 + b"\n",
    b"Subject: many\n\n" + b"".join(b"line %d\n" % number for number in range(20_000)),
    b"Subject: no body\n",
)


@pytest.fixture(scope="module", params=["pillarbox", "dovecot"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    accounts = dict.fromkeys(("ada", "stdlib", "shim"), PASSWORD)
    if request.param == "dovecot" and MISSING:
        pytest.skip(MISSING)
    with Dovecot(accounts) if request.param == "dovecot" else LiveServer(accounts) as running:
        for account in accounts:
            for number, message in enumerate(MESSAGES):
                running.deliver(account, message, f"170000000{number}.M{number}P1.localhost")
        yield running


def result(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:
        return type(error), error.args


def both(script: Callable[[Module], Any]) -> Any:
    """The script's results with the shim, which are those with poplib."""
    expected, got = script(stdlib), script(shim)
    assert got == expected
    return got


def implicit(module: Module, server: Server) -> Any:
    return module.POP3_SSL("localhost", server.pop3s_port, timeout=20, context=server.client_context())


def upgraded(module: Module, server: Server) -> Any:
    box = module.POP3("localhost", server.pop3_port, 20)
    box.stls(server.client_context())
    return box


@pytest.mark.peer
@pytest.mark.parametrize("connect", [implicit, upgraded], ids=["implicit", "stls"])
def test_a_whole_session_gives_the_same_values(server: Server, connect: Callable[[Module, Server], Any]) -> None:
    def script(module: Module) -> list[Any]:
        box = connect(module, server)
        values = [box.welcome, box.getwelcome(), box.capa(), result(lambda: box.utf8())]
        values += [box.user("ada"), box.pass_(PASSWORD), box.capa(), box.stat(), box.list(), box.uidl()]
        count = len(MESSAGES)
        for which in (*range(1, count + 1), "1"):
            values += [box.list(which), box.uidl(which), box.retr(which)]
            values += [box.top(which, 0), box.top(which, "3"), box.top(which, 10**6)]
        values += [box.noop(), box.dele(2), box.stat(), box.list(), result(lambda: box.list(2)), box.rset(), box.stat()]
        for call in (box.retr, box.dele, box.list, box.uidl, partial(box.top, howmuch=0)):
            values.append(result(partial(call, 99)))
        return [*values, box.quit()]

    values = both(script)
    assert len(values) > 50


@pytest.mark.peer
def test_refused_logins_leave_the_same_session(server: Server) -> None:
    def script(module: Module) -> list[Any]:
        box = implicit(module, server)
        box.user("ada")
        values = [result(lambda: box.pass_("wrong")), box.user("ada"), box.pass_(PASSWORD), box.stat()]
        return [*values, result(lambda: box.stls()), box.quit()]

    both(script)


@pytest.mark.peer
def test_deletions_are_carried_out_by_quit_and_by_nothing_else(server: Server) -> None:
    left: list[int] = []

    def script(module: Module) -> list[Any]:
        account = "stdlib" if module is stdlib else "shim"
        values = []
        for end in ("close", "quit", "quit"):
            box = implicit(module, server)
            box.user(account)
            values += [box.pass_(PASSWORD), box.stat(), box.dele(1), box.dele(3)]
            values.append(box.quit() if end == "quit" else box.close())
        box = upgraded(module, server)
        box.user(account)
        box.pass_(PASSWORD)
        left.append(box.stat()[0])
        return [*values, box.list(), box.retr(1)[1:], box.quit()]

    both(script)
    assert left == [1, 1]


# ---- servers by script --------------------------------------------------------------------------------------------

RESET = b"(reset)"
Lines = Sequence[tuple[str, bytes]]
"""What is expected, and what is answered; "" for the greeting."""


@contextlib.contextmanager
def scripted(lines: Lines) -> Iterator[int]:
    """A server on loopback that holds this conversation with each client, and closes then."""

    def serve(connection: socket.socket) -> None:
        with connection.makefile("rb") as file:
            for expected, answer in lines:
                if expected and file.readline() != expected.encode() + b"\r\n":
                    break
                if answer == RESET:
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    connection.shutdown(socket.SHUT_RD)
                else:
                    connection.sendall(answer)

    with listening(serve) as port:
        yield port


def conversation(lines: Lines, calls: Callable[[Any], list[Any]], timeout: float = 20) -> Callable[[Module], Any]:
    def script(module: Module) -> Any:
        with scripted(lines) as port:
            box = result(lambda: module.POP3("127.0.0.1", port, timeout))
            if isinstance(box, tuple):
                return box
            values = calls(box)
            box.close()
            return values

    return script


def test_responses_are_as_they_were_sent() -> None:
    lines = [
        ("", b"+OK  [x] \xff greeting \r\n"),
        ("NOOP", b"+OK\r\n"),
        ("USER ada", b"+OK [Sys/Temp]text\r\n"),
        ("PASS x y ", b"-ERR [in-use]  \xe9 \r\n"),
        ("QUIT", b"+OK " + b"z" * 1500 + b"\r\n"),
    ]
    pairs = [("", lines[0][1]), *lines[2:]]
    script = conversation(
        pairs, lambda box: [box.welcome, box.user("ada"), result(lambda: box.pass_("x y ")), box.quit()]
    )
    values = both(script)
    assert values[0] == b"+OK  [x] \xff greeting "
    assert values[2] == (stdlib.error_proto, (b"-ERR [in-use]  \xe9 ",))


@leaks
@pytest.mark.parametrize(
    "greeting", [b"-ERR [SYS/TEMP] go away\r\n", b"", b"-ERR\r\n"], ids=["refused", "closed", "refused without a word"]
)
def test_a_greeting_that_is_none(greeting: bytes) -> None:
    kind, _ = both(conversation([("", greeting)], lambda box: []))
    assert kind is stdlib.error_proto


def test_the_connection_ends_in_the_middle() -> None:
    for half in (b"", b"+OK\r\n", b"+OK\r\nIMPLEMENTATION x\r\n"):
        script = conversation(
            [("", b"+OK\r\n"), ("CAPA", half)],
            lambda box: [result(box.capa)],
        )
        both(script)
    for module in (stdlib, shim):
        # Whether the server's kernel says "closed" or "reset" is a matter of luck.
        ((kind, _),) = conversation([("", b"+OK\r\n")], lambda box: [result(box.quit)])(module)
        assert kind in (stdlib.error_proto, ConnectionResetError, BrokenPipeError)


def test_a_connection_that_is_reset() -> None:
    ((kind, _),) = both(conversation([("", b"+OK\r\n"), ("UTF8", RESET)], lambda box: [result(box.utf8)]))
    assert kind is ConnectionResetError


@leaks
def test_a_server_that_takes_too_long() -> None:
    def script(module: Module) -> Any:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            return result(lambda: module.POP3("127.0.0.1", listener.getsockname()[1], 0.2))[0]

    assert both(script) is TimeoutError


@leaks
def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    def script(module: Module) -> Any:
        return [result(lambda: module.POP3("127.0.0.1", port, 5)), result(lambda: module.POP3("127.0.0.1", port, 0))]

    values = both(script)
    assert [kind for kind, _ in values] == [ConnectionRefusedError, ValueError]


def test_capabilities_as_a_dictionary() -> None:
    body = b"+OK\r\nTOP\r\nSASL PLAIN  LOGIN\r\nIMPLEMENTATION a b c\r\nEXPIRE NEVER\r\n.\r\n"
    values = both(
        conversation(
            [("", b"+OK\r\n"), ("CAPA", body), ("CAPA", b"-ERR no\r\n"), ("CAPA", b"+OK\r\nTOP\r\n.\r\n")],
            lambda box: [box.capa(), result(box.capa), result(box.stls)],
        )
    )
    assert values[0]["SASL"] == ["PLAIN", "LOGIN"]
    assert values[2] == (stdlib.error_proto, ("-ERR STLS not supported by server",))


def test_apop() -> None:
    lines = [
        ("", b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n"),
        ("APOP mrose c4c9334bac560ecc979e58001b3e22fb", b"+OK maildrop has 1 message (369 octets)\r\n"),
    ]
    (value,) = both(conversation(lines, lambda box: [box.apop("mrose", "tanstaaf")]))
    assert value == b"+OK maildrop has 1 message (369 octets)"
    (value,) = both(conversation([("", b"+OK ready\r\n")], lambda box: [result(lambda: box.apop("a", "b"))]))
    assert value == (stdlib.error_proto, ("-ERR APOP not supported by server",))


@leaks
def test_a_certificate_that_is_not_trusted() -> None:
    with LiveServer({"ada": PASSWORD}) as server:

        def script(module: Module) -> Any:
            strict = ssl.create_default_context()
            kinds = [result(lambda: module.POP3_SSL("localhost", server.pop3s_port, timeout=9, context=strict))[0]]
            box = module.POP3("localhost", server.pop3_port, 9)
            kinds.append(result(lambda: box.stls(strict))[0])
            result(box.close)  # poplib's fails here
            return kinds

        assert both(script) == [ssl.SSLCertVerificationError] * 2
        # On purpose: poplib verifies nothing by default.
        with pytest.raises(ssl.SSLCertVerificationError):
            shim.POP3_SSL("localhost", server.pop3s_port, timeout=9)


# ---- on purpose otherwise -----------------------------------------------------------------------------------------


def logged_in(body: bytes, timeout: float = 20) -> Any:
    lines = [("", b"+OK\r\n"), ("USER a", b"+OK\r\n"), ("PASS b", b"+OK\r\n"), ("RETR 1", body)]

    def calls(box: Any) -> list[Any]:
        box.user("a")
        box.pass_("b")
        return [result(lambda: box.retr(1))]

    return conversation(lines, calls, timeout)


def test_a_bare_lf_cannot_end_a_message() -> None:
    """P7: whoever sends mail could forge replies through it."""
    body = b"+OK\r\nfirst\n.\r\n+OK forged\r\n.\r\n"
    ((response, lines, octets),) = logged_in(body)(shim)
    assert (response, octets) == (b"+OK", 21)
    assert lines == [b"first", b".", b"+OK forged"]
    ((_, lines, _),) = logged_in(body)(stdlib)
    assert lines == [b"first"]


def test_long_lines_are_given() -> None:
    body = b"+OK\r\n" + b"x" * 100_000 + b"\r\n.\r\n"
    ((_, lines, octets),) = logged_in(body)(shim)
    assert lines == [b"x" * 100_000]
    assert octets == 100_002
    assert logged_in(body)(stdlib) == [(stdlib.error_proto, ("line too long",))]


def test_what_cannot_be_meant_is_refused_before_it_is_sent() -> None:
    def calls(box: Any) -> list[Any]:
        refused = [box.stat, box.list, lambda: box.retr(1), lambda: box.pass_("x"), lambda: box.rpop("ada")]
        refused += [lambda: box.user(""), lambda: box.user("x" * 300)]
        kinds = [result(call)[0] for call in refused]
        box.user("a")
        box.pass_("b")
        kinds += [result(partial(box.retr, which))[0] for which in (0, -1, "", "x", "1 2", "01x", "٣", 10**11, None)]
        kinds.append(result(lambda: box.top(1, -1))[0])
        return [*kinds, box.retr(1)]

    lines = [("", b"+OK\r\n"), ("USER a", b"+OK\r\n"), ("PASS b", b"+OK\r\n"), ("RETR 1", b"+OK\r\nx\r\n.\r\n")]
    *kinds, retrieved = conversation(lines, calls)(shim)
    assert set(kinds) == {stdlib.error_proto}
    assert retrieved == (b"+OK", [b"x"], 3)


@pytest.mark.parametrize("text", ["a\r\nDELE 1", "a\nb", "a\0b", "a\x7fb", "a\tb"])
def test_control_characters_are_refused(text: str) -> None:
    def calls(box: Any) -> list[Any]:
        return [result(partial(call, text)) for call in (box.user, box.pass_)]

    for kind, args in conversation([("", b"+OK\r\n")], calls)(shim):
        assert kind is ValueError
        assert text not in str(args)


def test_debugging_shows_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    def calls(box: Any) -> list[Any]:
        box.set_debuglevel(2)
        return [box.user("ada"), box.pass_("sesame")]

    conversation([("", b"+OK\r\n"), ("USER ada", b"+OK u\r\n"), ("PASS sesame", b"+OK p\r\n")], calls)(shim)
    shown = capsys.readouterr().out
    assert shown == "*cmd* 'USER ada'\n*resp* b'+OK u'\n*cmd* 'PASS *'\n*resp* b'+OK p'\n"


def test_no_password_is_kept_to_be_shown() -> None:
    def calls(box: Any) -> list[Any]:
        box.user("ada")
        box.pass_("sesame")
        return [repr(vars(box)) + repr(vars(box._client))]

    (shown,) = conversation([("", b"+OK\r\n"), ("USER ada", b"+OK\r\n"), ("PASS sesame", b"+OK\r\n")], calls)(shim)
    assert "sesame" not in shown


def test_every_method_of_poplib_is_there_with_its_parameters() -> None:
    assert shim.error_proto is stdlib.error_proto
    assert issubclass(shim.POP3_SSL, shim.POP3)
    for name, method in inspect.getmembers(stdlib.POP3, inspect.isfunction):
        if not name.startswith("_"):
            expected = list(inspect.signature(method).parameters)
            assert list(inspect.signature(getattr(shim.POP3, name)).parameters) == expected, name
    assert (shim.POP3_PORT, shim.POP3_SSL_PORT) == (stdlib.POP3_PORT, stdlib.POP3_SSL_PORT)
    assert set(stdlib.__all__) <= set(shim.__all__)


def test_after_the_end_nothing_can_be_asked() -> None:
    def calls(box: Any) -> list[Any]:
        box.quit()
        box.close()
        return [result(box.noop)]

    ((kind, _),) = conversation([("", b"+OK\r\n"), ("QUIT", b"+OK bye\r\n")], calls)(shim)
    assert kind is stdlib.error_proto


def test_a_script_written_for_poplib() -> None:
    """The example of poplib's documentation, with TLS."""
    with LiveServer({"ada": PASSWORD}) as server:
        server.deliver("ada", b"Subject: hello\n\nhello\n")
        out = io.StringIO()
        box = shim.POP3_SSL("localhost", server.pop3s_port, context=server.client_context())
        box.user("ada")
        box.pass_(PASSWORD)
        for number in range(box.stat()[0]):
            for line in box.retr(number + 1)[1]:
                print(line.decode(), file=out)
        box.quit()
    assert out.getvalue() == "Subject: hello\n\nhello\n"
