"""`pillarbox torture`: runs any POP3 client against hostile servers, cut connections and kills.

Rules: everything happens on loopback, in directories of its own, and within bounds; what is printed of other programs
is what may be published, the rest goes into --details.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from pillarbox.testing.torture import clients as known
from pillarbox.testing.torture import report
from pillarbox.testing.torture.cases import Family
from pillarbox.testing.torture.clients import ClientError, Description
from pillarbox.testing.torture.judge import Result
from pillarbox.testing.torture.report import ReportError
from pillarbox.testing.torture.suite import Plan, Suite

_QUICK = 4  # random places of each kind, instead of 20


def command(
    client: Annotated[
        list[str] | None, typer.Argument(help="Clients by name; without any, all that are installed here.")
    ] = None,
    describe: Annotated[
        Path | None, typer.Option(help="A TOML file that describes more clients; see docs/torture.md.")
    ] = None,
    family: Annotated[str, typer.Option(help="Only cases of these kinds, separated by commas.", metavar="KIND,…")] = "",
    case: Annotated[str, typer.Option(help="Only cases whose name contains this.", metavar="TEXT")] = "",
    quick: Annotated[bool, typer.Option(help="Fewer random cuts and kills.")] = False,
    seed: Annotated[int, typer.Option(help="Random places follow from it.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, max=16, help="Cases at a time.")] = 2,
    details: Annotated[
        Path | None, typer.Option(help="Write everything there: not for publication where other programs failed.")
    ] = None,
    join: Annotated[
        list[Path] | None, typer.Option(help="Add the clients of earlier details to the table; may be given again.")
    ] = None,
    into: Annotated[Path | None, typer.Option(help="Put the table into this page, between its markers.")] = None,
) -> None:
    """Run a POP3 client against hostile servers, cut connections and kills."""
    families = _families(family)
    chosen = _chosen(client or [], describe)
    plan = Plan(seed=seed, jobs=jobs)
    if quick:
        plan = replace(plan, cut_octets=_QUICK, kill_octets=_QUICK, kill_commands=_QUICK)
    done: list[report.Tortured] = []
    with tempfile.TemporaryDirectory(prefix="pillarbox-torture-") as directory:
        for each in chosen:
            try:
                suite = Suite(each, plan, Path(directory))
            except ClientError as error:
                sys.exit(f"error: {error}")
            cases = [one for one in suite.cases(families) if case in one.name]
            typer.echo(f"{each.name}: {len(cases)} cases", err=True)
            done.append(report.tortured(each, each.told_version(), suite.results(cases, _told)))
    ours = all(each.passed for each in done)
    try:
        for path in join or ():
            done += report.read(path.read_text(encoding="utf-8"))
        table = report.markdown(done)
        if into is not None:
            into.write_text(report.inserted(into.read_text(encoding="utf-8"), table), encoding="utf-8")
    except ReportError as error:
        sys.exit(f"error: {error}")
    if details is not None:
        details.touch(0o600)
        details.write_text(report.details(done), encoding="utf-8")
    typer.echo(table, nl=False)
    sys.exit(0 if ours else 1)


def _told(result: Result) -> None:
    """A line for a case that failed; on standard error, which is not for publication."""
    for failure in result.failures:
        typer.echo(f"  {result.client}: {result.case.name}: {failure.fault.value} {failure.detail}", err=True)


def _families(text: str) -> list[Family]:
    names = {family.value: family for family in Family}
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    for name in wanted:
        if name not in names:
            raise typer.BadParameter(f"there is no kind {name!r}; there are: {', '.join(names)}", param_hint="--family")
    return [names[name] for name in wanted] or list(Family)


def _chosen(names: list[str], describe: Path | None) -> list[Description]:
    described = known.built_in()
    if describe is not None:
        try:
            described |= known.read(describe.read_text(encoding="utf-8"))
        except ClientError as error:
            sys.exit(f"error: {describe}: {error}")
    for name in names:
        if name not in described:
            raise typer.BadParameter(f"there is no client {name!r}; there are: {', '.join(described)}")
        if not described[name].available():
            sys.exit(f"error: {name}: {described[name].command[0]!r} is not installed here")
    return [described[name] for name in names] or [each for each in described.values() if each.available()]
