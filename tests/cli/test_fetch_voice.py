"""What a run says, and that what a server sent cannot act on a terminal."""

from __future__ import annotations

import json

import pytest
import typer

from pillarbox.cli.fetch_voice import JsonVoice, SentenceVoice
from pillarbox.events import Event, InternalError, ListingDoubtful, ServerMisbehaved, Warned
from pillarbox.events.types_fetch import (
    FetchEnded,
    FetchFailed,
    MessageFailed,
    MessageQuarantined,
    MessageSkipped,
    ServerMoved,
)


def ended(**changes: int) -> FetchEnded:
    numbers = dict.fromkeys(
        ("fetched", "octets", "recognised", "filtered", "skipped", "deleted", "pending", "failed", "quarantined"), 0
    )
    return FetchEnded(account="ada", sessions=1, seconds=1.25, **{**numbers, **changes})


FAILED = FetchFailed(
    account="ada",
    fetched=2,
    deleted=0,
    pending=0,
    error="AuthenticationFailed",
    reason="login refused",
    temporary=False,
)
TROUBLES: list[tuple[Event, str]] = [
    (FAILED, "error: ada: login refused: correct the user or the password; 2 messages came before that"),
    (
        MessageFailed(account="ada", unique_id="u1", size=9, reason="no room", tries=2),
        "warning: ada: message u1 failed, try 2: no room",
    ),
    (
        MessageQuarantined(account="ada", unique_id="u1", size=9, reason="bad", kept="/q/1.eml"),
        "put aside and stays on the server: bad; a copy is in /q/1.eml; see: pillarbox fetch quarantine list ada",
    ),
    (ServerMisbehaved(account="ada", host="h", stage="RETR", reason="no end"), "h broke the protocol at RETR: no end"),
    (ListingDoubtful(account="ada", host="h", doubts=["a", "b"]), "odd listing: a, b"),
    (Warned(about="fetch-status", text="not written"), "warning: fetch-status: not written"),
    (InternalError(error="KeyError", where=["a.py:1", "b.py:2", "c.py:3"]), "KeyError at b.py:2, c.py:3"),
]
REMARKS: list[tuple[Event, str]] = [
    (ended(fetched=2, octets=500, deleted=1), "ada: 2 messages (500 octets), 1 deleted on the server, in 1.2 s"),
    (MessageSkipped(account="ada", unique_id="u1", size=9, reason="too large"), "left message u1 on the server"),
    (ServerMoved(account="ada", messages=4), "4 messages were recognised"),
]


class Said:
    def __init__(self, *, quiet: bool = False, empty: bool = True, stamped: bool = False) -> None:
        self.out: list[str] = []
        self.err: list[str] = []
        stamp = (lambda: 1_800_000_000.0) if stamped else None
        self.voice = SentenceVoice(say=self.out.append, complain=self.err.append, quiet=quiet, empty=empty, stamp=stamp)

    def of(self, event: Event) -> tuple[list[str], list[str]]:
        self.voice.emit(event)
        return self.out, self.err


@pytest.mark.parametrize(("event", "words"), TROUBLES)
@pytest.mark.parametrize("quiet", [True, False])
def test_troubles_are_always_told(event: Event, words: str, quiet: bool) -> None:
    out, (line,) = Said(quiet=quiet).of(event)
    assert words in line
    assert not out


@pytest.mark.parametrize(("event", "words"), REMARKS)
def test_remarks_are_told_unless_it_shall_be_quiet(event: Event, words: str) -> None:
    (line,), err = Said().of(event)
    assert words in line
    assert not err
    assert Said(quiet=True).of(event) == ([], [])


def test_nothing_new_is_told_only_where_somebody_asked() -> None:
    assert Said().of(ended())[0] == ["ada: nothing new, in 1.2 s"]
    assert Said(empty=False).of(ended()) == ([], [])
    assert Said(empty=False).of(ended(fetched=1))[0]


def test_lines_may_have_the_time() -> None:
    assert Said(stamped=True).of(ended())[0] == ["2027-01-15T08:00:00Z ada: nothing new, in 1.2 s"]


def test_what_a_server_says_cannot_act_on_a_terminal() -> None:
    event = MessageSkipped(account="ada", unique_id="\x1b[2J\r\n", size=9, reason="\u202e")
    (line,) = Said().of(event)[0]
    assert line.isprintable()


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    JsonVoice(lambda: 1_800_000_000.0).emit(FAILED)
    line = json.loads(capsys.readouterr().out)
    assert (line["event"], line["account"], line["time"]) == ("FetchFailed", "ada", "2027-01-15T08:00:00.000Z")


def test_a_reader_that_has_gone_ends_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(line: object, **options: object) -> None:
        raise BrokenPipeError

    SentenceVoice(say=gone, complain=gone).emit(FAILED)
    monkeypatch.setattr(typer, "echo", gone)
    JsonVoice(lambda: 0.0).emit(FAILED)


def test_results_of_an_interrupted_run_say_so() -> None:
    said: list[str] = []
    voice = SentenceVoice(say=said.append, complain=said.append, empty=False)
    voice.tell("fetching 1 account")
    voice.ending()
    voice.emit(ended())
    voice.emit(FAILED)
    assert said[:2] == ["fetching 1 account", "ending after the messages under way; Ctrl-C again ends at once"]
    assert all(line.endswith("; interrupted: the rest comes next time") for line in said[2:])
    assert len(said) == 4
