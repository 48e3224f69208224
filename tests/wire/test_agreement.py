"""One parser, three users: one random conversation, cut at random, and server, client and observer agree on it all.

The client pipelines; the server answers +OK or -ERR as it likes; exchanges are driven, cancelled and refused; STLS
leads to TLS and on. Compared are commands, replies, bodies, and the state after each reply.
"""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from pillarbox.maildrop.wire_form import encode, examine
from pillarbox.wire.client_peer import Answer, BodyChunk, BodyEnd, ClientPeer, Greeting, Unasked
from pillarbox.wire.commands import Command, Malformed, SaslResponse, Verb
from pillarbox.wire.errors import LocalError
from pillarbox.wire.observations import (
    Asked,
    BodyEnded,
    Challenged,
    Garbled,
    Greeted,
    Lost,
    Observation,
    Replied,
    Responded,
    StlsStarted,
    Violation,
)
from pillarbox.wire.observations import Unasked as SeenUnasked
from pillarbox.wire.observer import Observer
from pillarbox.wire.peer import ServerPeer
from pillarbox.wire.replies import END, Challenge, Reply, ResponseCode
from pillarbox.wire.states import TABLE, Shape, State

ARGUMENTS = {
    Verb.USER: st.sampled_from([b"ada", b"a b", b"\xc3\xa9"]),
    Verb.PASS: st.sampled_from([b"", b"x", b" open  sesame ", b"QUIT"]),
    Verb.APOP: st.just(b"ada 00"),
    Verb.LANG: st.sampled_from([b"de", b"*"]),
}
MESSAGES = st.lists(
    st.sampled_from([b".", b"..", b"\r\n", b"\n", b"\r", b"a", b"+OK ", b"-ERR", b"\0", b"\r\n.\r\n", b"x" * 300]),
    max_size=8,
).map(b"".join)
SPEAKING = (State.AUTHORIZATION, State.NAMED, State.TRANSACTION)
TEXTS = st.sampled_from(["", "done", "[AUTH] no code", "2 320", "naïve"])


@dataclass
class Account:
    """What one of the three says happened, in one common form."""

    commands: list[tuple[Verb | None, int, int]] = field(default_factory=list)
    replies: list[tuple[bool, str, str]] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    bodies: list[int] = field(default_factory=list)
    exchanges: list[str] = field(default_factory=list)


class Conversation:
    """Two ends, a wire with a bystander at it, and a source of chance."""

    def __init__(self, data: st.DataObject) -> None:
        self.draw = data.draw
        self.server, self.client, self.observer = ServerPeer(), ClientPeer(), Observer()
        self.to_server, self.to_client = bytearray(), bytearray()
        self.accounts = {name: Account() for name in ("server", "client", "observer")}
        self.sent_bodies: list[bytes] = []
        self.read_bodies: list[bytes] = []
        self.reading = b""
        self.challenged = False
        self.securing = {"server": False, "client": False}

    # ---- the client -----------------------------------------------------------------------------------------------

    def client_speaks(self) -> None:
        client = self.client
        if self.challenged:
            self.challenged = False
            line = (
                client.cancel()
                if self.draw(st.integers(0, 3)) == 0
                else client.respond(self.draw(st.binary(max_size=9)))
            )
            self.to_server += line
            return
        for _ in range(self.draw(st.integers(1, 4))):
            verb, given = self.draw(
                st.sampled_from([(verb, given) for state, verb, given in TABLE if state is client.state])
            )
            number = self.draw(st.integers(1, 12)) if given and verb not in ARGUMENTS and verb is not Verb.AUTH else 0
            argument = self.draw(ARGUMENTS[verb]) if given and verb in ARGUMENTS else None
            try:
                if verb is Verb.AUTH and given:
                    self.to_server += client.auth("PLAIN", self.draw(st.none() | st.binary(max_size=5)))
                else:
                    self.to_server += client.command(
                        verb,
                        number=number,
                        lines=self.draw(st.integers(0, 3)) if verb is Verb.TOP else -1,
                        argument=argument or b"",
                    )
            except LocalError:
                continue  # illegal once what is on its way has succeeded
            # PASS with an empty password is PASS without an argument.
            self.accounts["client"].commands.append((verb, number, given and argument != b""))

    def client_logs_in(self) -> None:
        """Most random conversations would never get there."""
        for verb, argument in ((Verb.USER, b"ada"), (Verb.PASS, b"sesame")):
            self.to_server += self.client.command(verb, argument=argument)
            self.accounts["client"].commands.append((verb, 0, True))

    def client_hears(self) -> None:
        mine = self.accounts["client"]
        while (said := self.client.next()) is not None:
            match said:
                case Greeting(status) | Unasked(status) | Answer(_, status, _):
                    mine.replies.append((bool(status.ok), status.code, status.text))
                    mine.states.append(self.client.state)
                case Challenge():
                    self.challenged = True
                    mine.exchanges.append("challenge")
                case BodyChunk(octets):
                    self.reading += octets
                case BodyEnd(octets):
                    assert octets == len(self.reading)
                    self.read_bodies.append(self.reading)
                    mine.bodies.append(octets)
                    self.reading = b""
        if self.client.state is State.TLS:
            self.securing["client"] = True

    # ---- the server -----------------------------------------------------------------------------------------------

    def say(self, line: bytes, reply: Reply) -> None:
        mine = self.accounts["server"]
        code = reply.code.value if reply.code else ""
        text = " " + reply.text if reply.text.startswith("[") and not code else reply.text
        mine.replies.append((reply.ok, code, text))
        mine.states.append(self.server.state)
        self.to_client += line

    def server_hears(self) -> None:
        server, mine = self.server, self.accounts["server"]
        while (said := server.next()) is not None:
            ok = self.draw(st.integers(0, 3)) > 0
            text = self.draw(TEXTS)
            code = None if ok else self.draw(st.sampled_from([None, ResponseCode.AUTH]))
            in_exchange = isinstance(said, SaslResponse)
            match said:
                case Malformed():
                    mine.commands.append((said.verb, 0, False))
                    ok = False
                case Command():
                    mine.commands.append((said.verb, said.number, said.has_argument))
                    in_exchange = said.verb is Verb.AUTH and said.has_argument
                case SaslResponse():
                    mine.exchanges.append("response")
            if in_exchange and self.draw(st.booleans()):
                mine.exchanges.append("challenge")
                self.to_client += server.challenge(Challenge(self.draw(st.binary(max_size=9))))
                continue
            body = None
            if ok and isinstance(said, Command):
                row = TABLE[(server.state, said.verb, said.has_argument)]
                if row.shape is Shape.MULTI:
                    message = self.draw(MESSAGES)
                    body = encode(message, examine([message]))
            reply = Reply(ok, text, code, body)
            self.say(server.reply(reply), reply)
            if body is not None:
                self.to_client += body + END
                plain = bytes(body).replace(b"\r\n.", b"\r\n")
                self.sent_bodies.append(plain[1:] if plain.startswith(b".") else plain)
                mine.bodies.append(len(self.sent_bodies[-1]))
        if server.state is State.TLS:
            assert server.leftover() == 0
            self.securing["server"] = True

    # ---- the wire -------------------------------------------------------------------------------------------------

    def carry(self, queue: bytearray, most: int) -> bytes:
        piece = bytes(queue[: self.draw(st.integers(1, most))])
        del queue[: len(piece)]
        return piece

    def watch(self, seen: list[Observation]) -> None:
        mine = self.accounts["observer"]
        for one in seen:
            assert not isinstance(one, (Violation, Lost)), one
            match one:
                case Asked(command):
                    mine.commands.append((command.verb, command.number, command.has_argument))
                case Garbled(_, verb):
                    mine.commands.append((verb, 0, False))
                case Greeted(status) | SeenUnasked(status) | Replied(_, status, _):
                    mine.replies.append((bool(status.ok), status.code, status.text))
                case BodyEnded(_, octets):
                    mine.bodies.append(octets)
                case Challenged():
                    mine.exchanges.append("challenge")
                case Responded():
                    mine.exchanges.append("response")
                case StlsStarted():
                    pass

    def step(self, most: int) -> None:
        if self.to_server:
            piece = self.carry(self.to_server, most)
            self.watch(self.observer.from_client(piece))
            self.server.receive(piece)
            self.server_hears()
        if self.to_client:
            piece = self.carry(self.to_client, most)
            self.watch(self.observer.from_server(piece))
            self.client.receive(piece)
            self.client_hears()
        if all(self.securing.values()) and not self.to_client:
            self.server.secured()
            self.client.secured()
            self.watch(self.observer.secured())
            self.securing = {"server": False, "client": False}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_server_client_and_observer_agree(data: st.DataObject) -> None:
    """P31-P35, P39, P43, P45, P46."""
    talk = Conversation(data)
    greeting = Reply(data.draw(st.integers(0, 9)) > 0, "hello")
    line = talk.server.greet(greeting)
    talk.say(line, greeting)
    most = data.draw(st.sampled_from([1, 5, 40, 4000]))
    while talk.to_client:
        talk.step(most)
    if greeting.ok and data.draw(st.booleans()):
        talk.client_logs_in()
    for _ in range(data.draw(st.integers(1, 12))):
        idle = talk.client.state in SPEAKING and not any(talk.securing.values())
        if idle or talk.challenged:
            talk.client_speaks()
        for _ in range(data.draw(st.integers(1, 6))):
            talk.step(most)
    while talk.to_server or talk.to_client:
        talk.step(most)
    if data.draw(st.booleans()) and talk.server.state in SPEAKING:
        farewell = Reply(False, "shutting down", ResponseCode.SYS_TEMP)
        talk.say(talk.server.refuse(farewell), farewell)
        while talk.to_client:
            talk.step(most)
    server, client, observer = talk.accounts.values()
    assert talk.read_bodies == talk.sent_bodies
    assert talk.server.state is talk.client.state is talk.observer.state
    assert client.states == server.states
    for other in (client, observer):
        assert other.replies == server.replies
        assert other.bodies == server.bodies
    assert observer.exchanges == server.exchanges
    assert [one for one in client.exchanges if one == "challenge"] == [
        one for one in server.exchanges if one == "challenge"
    ]
    # A closed server reads no more; what is illegal after a refusal, it hears as malformed.
    heard = len(server.commands)
    assert observer.commands[:heard] == client.commands[:heard]
    assert [verb for verb, _, _ in server.commands] == [verb for verb, _, _ in client.commands[:heard]]
