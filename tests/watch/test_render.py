import json
import os
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from pillarbox import events
from pillarbox.events import Event, Level, Secret
from pillarbox.watch import render
from pillarbox.watch.render import HumanLines, JsonLines, LogSink

NOW = 1_800_000_000.0078
STAMP = "2027-01-15T08:00:00.007Z"
CANARY = "c4n4ry-pässword"
NASTY = "\x1b[31m\r\n\x00\x7f\x85\u202e\u2028 \" = ' \udc80"

KINDS: list[type[Event]] = [
    kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
]


def clock() -> float:
    return NOW


def sample(kind: type[Event], text: str = "x") -> Event:
    """An event of `kind` with `text` in every field that can hold one."""
    values: dict[str, Any] = {}  # Any: each field has its own type
    for field in msgspec.structs.fields(kind):
        if field.name == "at":
            continue
        match field.type:
            case t if t is str:
                values[field.name] = text
            case t if t is bool:
                values[field.name] = True
            case t if t is int:
                values[field.name] = 7
            case t if t is float or float in typing.get_args(t):
                values[field.name] = 1.5
            case _:
                values[field.name] = [text, text]
    return kind(**values)


class Later:
    """Stands for an event loop: keeps what is scheduled until `run`."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def __call__(self, function: Callable[[], None]) -> None:
        self.waiting.append(function)

    def run(self) -> None:
        waiting, self.waiting = self.waiting, []
        for function in waiting:
            function()


def log(fd: int, level: Level = Level.DEBUG, later: Later | None = None) -> LogSink:
    return LogSink(fd, format="json", level=level, clock=clock, schedule=later)


def warned(text: str) -> Event:
    return events.Warned(about="test", text=text)


def texts(data: bytes) -> list[str]:
    return [json.loads(line)["text"] for line in data.splitlines()]


# ---- what a line holds ----------------------------------------------------------------------------------------


def test_a_json_line_has_time_level_name_and_version_and_then_the_fields() -> None:
    line = JsonLines(clock).render(events.MaildropFailed(session="s", user="u", reason="r", permanent=True))
    assert line == (
        b'{"time":"%b","level":"error","event_version":1,"event":"MaildropFailed",'
        b'"session":"s","user":"u","reason":"r","permanent":true}\n' % STAMP.encode()
    )


@pytest.mark.parametrize("kind", KINDS)
def test_json_keys_are_the_events_own_field_names(kind: type[Event]) -> None:
    for at in (0.0, 1_700_000_000.5):
        line = JsonLines(clock).render(msgspec.structs.replace(sample(kind), at=at))
        found = json.loads(line)
        own = [name for name in kind.__struct_fields__ if name != "at"]
        assert list(found) == ["time", "level", "event_version", "event", *own]
        assert found["event"] == kind.__name__
        assert found["level"] == kind.level.name.lower()
        assert found["time"] == ("2023-11-14T22:13:20.500Z" if at else STAMP)


def test_an_event_without_fields_is_a_whole_object() -> None:
    assert json.loads(JsonLines(clock).render(events.ServerStopped()))["event"] == "ServerStopped"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("human", [False, True])
def test_nothing_a_peer_sends_can_break_a_line_or_command_a_terminal(kind: type[Event], human: bool) -> None:
    lines = HumanLines(clock, colours=False) if human else JsonLines(clock)
    text = lines.render(sample(kind, NASTY)).decode("utf-8")
    assert text.endswith("\n")
    assert text[:-1].isprintable()
    if not human:
        json.loads(text)


def test_a_peer_cannot_forge_a_field_in_a_human_line() -> None:
    event = events.MaildropFailed(session="s", user='x" reason="never', reason="2027-06-30", permanent=False)
    line = HumanLines(clock, colours=False).render(event).decode()
    assert 'user="x\\" reason=\\"never"' in line


def test_a_human_line_reads_well() -> None:
    event = events.MaildropInUse(session="s1", user="a b", peer="::1", holder="", since=None)
    line = HumanLines(clock, colours=False).render(event).decode()
    assert line.split() == [STAMP, "[info", "]", "Maildrop", "in", "use", "session=s1", 'user="a', 'b"', "peer=::1",
                            "since=unknown"]  # fmt: skip


def test_human_lines_have_colours_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    ours, theirs = os.openpty()
    reading, writing = os.pipe()
    try:
        assert b"\x1b[" in render.renderer("auto", theirs, clock).render(warned("x"))
        assert b"\x1b[" not in render.renderer("human", writing, clock).render(warned("x"))
        assert isinstance(render.renderer("auto", writing, clock), JsonLines)
        assert isinstance(render.renderer("json", theirs, clock), JsonLines)
        monkeypatch.setenv("NO_COLOR", "1")
        assert b"\x1b[" not in render.renderer("auto", theirs, clock).render(warned("x"))
    finally:
        for fd in (ours, theirs, reading, writing):
            os.close(fd)


# ---- secrets --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_p60_no_event_has_a_field_that_can_hold_a_secret(kind: type[Event]) -> None:
    """P60: by type: fields are texts, numbers, switches and lists of texts, and none is named after a secret."""
    for field in msgspec.structs.fields(kind):
        assert field.type in (str, int, float, bool, list[str], float | None), field.name
        assert field.name not in {"password", "secret", "token", "response", "credentials", "hash"}


@pytest.mark.parametrize("kind", KINDS)
def test_p60_a_secret_that_is_forced_into_an_event_never_reaches_a_line(kind: type[Event], tmp_path: Path) -> None:
    """P60: even a defect that puts a Secret where a text belongs shows nothing of it."""
    values: dict[str, Any] = {name: Secret(CANARY) for name in kind.__struct_fields__ if name != "at"}
    event = kind(**values)
    styles: tuple[Literal["json"], Literal["human"]] = ("json", "human")
    for style in styles:
        target = tmp_path / style
        fd = render.open_target(str(target))
        sink = LogSink(fd, format=style, level=Level.DEBUG, clock=clock)
        sink.emit(event)
        sink.emit(warned("after"))
        os.close(fd)
        written = target.read_text("utf-8")
        assert "after" in written
        for part in (CANARY, CANARY.encode("unicode_escape").decode(), "c4n4ry", "ssword"):
            assert part not in written


# ---- writing --------------------------------------------------------------------------------------------------


def test_lines_are_written_when_the_caller_says_so(tmp_path: Path) -> None:
    later, target = Later(), tmp_path / "log"
    fd = render.open_target(str(target))
    sink = log(fd, later=later)
    for number in range(3):
        sink.emit(warned(str(number)))
    assert target.read_bytes() == b""
    assert len(later.waiting) == 1
    later.run()
    assert texts(target.read_bytes()) == ["0", "1", "2"]
    assert later.waiting == []
    sink.emit(warned("3"))
    later.run()
    assert texts(target.read_bytes()) == ["0", "1", "2", "3"]
    os.close(fd)


def test_what_is_less_severe_than_the_level_is_not_written(tmp_path: Path) -> None:
    fd = render.open_target(str(tmp_path / "log"))
    sink = log(fd, Level.WARNING)
    sink.emit(events.ServerStopped())
    sink.emit(warned("x"))
    os.close(fd)
    assert texts((tmp_path / "log").read_bytes()) == ["x"]


def test_a_full_disk_drops_lines_and_the_number_is_told_later(tmp_path: Path) -> None:
    later = Later()
    full = os.open("/dev/full", os.O_WRONLY)
    sink = log(full, later=later)
    for number in range(5):
        sink.emit(warned(str(number)))
        later.run()
    assert sink.lost == 5
    fd = render.open_target(str(tmp_path / "log"))
    sink.reopen(fd)
    sink.emit(warned("after"))
    later.run()
    sink.emit(warned("more"))
    later.run()
    told = [json.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]
    assert [line["text"] for line in told][1:] == ["after", "more"]
    assert (told[0]["event"], told[0]["about"]) == ("Warned", "log")
    assert told[0]["text"].startswith("5 lines ")
    os.close(fd)
    os.close(full)


def test_a_disk_that_fills_in_the_middle_of_a_line_leaves_whole_lines_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later, target = Later(), tmp_path / "log"
    fd = render.open_target(str(target))
    sink = log(fd, later=later)
    write = os.write
    room = [100]

    def nearly_full(to: int, data: bytes) -> int:
        if to != fd or room[0] > 10_000:
            return write(to, data)
        if room[0] == 0:
            raise OSError(28, "No space left on device")
        sent = write(to, data[: room[0]])
        room[0] -= sent
        return sent

    monkeypatch.setattr(os, "write", nearly_full)
    for number in range(3):
        sink.emit(warned(f"line {number}"))
    later.run()
    assert sink.lost == 3
    room[0] = 1_000_000
    sink.emit(warned("after"))
    later.run()
    torn, *whole = target.read_bytes().splitlines()
    assert len(torn) == 100
    assert texts(b"\n".join(whole))[1:] == ["after"]
    assert texts(b"\n".join(whole))[0].startswith("3 lines ")
    os.close(fd)


def test_a_closed_pipe_and_a_closed_file_are_survived() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    sink = log(writing)
    sink.emit(warned("x"))
    sink.emit(warned("y"))
    assert sink.lost == 2
    os.close(writing)
    sink.emit(warned("z"))
    assert sink.lost == 3
    sink = log(writing)  # as after `2>&-`
    sink.emit(warned("z"))
    assert sink.lost == 1


def test_a_reader_that_does_not_read_never_makes_the_server_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "MAX_PENDING", 200_000)
    later = Later()
    reading, writing = os.pipe()
    sink = log(writing, later=later)
    for _ in range(4000):
        sink.emit(warned("x" * 100))
        later.run()  # would wait here for ever if it wrote to a full pipe
    assert sink.lost > 0
    assert later.waiting, "the reader will be asked again"
    got = b""
    while later.waiting:
        got += os.read(reading, 1 << 20)
        later.run()
    sink.emit(warned("after"))
    later.run()
    got += os.read(reading, 1 << 20)
    lines = texts(got)
    assert lines[-1] == "after"
    told = [line for line in lines if "could not be written" in line]
    assert told[-1].startswith(f"{sink.lost} lines ")
    assert len(lines) - len(told) - 1 + sink.lost == 4000, "every line was written once or counted"
    os.close(reading)
    os.close(writing)


def test_pieces_for_a_pipe_end_with_a_line_unless_one_line_is_longer() -> None:
    assert render._piece(b"a\nb\nc", 0) == 4
    assert render._piece(b"x" * 5000 + b"\n", 0) == 4096


def test_an_event_that_cannot_be_rendered_is_counted_and_nothing_is_raised(tmp_path: Path) -> None:
    fd = render.open_target(str(tmp_path / "log"))
    sink = log(fd)
    sink.emit(msgspec.structs.replace(warned("x"), at=1e300))
    sink.emit(msgspec.structs.replace(warned("x"), at=float("nan")))
    assert sink.lost == 2
    sink.emit(warned("after"))
    os.close(fd)
    assert texts((tmp_path / "log").read_bytes())[1:] == ["after"]


def test_log_files_are_appended_to_and_not_for_everyone(tmp_path: Path) -> None:
    target = tmp_path / "log"
    target.write_text("old\n")
    fd = render.open_target(str(target))
    log(fd).emit(warned("x"))
    os.close(fd)
    assert target.read_text().startswith("old\n{")
    os.close(render.open_target(str(tmp_path / "new")))
    assert (tmp_path / "new").stat().st_mode & 0o007 == 0
    assert render.open_target("stderr") == 2
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError):
        render.open_target(str(tmp_path / "pipe"))
