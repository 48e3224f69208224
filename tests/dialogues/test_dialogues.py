"""Holds every conversation of the `.pop3` files here with the core, with a live server, and with Dovecot.

The format is described in `script`; who is spoken with is in `speakers`. P1-P50, as far as a transcript can show them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.dialogues.script import PASSWORD, Case, Patterns, Step, read, spoken
from tests.dialogues.speakers import CoreSpeaker, SocketSpeaker, Speaker
from tests.peers import dovecot

from pillarbox.testing.live import LiveServer

FILES = sorted(Path(__file__).parent.glob("*.pop3"))
CASES = [case for file in FILES for case in read(file)]
ACCOUNTS = {case.identity: f"case{number:03d}" for number, case in enumerate(CASES, 1)}

_LAST = Step(0, "last", "")

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.identity)


@pytest.fixture(scope="module")
def live() -> Iterator[LiveServer]:
    with LiveServer(dict.fromkeys(ACCOUNTS.values(), PASSWORD)) as server:
        yield server
    assert not server.events("InternalError")


@pytest.fixture(scope="module")
def peer() -> Iterator[dovecot.Dovecot]:
    with dovecot.Dovecot(dict.fromkeys(ACCOUNTS.values(), PASSWORD)) as server:
        yield server


@every_case
@pytest.mark.parametrize("chunk", [0, 1], ids=["whole", "octets"])
def test_core(case: Case, chunk: int) -> None:
    speaker = CoreSpeaker("user", chunk=chunk)
    Conversation(case, speaker).hold()
    speaker.close()


@every_case
def test_live_server(case: Case, live: LiveServer) -> None:
    speaker = SocketSpeaker(live, ACCOUNTS[case.identity])
    try:
        Conversation(case, speaker).hold()
    finally:
        speaker.close()


@pytest.mark.peer
@pytest.mark.skipif(dovecot.MISSING is not None, reason=str(dovecot.MISSING))
@every_case
def test_dovecot(case: Case, request: pytest.FixtureRequest) -> None:
    if case.skip_dovecot:
        pytest.skip(case.skip_dovecot)
    speaker = SocketSpeaker(request.getfixturevalue("peer"), ACCOUNTS[case.identity])
    try:
        Conversation(case, speaker, with_dovecot=True).hold()
    finally:
        speaker.close()


class Conversation:
    """One case with one speaker."""

    def __init__(self, case: Case, speaker: Speaker, *, with_dovecot: bool = False) -> None:
        self._case = case
        self._speaker = speaker
        self._dovecot = with_dovecot
        self._patterns = Patterns()
        self._lines: list[str] = []

    def hold(self) -> None:
        """Hold the conversation.

        Raises:
            AssertionError: something else was said; the text shows the conversation up to there.
        """
        for message in self._case.mail:
            self._speaker.deliver(message)
        self._begin(self._case.tls, login=self._case.login)
        about: list[Step] = []
        for step in [*self._case.steps, _LAST]:
            if step.kind == "S*":
                about.append(step)
                continue
            if about:
                self._body(about)
                about = []
            if step is _LAST or (step.kind == "stop" and self._dovecot):
                return
            self._take(step)

    def _take(self, step: Step) -> None:
        speaker = self._speaker
        match step.kind:
            case "C" | "C<":
                data = spoken(step.text, speaker.account) + (b"\r\n" if step.kind == "C" else b"")
                self._lines.append(f"C {data!r}")
                speaker.send(data)
            case "S":
                for pattern in self._expected(step):
                    self._expect(pattern, step)
            case "!":
                self._act(*step.text.partition(" ")[::2])

    def _expected(self, step: Step) -> tuple[str | None, ...]:
        """The patterns of the next lines; None is any line but the step's."""
        if not (self._dovecot and step.differs):
            return (step.text,)
        return step.dovecot or (None,)

    def _expect(self, pattern: str | None, step: Step) -> None:
        line = self._speaker.line()
        self._lines.append(f"S {line!r}")
        if pattern is None:
            assert line is None or not self._patterns.match(step.text, line[:-2]), self._told(step)
            return
        if pattern == "<end>":
            assert line is None, self._told(step)
            return
        assert line is not None, self._told(step)
        assert line.endswith(b"\r\n"), self._told(step)
        assert self._patterns.match(pattern, line[:-2]), self._told(step)

    def _body(self, wanted: list[Step]) -> None:
        lines = []
        while (line := self._speaker.line()) != b".\r\n":
            assert line is not None, self._told(wanted[0])
            assert line.endswith(b"\r\n"), self._told(wanted[0])
            self._lines.append(f"S {line!r}")
            lines.append(line[:-2])
        for step in wanted:
            sign, _, pattern = step.text.partition(" ")
            found = any(self._patterns.match(pattern, line) for line in lines)
            if sign:
                as_wanted = found == (sign == "+")
                assert as_wanted != (self._dovecot and step.differs), self._told(step)

    def _act(self, action: str, argument: str) -> None:
        speaker = self._speaker
        self._lines.append(f"! {action} {argument}")
        match action:
            case "tls":
                speaker.start_tls()
            case "fin":
                speaker.fin()
            case "again":
                speaker.drop()
                self._begin(self._case.tls, login=True)
            case "arrive":
                speaker.deliver(spoken(argument, speaker.account))
            case "vanish":
                speaker.vanish(int(argument))
            case _:
                raise AssertionError(f"no such action: {action}")

    def _begin(self, tls: str, *, login: bool) -> None:
        """Connect, and log in; a lock that the last connection still holds is waited for (P49)."""
        speaker = self._speaker
        for _ in range(50):
            speaker.connect(tls)
            greeting = speaker.line()
            assert greeting is not None
            assert greeting.startswith(b"+OK"), greeting
            if not login:
                return
            if tls != "implicit":
                speaker.send(b"STLS\r\n")
                assert (speaker.line() or b"").startswith(b"+OK")
                speaker.start_tls()
            speaker.send(f"USER {speaker.account}\r\n".encode())
            assert (speaker.line() or b"").startswith(b"+OK")
            speaker.send(f"PASS {PASSWORD}\r\n".encode())
            answer = speaker.line()
            if answer is not None and answer.startswith(b"+OK"):
                return
            assert answer is not None
            assert b"[IN-USE]" in answer, answer
            speaker.drop()
            time.sleep(0.1)
        raise AssertionError("the maildrop stays locked")

    def _told(self, step: Step) -> str:
        conversation = "\n".join(self._lines[-30:])
        return f"{self._case.file}.pop3:{step.line} wants {step.text!r}\n{conversation}"
