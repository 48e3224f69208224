"""The accounts' standing as metrics, in the text format of Prometheus, for the node exporter's textfile collector.

Rules: the file is replaced whole, so that a reader never sees half of it; names and units are Prometheus' conventions
(seconds, bytes, `_total` for what only grows).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from pillarbox.fetch.status import Standing

_METRICS: tuple[tuple[str, str, str, Callable[[Standing], float | None]], ...] = (
    ("last_success_timestamp_seconds", "gauge", "When the last successful run ended.", lambda one: one.last_success),
    ("last_run_timestamp_seconds", "gauge", "When the last run ended.", lambda one: one.last_run),
    ("last_run_duration_seconds", "gauge", "How long the last run took.", lambda one: one.seconds),
    ("failures_in_a_row", "gauge", "Runs that failed since the last success.", lambda one: one.failures),
    ("pending_deletions", "gauge", "Messages still to be deleted on the server.", lambda one: one.pending),
    ("runs_total", "counter", "Runs.", lambda one: one.runs),
    ("failed_runs_total", "counter", "Runs that failed.", lambda one: one.failed_runs),
    ("messages_total", "counter", "Messages delivered.", lambda one: one.fetched),
    ("message_bytes_total", "counter", "Octets of these messages.", lambda one: one.octets),
    ("deleted_messages_total", "counter", "Messages deleted on the server.", lambda one: one.deleted),
    ("quarantined_messages_total", "counter", "Messages put aside.", lambda one: one.quarantined),
)


def metrics(standings: Iterable[Standing]) -> str:
    """All metrics of all accounts, as text."""
    accounts = list(standings)
    lines = []
    for name, kind, help_text, value_of in _METRICS:
        full = f"pillarbox_fetch_{name}"
        lines += [f"# HELP {full} {help_text}", f"# TYPE {full} {kind}"]
        for one in accounts:
            value = value_of(one)
            if value is not None:
                lines.append(f'{full}{{account="{_label(one.name)}"}} {value!r}')
    return "\n".join(lines) + "\n"


def write_metrics(path: Path, standings: Iterable[Standing]) -> None:
    """Replace the file. It is readable by all, as the exporter is somebody else.

    Raises:
        OSError: it cannot be written.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(metrics(standings), encoding="utf-8")
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
