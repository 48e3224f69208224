"""The results as a table to read (terminal and latest.md) and as data (latest.json).

Both files are written whole or not at all, for the README quotes them.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from bench.method import RowResult, Sample, Verdict

__all__ = ["machine", "number", "render", "save", "table"]

_HEADINGS = ("work", "unit", "{ours}", "{peer}", "figure", "quartiles", "goal", "", "yardstick")


def number(value: float) -> str:
    """Three significant digits, with separators for thousands and without an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def table(results: Sequence[RowResult], ours: str, peer: str) -> str:
    """The results as a Markdown table whose columns are also aligned for reading as plain text."""
    headings = [heading.format(ours=ours, peer=peer) for heading in _HEADINGS]
    lines = [headings, *(_cells(result) for result in results)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    ruler = [("-" * (width - 1) + ":") if column > 1 else "-" * width for column, width in enumerate(widths)]
    return "\n".join(_line(line, widths) for line in (headings, ruler, *lines[1:]))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if column > 1 else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"| {' | '.join(padded)} |"


def _cells(result: RowResult) -> list[str]:
    goal = str(result.goal) if result.goal else ""
    if result.failed or result.figure is None:
        return [result.title, result.unit, "", "", "", "", goal, "not measured", ""]
    return [
        result.title,
        result.unit,
        _median(result.ours),
        _median(result.peer),
        number(result.figure.median),
        f"{number(result.figure.low)} – {number(result.figure.high)}" if result.figure.rounds > 1 else "",
        goal,
        result.verdict.value,
        number(result.yardstick) if result.yardstick is not None else "",
    ]


def _median(value: Sample | None) -> str:
    return number(value.median) if value else ""


def machine() -> dict[str, str]:
    """What the figures depend on: processor, cores, kernel, versions, and how busy the machine was at the end."""
    models = [
        line.partition(":")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if line[:10] == "model name"
    ]
    dovecot = subprocess.run(["dovecot", "--version"], capture_output=True, text=True, check=False).stdout
    return {
        "processor": models[0].strip() if models else platform.machine(),
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "dovecot": dovecot.split()[0] if dovecot else "unknown",
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def render(results: Sequence[RowResult], facts: Mapping[str, str], ours: str, peer: str) -> str:
    """The whole report in Markdown."""
    judged = [result for result in results if result.verdict is not Verdict.NONE]
    missed = sum(result.verdict is Verdict.MISSED for result in judged)
    notes = [f"- {result.title}: {result.note}" for result in results if result.note]
    failures = [f"- {result.title} was not measured: {result.failed}" for result in results if result.failed]
    summary = (
        f"{len(judged) - missed} of {len(judged)} goals met. The figure is {ours} ÷ {peer}, a median over rounds; "
        f"for start, workers and p99 it is a figure of {ours} alone."
    )
    parts = [
        table(results, ours, peer),
        summary,
        "\n".join(notes + failures),
        "; ".join(f"{name} {value}" for name, value in facts.items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def save(directory: Path, results: Sequence[RowResult], facts: Mapping[str, str], text: str) -> None:
    """Write latest.json and latest.md."""
    directory.mkdir(exist_ok=True)
    rows = [
        {**msgspec.to_builtins(result, enc_hook=str), "verdict": result.verdict.value, "goal": str(result.goal or "")}
        for result in results
    ]
    data = msgspec.json.format(msgspec.json.encode({"facts": dict(facts), "rows": rows}), indent=2)
    for name, octets in (("latest.json", data), ("latest.md", text.encode())):
        waiting = directory / f".{name}"
        waiting.write_bytes(octets)
        waiting.replace(directory / name)
