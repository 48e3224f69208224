"""`pillarbox archive verify`: reads every octet of an archive and says what is wrong, and where.

Exit code: 0 when everything is as it was written, or was mended; 1 when something is not; 2 for wrong usage.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from pillarbox.cli.archive_place import Json, Place, octets, opened
from pillarbox.cli.telling import FAILED, Progress, fail, note, plural

if TYPE_CHECKING:
    from pillarbox.archive import Archive
    from pillarbox.archive.verify import Finding, Report

app = typer.Typer()


@app.command()
def verify(
    place: Place = None,
    repair: Annotated[bool, typer.Option("--repair", help="Turn single flipped bits back, then verify again.")] = False,
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild", help="Make the index again and record whole messages the log lacks, then verify."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Read every octet; name each flipped bit, damaged block, missing and stray file."""
    with opened(place) as archive:
        try:
            report = _run(archive, repair=repair, rebuild=rebuild, quiet=as_json)
        except OSError as error:
            fail(f"{error.filename or 'the archive'}: {error.strerror}")
    if as_json:
        shown = {
            "sound": report.sound,
            "messages": report.messages,
            "octets": report.octets,
            "findings": [_described(finding) for finding in report.findings],
        }
        typer.echo(json.dumps(shown, indent=2))
    else:
        for finding in report.findings:
            typer.echo(_line(finding))
        verdict = "everything is as it was written" if report.sound else plural(len(report.findings), "finding")
        typer.echo(f"read {plural(report.messages, 'message')}, {octets(report.octets)}: {verdict}")
    if not report.sound:
        raise typer.Exit(FAILED)


def _run(archive: Archive, *, repair: bool, rebuild: bool, quiet: bool) -> Report:
    from pillarbox.archive.repair import repair as mend
    from pillarbox.archive.verify import verify as check

    if repair:
        found = check(archive, _progress())
        mended = [finding for finding in found.findings if mend(archive, finding)]
        for finding in mended:
            note(f"mended: {_line(finding)}")
    if rebuild:
        again = archive.rebuild()
        if again and not quiet:
            note(f"recorded {plural(again, 'message')} again; where they came from is not known any more")
    return check(archive, _progress())


def _line(finding: Finding) -> str:
    from pillarbox.archive.view import line

    where = ""
    if finding.bit is not None and finding.start is not None:
        where = f": octet {finding.start:,}, bit {finding.bit}"
    elif finding.start is not None and finding.end is not None:
        where = f": octets {finding.start:,} to {finding.end - 1:,}"
    message = f" (message {finding.sha256[:10]})" if finding.sha256 else ""
    note = f"; {line(finding.note)}" if finding.note else ""
    return f"{finding.kind.value}: {line(finding.path)}{where}{message}{note}"


def _described(finding: Finding) -> dict[str, object]:
    return {
        "kind": finding.kind.value,
        "path": finding.path,
        "start": finding.start,
        "end": finding.end,
        "bit": finding.bit,
        "id": finding.sha256 or None,
        "note": finding.note,
    }


def _progress() -> Callable[[int, int], None]:
    line = Progress()
    return lambda messages, read: line.show(f"{messages:,} messages, {octets(read)} read ")
