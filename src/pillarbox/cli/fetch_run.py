"""`pillarbox fetch run`: fetch once, or again and again until SIGTERM or Ctrl-C.

Rules: asked to end, it begins no more runs and ends those under way after the messages they have in hand; asked a
second time, it ends at once, which loses nothing either; SIGHUP reads the file anew, and a file that is broken is told
and changes nothing; SIGUSR1 fetches all accounts now.

Elsewhere: runs and their timetable (`pillarbox.fetch.service`), sentences (`fetch_voice`), the picture on a terminal
(`fetch_picture`).
"""

from __future__ import annotations

import gc
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from pillarbox.cli.fetch_place import AccountsArgument, ConfigOption, fail, find_config, load_or_exit, selected
from pillarbox.cli.telling import FAILED
from pillarbox.files import allow_many_files

if TYPE_CHECKING:
    from pillarbox.cli.fetch_picture import Picture
    from pillarbox.cli.fetch_voice import Voice
    from pillarbox.fetch.accounts_file import Fetcher, Scheduled
    from pillarbox.fetch.service import Service

_AT_ONCE = 130  # what a shell expects after Ctrl-C


def run(
    accounts: AccountsArgument = None,
    config: ConfigOption = None,
    once: Annotated[
        bool, typer.Option("--once", help="Fetch each account once, and end: 1 if anything failed, else 0.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON line for each event.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only what somebody has to look at.")] = False,
) -> None:
    """Fetch mail: once, or by the timetable until SIGTERM or Ctrl-C.

    SIGHUP reads the file anew, SIGUSR1 fetches all accounts now.
    """
    fetcher = load_or_exit(config)
    chosen = selected(fetcher, accounts)
    if not chosen:
        fail(f"{find_config(config)}: there is no account to fetch: pillarbox fetch add")
    allow_many_files()  # each account keeps hundreds of messages open until they are durable
    raise typer.Exit(_fetch(fetcher, chosen, find_config(config), accounts, once=once, json=json, quiet=quiet))


def _fetch(
    fetcher: Fetcher, chosen: list[Scheduled], path: Path, names: list[str] | None, *,
    once: bool, json: bool, quiet: bool,
) -> int:  # fmt: skip
    from pillarbox.fetch.service import Service

    picture = None
    if once and not json and not quiet and sys.stdout.isatty() and sys.stderr.isatty():
        # Only here: it takes a while to load, and most runs have no terminal.
        from rich.console import Console

        from pillarbox.cli.fetch_picture import Picture

        picture = Picture(Console(), len(chosen))
    voice = _voice(picture, once=once, json=json, quiet=quiet)
    with picture or nullcontext():
        service = Service(
            fetcher,
            chosen,
            events=voice,
            chance=random.random,
            progress=picture.progress if picture else None,
            ended=picture.ended if picture else lambda result: None,
            told=voice.tell,
            ending=voice.ending,
        )
        reload = (lambda: None) if once else lambda: service.soon(lambda: _reload(service, path, names, voice))
        with _signals(service, reload, picture.give_back if picture else lambda: None):
            # What there is by now stays to the end, so no collection need look at it again.
            gc.freeze()
            if not once:
                service.forever()
                return 0
            results = service.once()
    fine = len(results) == len(chosen) and all(result.ok and not result.failed for result in results)
    return 0 if fine else FAILED


def _voice(picture: Picture | None, *, once: bool, json: bool, quiet: bool) -> Voice:
    from pillarbox.cli.fetch_voice import JsonVoice, SentenceVoice

    if json:
        return JsonVoice(time.time)
    # systemd's journal writes the time itself.
    stamp = None if once or "JOURNAL_STREAM" in os.environ else time.time
    if picture is not None:
        return SentenceVoice(say=picture.line, complain=picture.line, empty=once, stamp=stamp)
    return SentenceVoice(quiet=quiet, empty=once, stamp=stamp)


@contextmanager
def _signals(service: Service, reload: Callable[[], None], give_back: Callable[[], None]) -> Iterator[None]:
    def end_at_once(number: int, frame: FrameType | None) -> None:
        # What is under way is cut off, as by a power failure; the journals are made for that.
        give_back()
        os._exit(_AT_ONCE)

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, end_at_once)
        signal.signal(signal.SIGTERM, end_at_once)
        service.stop()

    handlers: dict[int, Callable[[int, FrameType | None], None]] = {
        signal.SIGINT: stop,
        signal.SIGTERM: stop,
        signal.SIGHUP: lambda number, frame: reload(),
        signal.SIGUSR1: lambda number, frame: service.hurry(),
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _reload(service: Service, path: Path, names: list[str] | None, voice: Voice) -> None:
    from pillarbox.config import ConfigError
    from pillarbox.events import Warned
    from pillarbox.fetch import accounts_file

    try:
        fetcher = accounts_file.load(path)
    except ConfigError as error:
        for problem in error.problems:
            voice.emit(Warned(about="fetch.toml not taken, the old one stays in force", text=str(problem)))
        return
    wanted = [one for one in fetcher.accounts if not names or one.account.name in names]
    service.reload(fetcher, wanted)
