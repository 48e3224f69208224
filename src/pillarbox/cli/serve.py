"""`pillarbox serve`: run the server in the foreground, until SIGTERM or Ctrl-C; SIGHUP reloads.

Rules: what is wrong at the start is told with the file it stands in; when the terminal it was started on is closed, the
server ends, although that comes as a SIGHUP too.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import secrets
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

import typer

from pillarbox import __version__, wiring
from pillarbox.cli.config import config_option, find_config, load_or_exit, print_warnings
from pillarbox.cli.telling import fail_with
from pillarbox.config import ConfigError, Problem
from pillarbox.config.load import load
from pillarbox.config.schema import Settings
from pillarbox.events import Event, ServerStarted
from pillarbox.server.process import WorkerStart
from pillarbox.server.supervisor import Supervisor, World
from pillarbox.watch.render import LogSink, open_target


class Log:
    """The parent's log, opened anew at every reload so that rotated files are let go."""

    def __init__(self, settings: Settings, started: Callable[[], None] | None) -> None:
        self._started = started
        self.fd = open_target(settings.log.target)
        self._sink: LogSink = wiring.log_sink(settings, self.fd)

    def emit(self, event: Event) -> None:
        """Write one event at once."""
        self._sink.emit(event)
        if self._started is not None and isinstance(event, ServerStarted):
            self._started()

    def reopen(self, settings: Settings) -> None:
        """Write to what the settings name now.

        Raises:
            ConfigError: it cannot be opened.
        """
        try:
            fd = open_target(settings.log.target)
        except OSError as error:
            raise ConfigError([_unwritable(settings, error)]) from error
        self._sink = wiring.log_sink(settings, fd)
        if self.fd > 2:
            os.close(self.fd)
        self.fd = fd


def _unwritable(settings: Settings, error: OSError) -> Problem:
    return Problem(
        "log.target",
        f"{settings.log.target} cannot be opened: {error.strerror}",
        'name a file in a directory that exists, or write "stderr"',
    )


def run(path: Path | None, started: Callable[[], None] | None = None) -> int:
    """Serve by a configuration file; `started` is called once all workers answer. Returns the exit status."""
    settings = load_or_exit(path)
    if problems := wiring.problems(settings):
        fail_with(_in_file(problems, path))
    print_warnings(_in_file(wiring.reminders(settings), path))
    try:
        log = Log(settings, started)
    except OSError as error:
        fail_with([_unwritable(settings, error)])
    first = True
    on_terminal = _on_terminal()

    def load_settings() -> Settings:
        nonlocal first
        if first:
            first = False
            return settings
        if on_terminal and not _on_terminal():
            os.kill(os.getpid(), signal.SIGTERM)
            return settings
        fresh = load(find_config(path))
        if problems := wiring.problems(fresh):
            raise ConfigError(_in_file(problems, path))
        log.reopen(fresh)
        return fresh

    def run_worker(start: WorkerStart) -> None:
        wiring.run_worker(start, log.fd)

    world = World(
        load_settings=load_settings,
        run_worker=run_worker,
        sink=log,
        environ=os.environ,
        now=lambda: datetime.datetime.now(datetime.UTC),
        key=secrets.token_bytes(16),
        version=__version__,
    )
    try:
        return Supervisor(world).run()
    except ConfigError as error:
        fail_with(_in_file(error.problems, path))


def _in_file(problems: Iterable[Problem], path: Path | None) -> list[Problem]:
    """The problems, each with the file that it is in."""
    file = str(find_config(path))
    return [dataclasses.replace(problem, source=problem.source or file) for problem in problems]


def _on_terminal() -> bool:
    """Whether there is a terminal to type Ctrl-C on. A terminal that was closed is none any more."""
    return os.isatty(0)


def command(config: config_option = None) -> None:
    """Run the server until SIGTERM or Ctrl-C. SIGHUP reloads configuration and certificates."""
    raise typer.Exit(run(config))
