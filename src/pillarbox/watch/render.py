"""Renders events as lines, JSON or human, and writes them without ever standing in the server's way.

Rules: `LogSink.emit` only encodes and keeps the line; `flush`, which the caller's `schedule` runs a little later,
writes what has gathered. Neither raises or waits: what cannot be written is dropped and counted, and the number is
told as soon as writing works again. What a peer sent can never act on a terminal or break a line. Lines hold events and
nothing else, so no secret can be in them: events have no field for one (P60).

A JSON line has `time` (UTC, ISO 8601 with milliseconds), `level`, `event_version` and `event`, then the event's fields
by their own names. Which events there are is in `pillarbox.events.types`.
"""

from __future__ import annotations

import datetime
import os
import re
import select
import stat
from collections.abc import Callable
from typing import Any, Literal, Protocol

import msgspec

from pillarbox.events import VERSION, Event, Level, Warned
from pillarbox.watch.clean import clean, clean_json

Clock = Callable[[], float]
"""Returns UTC seconds since the epoch."""

MAX_PENDING = 4 * 1024 * 1024
"""Octets kept for a reader that does not read, before lines are dropped: a few seconds of the busiest server."""


class Renderer(Protocol):
    """Makes a line of an event."""

    def render(self, event: Event) -> bytes:
        """One whole line in UTF-8, with its line end."""
        ...


class _Stamp:
    """Renders times; the whole second is kept, for events come many to a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = -1
        self._text = ""

    def __call__(self, event: Event) -> str:
        at = event.at or self._clock()
        second = int(at)
        if second != self._second:
            self._text = datetime.datetime.fromtimestamp(second, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.")
            self._second = second
        return f"{self._text}{int((at - second) * 1000):03d}Z"


class JsonLines:
    """One JSON object a line."""

    def __init__(self, clock: Clock) -> None:
        self._stamp = _Stamp(clock)
        self._encode = msgspec.json.Encoder().encode
        self._heads: dict[type[Event], tuple[bytes, int]] = {}

    def render(self, event: Event) -> bytes:
        """One whole line."""
        head, skip = self._heads.get(type(event)) or self._head(type(event))
        try:
            octets = self._encode(event)
        except UnicodeEncodeError:
            octets = self._encode(_without_surrogates(event))
        # `at` comes first and is replaced by `time`; what follows its comma is the event's own fields.
        comma = octets.find(b",", skip)
        fields = octets[comma:] if comma > 0 else b"}"
        return b'{"time":"%b%b%b\n' % (self._stamp(event).encode("ascii"), head, clean_json(fields))

    def _head(self, kind: type[Event]) -> tuple[bytes, int]:
        """What stands between the time and the fields, and how long the encoder's own beginning is."""
        name = kind.__struct_config__.tag
        head = f'","level":"{kind.level.name.lower()}","event_version":{VERSION},"event":"{name}"'.encode()
        self._heads[kind] = head, len(f'{{"event":"{name}","at":')
        return self._heads[kind]


def _without_surrogates(event: Event) -> Event:
    """`event` with lone surrogates, which UTF-8 cannot hold, shown by their codes."""

    def shown(value: Any) -> Any:  # Any: a field's value
        if isinstance(value, str):
            return value.encode("utf-8", "backslashreplace").decode("utf-8")
        return [shown(item) for item in value] if isinstance(value, list) else value

    return msgspec.structs.replace(event, **{name: shown(v) for name, v in msgspec.structs.asdict(event).items()})


class HumanLines:
    """One line to read: time, level, what happened, and the fields as `name=value`."""

    def __init__(self, clock: Clock, *, colours: bool) -> None:
        # Imported here: a server that writes JSON does not need it, and it takes long.
        from structlog import dev

        def style(code: str) -> str:
            return code if colours else ""

        def part(key: str, value: str, show: Callable[[object], str], width: int = 0) -> dev.KeyValueColumnFormatter:
            key_style = style(key) if key else None
            return dev.KeyValueColumnFormatter(key_style, style(value), style(dev.RESET_ALL), show, width)

        levels = {"debug": dev.DIM, "info": dev.GREEN, "warning": dev.YELLOW, "error": dev.RED}
        level_styles = {name: style(code) for name, code in levels.items()}
        columns = [
            dev.Column("timestamp", part("", dev.DIM, str)),
            dev.Column("level", dev.LogLevelColumnFormatter(level_styles, style(dev.RESET_ALL))),
            dev.Column("event", part("", dev.BRIGHT, str, 24)),
            dev.Column("", dev.KeyValueColumnFormatter(style(dev.CYAN), style(""), style(dev.RESET_ALL), _human)),
        ]
        self._renderer = dev.ConsoleRenderer(columns=columns, sort_keys=False)
        self._stamp = _Stamp(clock)

    def render(self, event: Event) -> bytes:
        """One whole line."""
        fields = msgspec.structs.asdict(event)
        del fields["at"]
        name = str(event.__struct_config__.tag)
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()
        known = {"timestamp": self._stamp(event), "level": event.level.name.lower(), "event": words}
        line = self._renderer(None, "", {**known, **{key: value for key, value in fields.items() if value != ""}})
        return line.rstrip().encode("utf-8") + b"\n"


def _human(value: object) -> str:
    """A field's value for people: cleaned, and quoted where its end would not be seen."""
    match value:
        case str():
            text = clean(value)
            if text and not set(text) & set(" \"'=,"):
                return text
            return '"' + text.replace('"', '\\"') + '"'
        case float():
            return f"{value:.3f}"
        case list():
            return ",".join(_human(item) for item in value) or "none"
        case bool():
            return "yes" if value else "no"
        case None:
            return "unknown"
    return str(value)


def renderer(style: Literal["auto", "human", "json"], fd: int, clock: Clock) -> Renderer:
    """The renderer for a log on `fd`; "auto" is human on a terminal, and only a terminal gets colours."""
    terminal = os.isatty(fd)
    if style == "human" or (style == "auto" and terminal):
        return HumanLines(clock, colours=terminal and "NO_COLOR" not in os.environ)
    return JsonLines(clock)


def open_target(target: str) -> int:
    """A file descriptor for `log.target`: 2 for "stderr", else the file opened for appending.

    Raises:
        OSError: the file cannot be opened.
    """
    if target == "stderr":
        return 2
    # O_NONBLOCK: a named pipe without a reader is an error at once instead of a server that does not start.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    return os.open(target, flags, 0o640)


class LogSink:
    """Takes events and writes them as lines to a file descriptor.

    Not safe for use from several threads: it belongs to one event loop.

    Args:
        fd: where lines go; it stays the caller's to close.
        format: "human", "json", or "auto" (see `renderer`).
        level: the least severe events that are written.
        clock: for events without a time of their own.
        schedule: runs a function a little later, such as `lambda f: loop.call_later(0.02, f)`; not at once, for it is
            also how a reader that does not read is asked again. None writes at every `emit`.
    """

    def __init__(
        self,
        fd: int,
        *,
        format: Literal["auto", "human", "json"],  # noqa: A002 - the setting's name
        level: Level,
        clock: Clock,
        schedule: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        self.lost = 0
        """Lines that could not be written, ever since the start."""
        self._format = format
        self._least = level
        self._clock = clock
        self._schedule = schedule
        self._scheduled = False
        self._lines: list[bytes] = []
        self._rest = b""
        self._pending = 0
        self._told = 0
        self._torn = False
        self.reopen(fd)

    def reopen(self, fd: int) -> None:
        """Write to `fd` from now on; lines not yet written go there too. The old one is the caller's to close."""
        self._fd = fd
        try:
            self._bulk = stat.S_ISREG(os.fstat(fd).st_mode)
        except OSError:  # closed, as stderr may be: every line will be counted as lost
            self._bulk = False
        self._renderer = renderer(self._format, fd, self._clock)

    def emit(self, event: Event) -> None:
        """Take one event. Returns at once and never raises."""
        if event.level < self._least:
            return
        if self._pending > MAX_PENDING:
            self.lost += 1
            return
        try:
            line = self._renderer.render(event)
        except Exception:  # a rule of `Sink`: watching the server must not stop it
            self.lost += 1
            return
        self._lines.append(line)
        self._pending += len(line)
        self._later()

    def flush(self) -> None:
        """Write what has gathered, as far as it can be taken without waiting. Never raises."""
        self._scheduled = False
        told = self.lost != self._told and not self._rest
        if told:
            self._lines.insert(0, self._notice())
            self._told = self.lost
        data = self._rest + (b"\n" if self._torn else b"") + b"".join(self._lines)
        self._lines.clear()
        self._torn = False
        sent, failed = self._write(data)
        if failed:
            self._torn = sent > 0 and data[sent - 1 : sent] != b"\n"
            self.lost += data.count(b"\n", sent) - (1 if told else 0)
            self._told = -1  # whatever was told may not have arrived: tell it again
            sent = len(data)
        self._rest = data[sent:]
        self._pending = len(self._rest)
        if self._rest and self._schedule:
            self._later()

    def _later(self) -> None:
        if self._schedule is None:
            self.flush()
        elif not self._scheduled:
            self._scheduled = True
            self._schedule(self.flush)

    def _notice(self) -> bytes:
        text = f"{self.lost} lines of this log could not be written since it was opened"
        return self._renderer.render(Warned(about="log", text=text))

    def _write(self, data: bytes) -> tuple[int, bool]:
        """How many octets were written, and whether the rest never can be."""
        sent = 0
        try:
            while sent < len(data) and (self._bulk or _writable(self._fd)):
                sent += os.write(self._fd, data[sent : None if self._bulk else _piece(data, sent)])
        except BlockingIOError:
            return sent, False
        except OSError:
            return sent, True
        return sent, False


def _writable(fd: int) -> bool:
    """Whether PIPE_BUF octets can be written without waiting (or an error is waiting to be told)."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))


def _piece(data: bytes, start: int) -> int:
    """Where a piece that a pipe takes whole ends: behind a line end, so that processes do not mix their lines."""
    end = data.rfind(b"\n", start, start + select.PIPE_BUF) + 1
    return end if end > start else start + select.PIPE_BUF
