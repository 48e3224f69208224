"""`pillarbox lab`: `guard` races sign-in policies on simulated traffic, `replay` sends it to a real server.

Rules: nothing outside this machine is contacted; the same seeds give the same figures; what is simulated is said to be.
"""

from __future__ import annotations

import asyncio
import gc
import ssl
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pillarbox.lab import parameters as numbers
from pillarbox.lab import plot, report
from pillarbox.lab import replay as replaying
from pillarbox.lab.attackers import ATTACKS
from pillarbox.lab.parameters import ParameterError, Parameters
from pillarbox.lab.policies import OURS, racers
from pillarbox.lab.race import Results, race
from pillarbox.lab.report import ReportError
from pillarbox.lab.tune import tune

app = typer.Typer(no_args_is_help=True, add_completion=False)

_QUICK_SEEDS = 2
_QUICK_POLICIES = ("pillarbox", "none", "fail2ban", "dovecot")


@app.callback()
def _group() -> None:
    pass


def _chosen(wanted: str, known: dict[str, object], what: str) -> list[str]:
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"there is no {what} {name!r}; there are: {', '.join(known)}")
    return names


def _progress(text: str) -> None:
    typer.echo(text, err=True)


@app.command()
def guard(
    attack: Annotated[str, typer.Option(help="Attacks, separated by commas; all by default.", metavar="NAME,…")] = "",
    policy: Annotated[str, typer.Option(help="Policies, separated by commas; all by default.", metavar="NAME,…")] = "",
    seeds: Annotated[int, typer.Option(min=0, help="Reporting seeds; 0 for as many as the parameters say.")] = 0,
    quick: Annotated[bool, typer.Option(help="Shorter attacks, two seeds, four policies: a minute.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write results.json, results.md and results.svg here.")] = None,
    into: Annotated[Path | None, typer.Option(help="Put the tables into this page, between its markers.")] = None,
    join: Annotated[Path | None, typer.Option(help="Add the policies of an earlier results.json.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    search: Annotated[bool, typer.Option("--tune", help="Search the rivals' best parameters; no race.")] = False,
) -> None:
    """Race sign-in policies on the same simulated traffic: our guard, and what others use."""
    chosen = numbers.quick(numbers.load()) if quick or search else numbers.load()
    known = racers(chosen, 0)
    attacks = _chosen(attack, dict.fromkeys(ATTACKS), "attack") or list(ATTACKS)
    policies = _chosen(policy, dict.fromkeys(known), "policy") or list(_QUICK_POLICIES if quick else known)
    # Millions of small values, none in a circle: looking for circles would cost a third of the time.
    gc.disable()
    try:
        if search:
            _tune(chosen, attacks, policies if policy else list(numbers.rivals()))
            return
        count = seeds or (_QUICK_SEEDS if quick else chosen.count("seeds.reports"))
        results = race(chosen, chosen.reporting_seeds(count), attacks, policies, _progress)
        if join is not None:
            results = report.joined(results, report.from_json(join.read_text(encoding="utf-8"), chosen))
        if into is not None:
            page = report.inserted(into.read_text(encoding="utf-8"), report.markdown(results))
            into.write_text(page, encoding="utf-8")
    except (ParameterError, ReportError) as error:
        sys.exit(f"pillarbox: {error}")
    finally:
        gc.enable()
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "results.json").write_text(report.as_json(results, chosen), encoding="utf-8")
        (out / "results.md").write_text(report.markdown(results), encoding="utf-8")
        (out / "results.svg").write_text(plot.svg(results), encoding="utf-8")
    if json:
        typer.echo(report.as_json(results, chosen), nl=False)
    else:
        _print(results)


def _tune(chosen: Parameters, attacks: list[str], keys: list[str]) -> None:
    for key in keys:
        if key not in numbers.rivals():
            raise typer.BadParameter(f"{key!r} has no grid; there are: {', '.join(numbers.rivals())}")
    for key, setting in tune(chosen, attacks, keys, _progress).items():
        pairs = ", ".join(f"{name} = {value}" for name, value in setting.items())
        typer.echo(f"[{key}]\nbest = {{ {pairs} }}")


def _print(results: Results) -> None:
    console = Console()
    for found in report.tables(results):
        table = Table(*found.head, title=found.attack, title_justify="left")
        for row in found.rows:
            table.add_row(*row)
        console.print(table)
    console.print("Goals met: " + "; ".join(f"{label} {met}" for label, met in report.summary(results)))
    console.print(report.SIMULATED, style="bold")


@app.command()
def replay(
    port: Annotated[int, typer.Option(help="The server's port.")],
    accounts: Annotated[Path, typer.Option(help="Lines of name:password, as the server knows them.")],
    host: Annotated[str, typer.Option(help="The server's address; loopback only.")] = "127.0.0.1",
    trust: Annotated[Path | None, typer.Option(help="The certificate (PEM) to trust; then TLS is used.")] = None,
    events: Annotated[Path | None, typer.Option(help="The server's log of JSON events.")] = None,
    attack: Annotated[str, typer.Option(help="One attack.", metavar="NAME")] = "single",
    attempts: Annotated[int, typer.Option(min=1, max=5000, help="Guesses, at most.")] = 200,
    seconds: Annotated[float, typer.Option(min=1, max=600, help="How long it takes.")] = 30.0,
    seed: Annotated[int, typer.Option(help="The traffic follows from it.")] = 1,
) -> None:
    """Replay an attack of the simulation against a POP3 server on loopback, and compare their decisions."""
    chosen = numbers.quick(numbers.load())
    (name,) = _chosen(attack, dict.fromkeys(ATTACKS), "attack") or ["single"]
    tls = ssl.create_default_context(cafile=str(trust)) if trust else None
    # The log may hold earlier replays, whose refusals are not ours to count.
    before = events.stat().st_size if events else 0
    try:
        known = replaying.read_accounts(accounts.read_text(encoding="utf-8"))
        planned = replaying.plan(chosen, known, name, seed=seed, attempts=attempts, seconds=seconds)
        answers = asyncio.run(replaying.replay(replaying.Server(host, port, tls), planned))
    except replaying.ReplayError as error:
        sys.exit(f"pillarbox: {error}")
    told = events.read_bytes()[before:].decode() if events else None
    found = replaying.compare(racers(chosen, seed)[OURS].make(), answers, told)
    typer.echo(
        f"{len(answers)} attempts, {found.compared} compared, {found.agreed} decided alike ({found.share:.1%}), "
        f"{found.unanswered} unanswered"
    )
    for text in found.differences:
        typer.echo(f"  {text}")
    sys.exit(0 if found.agreed == found.compared else 1)
