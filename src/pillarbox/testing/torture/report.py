"""The torture suite's results: a table for everybody, and a file of details for those who can mend what failed.

Rules: our own client is told in every case. Other programs are told by family, and where one of theirs took memory or
disk beyond bounds or was ended by a signal, the table says "did not pass" and no more: its maintainers hear of the
trigger first. The details hold everything, and are not for publication.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pillarbox.testing.torture.cases import Family
from pillarbox.testing.torture.clients import Description
from pillarbox.testing.torture.judge import Result

BEGIN, END = "<!-- torture: results -->", "<!-- torture: end -->"

_EXACT = (Family.CUT, Family.KILL)
_HOSTILE = tuple(family for family in Family if family not in _EXACT)
_OUTPUT = 2000  # characters of a client's output in the details


class ReportError(Exception):
    """A page that the table cannot be put into."""


class Line(msgspec.Struct, frozen=True):
    """One case as the table needs it.

    Attributes:
        grave: whether its details are for maintainers first.
    """

    family: Family
    case: str
    promise: str
    failures: tuple[str, ...]
    lost: int
    twice: int
    grave: bool


class Tortured(msgspec.Struct, frozen=True):
    """One client and all that came of it.

    Attributes:
        details: what failed, with everything that is known of it; not for publication.
    """

    client: str
    version: str
    note: str
    own: bool
    lines: tuple[Line, ...]
    details: tuple[dict[str, object], ...] = ()

    def of(self, *families: Family) -> list[Line]:
        """The cases of some families."""
        return [line for line in self.lines if line.family in families]

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not any(line.failures for line in self.lines)


def tortured(client: Description, version: str, results: Sequence[Result]) -> Tortured:
    """What came of a client, from the results of its cases."""
    lines = tuple(
        Line(
            result.case.family,
            result.case.name,
            result.case.promise,
            tuple(failure.fault.value for failure in result.failures),
            result.lost,
            result.duplicates,
            result.grave,
        )
        for result in results
    )
    failed = tuple(_failed(result) for result in results if not result.passed)
    return Tortured(client.name, version, client.note, client.own, lines, failed)


def markdown(all_of_it: Sequence[Tortured]) -> str:
    """The table for everybody."""
    rows = [
        "| client | version | hostile servers and mail | cut connections | killed clients |",
        "|---|---|---|---|---|",
    ]
    for each in all_of_it:
        cells = [_hostile(each.of(*_HOSTILE)), *(_exact(each.of(family)) for family in _EXACT)]
        rows.append(f"| {each.client} | {each.version} | " + " | ".join(cells) + " |")
    notes = [f"- {each.client}: {each.note}." for each in all_of_it if each.note]
    own = [_cases(each) for each in all_of_it if each.own]
    return "\n".join([*rows, "", *notes, *([""] if notes else []), *own]).rstrip("\n") + "\n"


def _hostile(lines: Sequence[Line]) -> str:
    if not lines:
        return "not run"
    passed = sum(not line.failures for line in lines)
    if passed == len(lines):
        return f"passed ({passed})"
    return "did not pass" if any(line.grave for line in lines) else f"passed {passed} of {len(lines)}"


def _exact(lines: Sequence[Line]) -> str:
    if not lines:
        return "not run"
    if any(line.grave for line in lines):
        return "did not pass"
    passed = sum(not line.failures for line in lines)
    lost, twice = sum(line.lost for line in lines), sum(line.twice for line in lines)
    return f"passed {passed} of {len(lines)}; lost {lost}, twice {twice}"


def _cases(each: Tortured) -> str:
    """Every case of a client of ours."""
    rows = [f"Every case with {each.client}:", "", "| case | what has to happen | result |", "|---|---|---|"]
    for line in each.of(*_HOSTILE):
        told = "; ".join(line.failures) or "passed"
        rows.append(f"| {line.family.value}: {line.case} | {line.promise} | {told} |")
    return "\n".join([*rows, ""])


def inserted(page: str, table: str) -> str:
    """A page with its table replaced.

    Raises:
        ReportError: the page has no place for it.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ReportError(f"the page needs the lines {BEGIN} and {END}, and the table goes between them")
    return f"{before}{BEGIN}\n\n{table}\n{END}{after}"


def details(all_of_it: Sequence[Tortured]) -> str:
    """Everything, as JSON: not for publication."""
    return msgspec.json.format(msgspec.json.encode(all_of_it), indent=1).decode() + "\n"


def read(text: str) -> list[Tortured]:
    """What `details` has written.

    Raises:
        ReportError: it is something else.
    """
    try:
        return msgspec.json.decode(text, type=list[Tortured])
    except msgspec.MsgspecError as error:
        raise ReportError(f"no details of the torture suite: {error}") from None


def _failed(result: Result) -> dict[str, object]:
    return {
        "case": result.case.name,
        "faults": result.case.faults,
        "kill": result.case.kill,
        "failures": [f"{failure.fault.value}: {failure.detail}" for failure in result.failures],
        "runs": [
            {
                "seconds": round(ran.seconds, 2),
                "status": ran.status,
                "memory": ran.memory,
                "disk": ran.disk,
                "output": ran.output.decode("utf-8", "replace")[-_OUTPUT:],
            }
            for ran in result.runs
        ],
        "transcript": result.transcript[-4 * _OUTPUT :],
    }
