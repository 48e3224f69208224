"""`pillarbox fetch status` and `pillarbox fetch health`: how the accounts stand.

Rules: both only read; `health` prints one line and ends as monitoring programs want it: 0 for OK, 2 for CRITICAL, 3 for
UNKNOWN.
"""

from __future__ import annotations

import json as jsons
import time
from typing import TYPE_CHECKING, NoReturn

import typer

from pillarbox.cli.fetch_place import (
    AccountsArgument,
    ConfigOption,
    JsonOption,
    fail,
    find_config,
    load_or_exit,
    messages,
    octets,
    selected,
)
from pillarbox.cli.telling import plural, when
from pillarbox.watch.clean import clean

if TYPE_CHECKING:
    from pillarbox.fetch.accounts_file import Fetcher
    from pillarbox.fetch.status import Standing

CRITICAL = 2
UNKNOWN = 3


def status(accounts: AccountsArgument = None, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show how the accounts stand: last run, last success, what came, what went wrong."""
    from pillarbox.fetch.status import Standing

    fetcher = load_or_exit(config)
    known = _standings(fetcher)
    now = time.time()
    for scheduled in selected(fetcher, accounts):
        name = scheduled.account.name
        standing = known.get(name) or Standing(name, now)
        typer.echo(jsons.dumps(_described(standing)) if json else _sentence(standing, now))


def health(accounts: AccountsArgument = None, config: ConfigOption = None) -> None:
    """Say whether all accounts were fetched lately: ends with 0 if so, with 2 if not, with 3 if it cannot be told."""
    from pillarbox.config import ConfigError
    from pillarbox.fetch import accounts_file
    from pillarbox.fetch.errors import JournalError
    from pillarbox.fetch.status import StatusFile

    try:
        fetcher = accounts_file.load(find_config(config))
        known = StatusFile(fetcher.state).all()
    except ConfigError as error:
        _verdict("UNKNOWN", str(error.problems[0]).replace("\n    ", ": "), UNKNOWN)
    except JournalError as error:
        _verdict("UNKNOWN", str(error), UNKNOWN)
    names = [scheduled.account.name for scheduled in selected(fetcher, accounts)]
    if not names:
        _verdict("UNKNOWN", "there is no account to fetch", UNKNOWN)
    now, after = time.time(), fetcher.settings.unhealthy_after
    bad = []
    for name in names:
        why = known[name].unhealthy(now, after) if name in known else "never fetched"
        if why:
            bad.append(f"{name}: {why}")
    if bad:
        _verdict("CRITICAL", f"{len(bad)} of {len(names)}: {'; '.join(bad)}", CRITICAL)
    _verdict("OK", f"{len(names)} account{'' if len(names) == 1 else 's'}", 0)


def _verdict(word: str, text: str, code: int) -> NoReturn:
    typer.echo(f"{word} - {clean(text)}")
    raise typer.Exit(code)


def _standings(fetcher: Fetcher) -> dict[str, Standing]:
    from pillarbox.fetch.errors import JournalError
    from pillarbox.fetch.status import StatusFile

    try:
        return StatusFile(fetcher.state).all()
    except JournalError as error:
        fail(str(error))


def _sentence(standing: Standing, now: float) -> str:
    if standing.last_run is None:
        return f"{standing.name}: never fetched"
    parts = [f"last run {_ago(now - standing.last_run)} ({'failed' if standing.error else 'fine'})"]
    if standing.error:
        success = standing.last_success
        parts.append("never a success" if success is None else f"last success {_ago(now - success)}")
    parts.append(f"{messages(standing.fetched)} ({octets(standing.octets)}) in {plural(standing.runs, 'run')}")
    if standing.pending:
        parts.append(f"{standing.pending} still to be deleted on the server")
    if standing.quarantined:
        parts.append(f"{standing.quarantined} put aside")
    text = f"{standing.name}: {', '.join(parts)}"
    return clean(text) + (f"\n    {clean(standing.error)}" if standing.error else "")


def _ago(seconds: float) -> str:
    for length, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    rest = max(0, round(seconds))
    return f"{rest} second{'' if rest == 1 else 's'} ago"


def _described(standing: Standing) -> dict[str, object]:
    described: dict[str, object] = {**standing._asdict()}
    for name in ("since", "last_run", "last_success"):
        moment = described[name]
        if isinstance(moment, float):
            described[name] = when(moment)
    return described
