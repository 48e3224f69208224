"""The moving picture of `pillarbox fetch run --once` on a terminal: a line for each account under way, and one for all.

Rules: threads that fetch only leave their newest numbers here, and never wait; drawing happens a few times a second;
lines of text stand above the picture, which is gone when the runs are over.
"""

from __future__ import annotations

import contextlib
import os
import threading
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import TransferSpeedColumn as Speed
from rich.text import Text

from pillarbox.fetch import FetchProgress, RunResult

_A_SECOND = 8.0  # pictures
_SHOW_CURSOR = b"\x1b[?25h\r\n"
_TOTAL = "all accounts"


class Picture:
    """Shows runs; a context manager.

    Args:
        console: the terminal.
        accounts: how many are fetched.
    """

    def __init__(self, console: Console, accounts: int) -> None:
        self._console = console
        self._accounts = accounts
        self._newest: dict[str, FetchProgress] = {}
        self._ended: set[str] = set()
        self._guard = threading.Lock()
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[messages]}", justify="right"),
            DownloadColumn(),
            Speed(),
            TimeRemainingColumn(),
            console=console,
            auto_refresh=False,
        )
        self._tasks: dict[str, TaskID] = {}
        self._live = Live(console=console, get_renderable=self._draw, refresh_per_second=_A_SECOND, transient=True)

    def progress(self, now: FetchProgress) -> None:
        """An account's newest numbers. Called from its thread."""
        with self._guard:
            self._newest[now.account] = now

    def ended(self, result: RunResult) -> None:
        """An account's run is over."""
        with self._guard:
            self._ended.add(result.account)

    def line(self, text: str) -> None:
        """Write a line above the picture."""
        self._console.print(Text(text), highlight=False, soft_wrap=True)

    def give_back(self) -> None:
        """Show the cursor again, now, without waiting for any lock: for a process that ends in a signal handler."""
        with contextlib.suppress(OSError, ValueError):
            os.write(self._console.file.fileno(), _SHOW_CURSOR)

    def _draw(self) -> RenderableType:
        with self._guard:
            newest, ended = dict(self._newest), set(self._ended)
        for name, now in newest.items():
            if name in ended:
                if name in self._tasks:
                    self._bars.update(self._tasks[name], visible=False)
                continue
            self._show(name, now.messages, now.messages_total, now.octets, now.octets_total)
        if self._accounts > 1:
            parts = newest.values()
            self._show(
                f"{_TOTAL} ({len(ended)} of {self._accounts} done)",
                sum(part.messages for part in parts),
                sum(part.messages_total for part in parts),
                sum(part.octets for part in parts),
                sum(part.octets_total for part in parts),
                key=_TOTAL,
            )
        return self._bars

    def _show(self, text: str, messages: int, messages_total: int, octets: int, total: int, key: str = "") -> None:
        key = key or text
        count = f"{messages:,}/{messages_total:,}"
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(text, total=total, messages=count)
        # LIST may have promised less than came.
        self._bars.update(
            self._tasks[key], description=text, completed=octets, total=max(total, octets), messages=count
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
