"""Logging in: which mechanism, and what becomes of lies. The server's side is Pillarbox's own mechanisms."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Mapping

import pytest
from tests.client.driving import plan, run
from tests.client.scripted import Server

from pillarbox.client import errors
from pillarbox.client.auth import Auth, ClientCertificate, Password
from pillarbox.client.conversation import Conversation
from pillarbox.client.login import Scene, login
from pillarbox.client.values import UNKNOWN, ServerCapabilities
from pillarbox.events import MemorySink, Secret, ServerMisbehaved
from pillarbox.sasl import Asks, Binding, Challenged, Claimed, Scram, ScramServer, Surroundings, scram
from pillarbox.wire.capabilities import Capabilities

POINT = b"the hash of the certificate"
KEYS = scram.derive(Secret("secret"), b"salt" * 4, 4096)
OK = b"+OK welcome\r\n"
NO = b"-ERR [AUTH] no\r\n"


def offering(*lines: bytes) -> ServerCapabilities:
    return ServerCapabilities.of(Capabilities.parse(lines))


def attempt(
    server: Server,
    auth: Auth,
    offered: ServerCapabilities = UNKNOWN,
    *,
    secured: bool = True,
    user: str = "ada",
    greeting: str = "ready",
    events: MemorySink | None = None,
) -> list[bytes]:
    """Log in, and return what the server heard."""
    talk = Conversation(plan(events=events or MemorySink()))
    run(talk.exchange.greeting(), server)
    bindings = (Binding("tls-server-end-point", POINT),) if secured else ()
    scene = Scene(user, "mail.example.org", 995, greeting, offered, bindings, lambda: "rOprNGfwEbeRWgbNEkqO")
    run(login(talk.exchange, auth, scene), server)
    return server.heard


def b64(text: bytes) -> bytes:
    return base64.b64encode(text)


class ScramEnd:
    """A server that knows SCRAM.

    Args:
        lie: what to do instead of the right thing.
    """

    def __init__(self, lie: str = "", mechanism: str = "SCRAM-SHA-256-PLUS") -> None:
        self._lie = lie
        self._mechanism = ScramServer(
            mechanism,
            Surroundings({"tls-server-end-point": POINT}, True, lambda: "3rfcNHYJY1ZVvWVs7j", lambda: "<1@h>"),
        )
        self._proved = False
        self.server = Server(answers={b"AUTH": self.begin})

    def begin(self, line: bytes) -> bytes:
        self.server.exchange = self.step
        return self.step(line.split(b" ")[2])

    def step(self, line: bytes) -> bytes:
        if self._lie == "says no" and self.server.heard[:-1]:
            self._lie = "said no"
            return b"+ " + b64(b"e=other-error") + b"\r\n"
        if line == b"*":
            self.server.exchange = None
            return b"-ERR cancelled\r\n"
        if self._proved or self._lie == "at once":
            self.server.exchange = None
            return OK
        step = self._mechanism.step(base64.b64decode(line))
        if isinstance(step, Asks):
            step = step.then(b"salt" * 4, 4096)
        if isinstance(step, Challenged):
            return b"+ " + b64(step.data) + b"\r\n"
        if isinstance(step, Claimed):
            assert isinstance(step.claim.proof, Scram)
            found = scram.find(step.claim.proof, [KEYS])
            if found is not None:
                self._proved = True
                final = found[1] if self._lie != "signature" else b"v=" + b64(b"?" * 32)
                if self._lie == "unproved":
                    return OK
                return b"+ " + b64(final) + b"\r\n"
        self.server.exchange = None
        return NO


PLUS = offering(b"SASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN", b"USER")


def test_scram_with_channel_binding_comes_first() -> None:
    end = ScramEnd()
    heard = attempt(end.server, Password("secret"), PLUS)
    assert heard[0].startswith(b"AUTH SCRAM-SHA-256-PLUS ")
    assert base64.b64decode(heard[0].split()[2]).startswith(b"p=tls-server-end-point,,")
    assert len(heard) == 3


def test_without_a_binding_it_is_plain_scram_and_says_so() -> None:
    end = ScramEnd(mechanism="SCRAM-SHA-256")
    heard = attempt(end.server, Password("secret"), PLUS, secured=False)
    assert base64.b64decode(heard[0].split()[2]).startswith(b"n,,")


def test_what_let_us_in_last_time_comes_first_inside_tls_and_only_if_it_is_offered() -> None:
    def first_word(auth: Password, capabilities: ServerCapabilities, secured: bool = True) -> bytes:
        end = ScramEnd()
        with contextlib.suppress(errors.ClientError):
            attempt(end.server, auth, capabilities, secured=secured)
        return b" ".join(end.server.heard[0].split()[:2])

    assert first_word(Password("secret", first="PLAIN"), PLUS) == b"AUTH PLAIN"
    assert first_word(Password("secret", first="PLAIN"), PLUS, secured=False) == b"AUTH SCRAM-SHA-256"
    assert first_word(Password("secret", first="CRAM-MD5"), PLUS) == b"AUTH SCRAM-SHA-256-PLUS"


def test_an_offer_that_was_taken_away_on_the_way_is_found_out() -> None:
    """RFC 5802 §6: the client says that it could have bound; a server that did offer refuses then."""
    end = ScramEnd(mechanism="SCRAM-SHA-256")
    with pytest.raises(errors.AuthenticationFailed):
        attempt(end.server, Password("secret"), offering(b"SASL SCRAM-SHA-256"))
    assert base64.b64decode(end.server.heard[0].split()[2]).startswith(b"y,,")


@pytest.mark.parametrize("lie", ["signature", "unproved", "at once"])
def test_a_server_that_does_not_know_the_password_is_not_believed(lie: str) -> None:
    end = ScramEnd(lie)
    events = MemorySink()
    with pytest.raises(errors.ProtocolError, match="SCRAM"):
        attempt(end.server, Password("secret"), PLUS, events=events)
    assert end.server.closed
    assert len(events.of(ServerMisbehaved)) == 1
    assert not any(line.startswith((b"AUTH PLAIN", b"PASS")) for line in end.server.heard)


def test_a_server_that_says_no_in_its_own_way() -> None:
    """RFC 5802 §7, "e=": no lie, only a refusal."""
    end = ScramEnd("says no")
    with pytest.raises(errors.AuthenticationFailed):
        attempt(end.server, Password("secret", ("SCRAM-SHA-256-PLUS",)), PLUS)


def test_a_password_that_scram_does_not_know_is_shown_once() -> None:
    server = Server(answers={b"AUTH": lambda line: OK if b"PLAIN" in line else NO})
    assert attempt(server, Password("other"), PLUS)[1] == b"AUTH PLAIN " + b64(b"\0ada\0other")
    refusing = Server(answers={b"AUTH": NO})
    with pytest.raises(errors.AuthenticationFailed):
        attempt(refusing, Password("other"), PLUS)
    assert len(refusing.heard) == 2


@pytest.mark.parametrize("reply", [b"-ERR [IN-USE] later\r\n", b"-ERR [SYS/TEMP] later\r\n"])
def test_nothing_more_is_shown_where_the_password_was_not_the_reason(reply: bytes) -> None:
    server = Server(answers={b"AUTH": reply})
    with pytest.raises(errors.Refused):
        attempt(server, Password("other"), PLUS)
    assert len(server.heard) == 1


def test_who_names_mechanisms_keeps_the_password() -> None:
    server = Server(answers={b"AUTH": NO})
    with pytest.raises(errors.AuthenticationFailed):
        attempt(server, Password("other", ("SCRAM-SHA-256",)), PLUS)
    assert len(server.heard) == 1


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        ([b"SASL PLAIN LOGIN", b"USER"], [b"AUTH PLAIN " + b64(b"\0ada\0secret")]),
        ([b"SASL LOGIN", b"USER"], [b"AUTH LOGIN", b64(b"ada"), b64(b"secret")]),
        ([b"USER"], [b"USER ada", b"PASS secret"]),
        ([b"SASL CRAM-MD5 GSSAPI", b"USER"], [b"USER ada", b"PASS secret"]),
        ([], [b"USER ada", b"PASS secret"]),
    ],
)
def test_the_best_that_is_offered(offered: list[bytes], expected: list[bytes]) -> None:
    server = Server()
    prompts = [b"+ UGFzc3dvcmQ6\r\n", OK]

    def prompted(_: bytes) -> bytes:
        return prompts.pop(0)

    def auth(line: bytes) -> bytes:
        if line != b"AUTH LOGIN":
            return OK
        server.exchange = prompted
        return b"+ VXNlcm5hbWU6\r\n"

    server._answers[b"AUTH"] = auth
    assert attempt(server, Password("secret"), offering(*offered)) == expected


def test_apop_and_cram_md5_only_when_they_are_named() -> None:
    """The example of RFC 1939 §7."""
    apop = Password("tanstaaf", ("APOP",))
    greeting = "POP3 server ready <1896.697170952@dbc.mtview.ca.us>"
    heard = attempt(Server(), apop, user="mrose", greeting=greeting)
    assert heard == [b"APOP mrose c4c9334bac560ecc979e58001b3e22fb"]
    with pytest.raises(errors.UsageError, match="no mechanism"):
        attempt(Server(), apop, greeting="ready <no stamp>")

    server = Server()

    def cram(_: bytes) -> bytes:
        """The example of RFC 2195 §2."""
        server.exchange = lambda line: OK
        return b"+ " + b64(b"<1896.697170952@postoffice.reston.mci.net>") + b"\r\n"

    server._answers[b"AUTH"] = cram
    password = Password("tanstaaftanstaaf", ("CRAM-MD5",))
    heard = attempt(server, password, offering(b"SASL CRAM-MD5"), user="tim")
    assert heard == [b"AUTH CRAM-MD5", b64(b"tim b913a602c7eda7a495b4e6e7334d3890")]


def test_nothing_in_common() -> None:
    with pytest.raises(errors.UsageError, match="GSSAPI"):
        attempt(Server(), Password("secret"), offering(b"SASL GSSAPI"))
    with pytest.raises(errors.UsageError, match="user name"):
        attempt(Server(), Password("secret"), user="")


@pytest.mark.parametrize(("user", "password"), [("a\0b", "x"), ("ada", "x\0y")])
def test_nul_never_goes_out(user: str, password: str) -> None:
    for offered in (offering(b"SASL PLAIN"), UNKNOWN):
        server = Server()
        with pytest.raises(errors.UsageError) as caught:
            attempt(server, Password(password), offered, user=user)
        assert not any(b"\0" in base64.b64decode(line.split()[-1] + b"==") for line in server.heard if b"AUTH" in line)
        assert password not in str(caught.value)


def test_external() -> None:
    assert attempt(Server(), ClientCertificate(), offering(b"SASL EXTERNAL")) == [b"AUTH EXTERNAL " + b64(b"ada")]
    assert attempt(Server(), ClientCertificate(), user="") == [b"AUTH EXTERNAL ="]


# ---- tokens -------------------------------------------------------------------------------------------------------


class Tokens:
    """Gives "stale" until it is told."""

    def __init__(self, length: int = 5) -> None:
        self._tokens = ["f" * length, "s" * length]
        self.told = 0

    def access_token(self) -> Secret:
        return Secret(self._tokens[-1])

    def rejected(self) -> None:
        self.told += 1
        self._tokens.pop()


def token_server(good: bytes, *, refuse_initial: bool = True) -> Server:
    """As Microsoft's: the token only after "+"; an error is a challenge, answered by an empty line."""
    server = Server()

    def second(_: bytes) -> bytes:
        server.exchange = None
        return NO

    def token(line: bytes) -> bytes:
        if good in base64.b64decode(line):
            server.exchange = None
            return OK
        server.exchange = second
        return b"+ " + b64(b'{"status":"401"}') + b"\r\n"

    def auth(line: bytes) -> bytes:
        words = line.split()
        server.exchange = token
        if len(words) == 2:
            return b"+ \r\n"
        return b"-ERR not with an initial response\r\n" if refuse_initial else token(words[2])

    server._answers[b"AUTH"] = auth
    return server


def test_microsofts_two_steps() -> None:
    heard = attempt(token_server(b"s" * 5), Tokens(), offering(b"SASL PLAIN XOAUTH2"))
    assert heard == [b"AUTH XOAUTH2", b64(b"user=ada\x01auth=Bearer sssss\x01\x01")]


def test_a_refused_token_is_replaced_once() -> None:
    tokens = Tokens()
    heard = attempt(token_server(b"f" * 5), tokens, offering(b"SASL XOAUTH2"))
    assert tokens.told == 1
    assert heard == [
        b"AUTH XOAUTH2", b64(b"user=ada\x01auth=Bearer sssss\x01\x01"), b"",
        b"AUTH XOAUTH2", b64(b"user=ada\x01auth=Bearer fffff\x01\x01"),
    ]  # fmt: skip
    tokens = Tokens()
    with pytest.raises(errors.AuthenticationFailed):
        attempt(token_server(b"never"), tokens, offering(b"SASL XOAUTH2"))
    assert tokens.told == 1


def test_oauthbearer_with_an_initial_response_where_it_fits() -> None:
    for length in (5, 300, 2000):
        server = token_server(b"s" * length, refuse_initial=False)
        heard = attempt(server, Tokens(length), offering(b"SASL XOAUTH2 OAUTHBEARER"))
        assert len(heard) == (1 if length == 5 else 2)
        message = base64.b64decode(heard[-1].split()[-1])
        assert message.startswith(b"n,a=ada,\x01host=mail.example.org\x01port=995\x01auth=Bearer s")


def test_a_server_without_tokens() -> None:
    with pytest.raises(errors.UsageError, match="XOAUTH2"):
        attempt(Server(), Tokens(), offering(b"SASL PLAIN"))


# ---- refusals -----------------------------------------------------------------------------------------------------

_CODES: Mapping[bytes, type[errors.Refused]] = {
    b"-ERR [AUTH] no\r\n": errors.AuthenticationFailed,
    b"-ERR no\r\n": errors.AuthenticationFailed,
    b"-ERR [IN-USE] no\r\n": errors.InUse,
    b"-ERR [LOGIN-DELAY] no\r\n": errors.LoginDelay,
    b"-ERR [SYS/TEMP] no\r\n": errors.TemporaryError,
    b"-ERR [SYS/PERM] no\r\n": errors.PermanentError,
}


@pytest.mark.parametrize("reply", _CODES)
def test_refusals_are_typed(reply: bytes) -> None:
    with pytest.raises(errors.Refused) as caught:
        attempt(Server(answers={b"PASS": reply}), Password("secret"))
    assert type(caught.value) is _CODES[reply]


def test_without_a_code_it_is_not_the_password_where_codes_are_promised() -> None:
    """RFC 3206 §6."""
    with pytest.raises(errors.Refused) as caught:
        attempt(Server(answers={b"PASS": b"-ERR locked\r\n"}), Password("x"), offering(b"USER", b"AUTH-RESP-CODE"))
    assert type(caught.value) is errors.Refused


@pytest.mark.parametrize("source", [lambda: "secret", lambda: b"secret", lambda: Secret("secret")])
def test_a_password_may_come_from_a_function(source: Callable[[], str | bytes | Secret]) -> None:
    assert attempt(Server(), Password(source)) == [b"USER ada", b"PASS secret"]


def test_a_function_that_gives_something_else() -> None:
    with pytest.raises(errors.UsageError, match="a password is"):
        attempt(Server(), Password(lambda: 5))  # type: ignore[arg-type,return-value] # that is the point
