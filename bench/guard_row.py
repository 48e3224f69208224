"""What the guard costs: logins with an app password, guard on, against logins with the own password, guard off.

Both servers are ours, and one account polls each, one session at a time, since every app password is one account's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench.corpus import fill_small, user_name
from bench.load import PASSWORD, Job
from bench.method import RowResult, compare, interleave, sample
from bench.servers import Pillarbox

if TYPE_CHECKING:
    from bench.rows import Bench, Row

__all__ = ["measure"]

_ON, _OFF = "guard-on", "guard-off"
_MESSAGES = 50


def measure(bench: Bench, wanted: Mapping[str, Row]) -> Iterator[RowResult]:
    """The one row of this group."""
    (row,) = wanted.values()
    user = user_name(0)
    guards = {_ON: True, _OFF: False}
    kits = {name: Pillarbox(name, bench.directory / name, [user], bench.certificate, on) for name, on in guards.items()}
    passwords = {_ON: kits[_ON].app_password(user), _OFF: PASSWORD}
    for kit in kits.values():
        fill_small(kit.mail, kit.owner, 1, _MESSAGES)
    with ExitStack() as stack:
        running = {name: stack.enter_context(bench.start(kit)) for name, kit in kits.items()}

        def work(name: str) -> int:
            job = Job("stat", kits[name].port, users=1, seconds=bench.plan.slice, password=passwords[name])
            return bench.generator.run(job).sessions

        for name in kits:
            work(name)  # warms password checks and caches
        costs = interleave(list(kits), work, lambda name: running[name].cpu() * 1e6, bench.plan.rounds)
    on, off = costs[_ON], costs[_OFF]
    note = "the column of the peer is ours, too: own password, guard off"
    yield RowResult(row.key, row.title, row.unit, sample(on), sample(off), compare(on, off), row.goal, note=note)
