"""`pillarbox fetch check`: everything that is wrong with the file, and with what it names.

Rules: all problems at once, each with its key and what to do; nothing is connected unless `--connect` asks for it, and
then nothing is fetched.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from pillarbox.cli.fetch_place import ConfigOption, find_config, load_or_exit, messages, octets, read_file
from pillarbox.cli.telling import fail_with
from pillarbox.config import Problem
from pillarbox.watch.clean import clean

if TYPE_CHECKING:
    from pillarbox.fetch.accounts_file import Fetcher


def check(
    config: ConfigOption = None,
    connect: Annotated[
        bool, typer.Option("--connect", help="Also log in to every account, and open its destination.")
    ] = False,
) -> None:
    """Report everything that is wrong with the accounts, and with the files and programs they name."""
    from pillarbox.fetch.file_checks import check_files

    path = find_config(config)
    file = read_file(path)
    fetcher = load_or_exit(path)
    problems = check_files(file)
    if connect and not problems:
        problems = _connected(fetcher)
    if problems:
        fail_with([dataclasses.replace(problem, source=str(path)) for problem in problems])
    count = sum(account.enabled for account in file.account.values())
    typer.echo(f"{clean(str(path))}: {count} account{'' if count == 1 else 's'}, everything is fine.")


def _connected(fetcher: Fetcher) -> list[Problem]:
    from pillarbox.fetch.trial import try_account

    problems = []
    for scheduled in fetcher.accounts:
        account = scheduled.account
        trial = try_account(account)
        key = f"account.{account.name}"
        problems += [Problem(key, text) for text in (trial.login, trial.destination) if text]
        if not trial.login:
            typer.echo(clean(f"{account.name}: {messages(trial.messages)} ({octets(trial.octets)}) on the server"))
    return problems
