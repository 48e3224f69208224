"""Steps: one command at a time, whatever the server offers; response lines as sent, however they are cut."""

from tests.client.scripted import CAPA, CLEAR, Server

from pillarbox.client.poplib_steps import Recorder, Steps
from pillarbox.wire.commands import Verb

MESSAGE = b"Subject: x\r\n\r\n.dot\r\n"


def met(server: Server) -> tuple[Steps, list[Recorder]]:
    recorders: list[Recorder] = []

    def connect(host: str, port: int, deadline: float) -> Recorder:
        recorders.append(Recorder(server.connect(host, port, deadline)))
        return recorders[-1]

    steps = Steps("pop3://127.0.0.1:110", tls=CLEAR, connect=connect)
    steps.carry_out(steps.meet(None))
    return steps, recorders


def test_a_response_is_the_first_line_since_something_was_sent_however_it_is_cut() -> None:
    for piece in (1, 2, 1000):
        server = Server([MESSAGE], {b"CAPA": CAPA}, greeting=b"+OK  odd \r\n", piece=piece)
        steps, (recorder,) = met(server)
        assert recorder.line == b"+OK  odd "
        assert server.heard == []
        assert steps.carry_out(steps.ask(Verb.CAPA)) == ([b"TOP", b"UIDL", b"USER", b"PIPELINING"], 29)
        assert recorder.line == b"+OK"
        for verb in (Verb.USER, Verb.PASS):
            assert steps.carry_out(steps.say(verb, argument=b"x"))
        assert steps.carry_out(steps.ask(Verb.RETR, 1)) == ([b"Subject: x", b"", b".dot"], len(MESSAGE))
        assert recorder.line.startswith(b"+OK")
        assert len(server.sends) == len(server.heard) == 4


def test_a_refusal_is_a_result() -> None:
    server = Server(answers={b"CAPA": b"-ERR [x] no \r\n"})
    steps, (recorder,) = met(server)
    assert steps.carry_out(steps.ask(Verb.CAPA)) is None
    assert recorder.line == b"-ERR [x] no "
    steps.close()
    assert server.closed
