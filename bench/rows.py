"""What is measured: one function a group of rows that share running servers, and the goal of each row.

Every group starts its servers afresh, warms them (password checks, caches and indexes as in a server that has run for
a while), measures, and stops them. A row that cannot be measured says why and does not stop the others.
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench import guard_row
from bench.corpus import deliver, fill_large, user_name
from bench.load import Generator, Job, LoadError, Outcome
from bench.method import Goal, RowResult, Sample, compare, interleave, sample
from bench.process import Running, ServerError
from bench.servers import Certificate, Kit, Nginx

__all__ = ["GROUPS", "Bench", "Plan", "Row", "row_keys"]

_MICRO = 1e6
_OCTETS_APART = 0.02  # the share by which the two servers' traffic for the same work may differ (wording of replies)
_EQUAL = Goal(1.15, low=0.85)  # what the self-test demands: wider than a quiet machine needs
_SETTLING = 2.5  # seconds
_WORKERS_USERS = 16
_LARGE = 100_000  # messages that the goals for large maildrops are about
LARGE_PREFIXES = ("plain", "hinted")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure: `rounds` of interleaved slices, `repeats` of the rows that start servers or watch the clock.

    `slice` and `long_slice` (for those by the clock) are in seconds; `large` is the messages of a large maildrop.
    """

    rounds: int
    users: int
    large: int
    repeats: int
    long_slice: float
    messages: int = 50
    slice: float = 0.4


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table before it is measured."""

    key: str
    title: str
    unit: str
    goal: Goal | None


@dataclass
class Bench:
    """What every group works with: two servers that can be started, a load generator, the cores, the plan.

    `names` in the groups are always (ours, peer), in this order. `only` holds the keys of the rows asked for.
    """

    plan: Plan
    ours: Kit
    peer: Kit
    directory: Path
    certificate: Certificate
    only: frozenset[str]
    cores: Sequence[int]
    self_test: bool = False
    cpu_source: str = ""
    generator: Generator = field(init=False)

    def __post_init__(self) -> None:
        self.generator = Generator(self.cores[1:] or self.cores)

    def start(self, kit: Kit, workers: int = 1) -> Running:
        """Start a server with that many processes, each on its core."""
        running = Running(kit.name, kit.configure(workers), self.cores[:workers], kit.port, kit.log)
        self.cpu_source = running.cpu_source
        return running

    @contextmanager
    def servers(self) -> Iterator[Mapping[str, Running]]:
        """Both servers while the block runs."""
        with ExitStack() as stack:
            yield {kit.name: stack.enter_context(self.start(kit)) for kit in (self.ours, self.peer)}

    def kit(self, name: str) -> Kit:
        """The server of that name."""
        return self.ours if name == self.ours.name else self.peer

    def job(self, kit: Kit, mode: str, tls: bool = False) -> Job:
        """A job for all the small maildrops of a server, one slice long."""
        port = kit.tls_port if tls else kit.port
        return Job(mode, port, tls=tls, users=self.plan.users, seconds=self.plan.slice)

    def warm(self, kit: Kit, mode: str, threads: int) -> None:
        """One session of every user."""
        users = self.plan.users
        self.generator.run(Job(mode, kit.port, threads=threads, users=users, sessions=users))

    def warm_workers(self, kit: Kit, users: int) -> None:
        """So many sessions of a few users that every worker has most probably met every one of them.

        The kernel chooses the worker of a connection, and each remembers the passwords that it has checked itself.
        """
        self.generator.run(Job("stat", kit.port, users=users, threads=users, sessions=users * 12))

    def compare_cpu(
        self, row: Row, running: Mapping[str, Running], work: Callable[[Kit], int], yardstick: float | None = None
    ) -> RowResult:
        """Measure a row of CPU per unit of work, in `row.unit` ("µs" or "ms"), with the servers taking turns."""
        scale = _MICRO if row.unit == "µs" else 1e3
        for kit in (self.peer, self.ours):
            work(kit)  # the first slice of a kind warms caches that no earlier one needed
        costs = interleave(
            [self.ours.name, self.peer.name],
            lambda name: work(self.kit(name)),
            lambda name: running[name].cpu() * scale,
            self.plan.rounds,
        )
        ours, peer = costs[self.ours.name], costs[self.peer.name]
        return self.finish(row, ours, peer, yardstick)

    def alone(self, row: Row, ours: Sample, peer: Sample, note: str = "") -> RowResult:
        """The result of a row whose figure is ours alone; the peer's stands beside it."""
        goal = None if self.self_test else row.goal
        return RowResult(row.key, row.title, row.unit, ours, peer, ours, goal, note=note)

    def finish(
        self, row: Row, ours: Sequence[float], peer: Sequence[float], yardstick: float | None = None
    ) -> RowResult:
        """The result of a row whose figure is the ratio of ours to the peer."""
        goal = _EQUAL if self.self_test else row.goal
        return RowResult(row.key, row.title, row.unit, sample(ours), sample(peer), compare(ours, peer), goal, yardstick)


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that share running servers, and the function that measures those asked for."""

    rows: tuple[Row, ...]
    measure: Callable[[Bench, Mapping[str, Row]], Iterator[RowResult]]

    def run(self, bench: Bench) -> Iterator[RowResult]:
        """Measure the rows asked for; those that a failure left out come back with its message."""
        wanted = {row.key: row for row in self.rows if row.key in bench.only}
        left = dict(wanted)
        if not wanted:
            return
        try:
            for result in self.measure(bench, wanted):
                left.pop(result.key)
                yield result
        except (LoadError, ServerError, ValueError) as error:
            for row in left.values():
                yield RowResult(row.key, row.title, row.unit, goal=row.goal, failed=str(error))


def _sessions(bench: Bench, wanted: Mapping[str, Row]) -> Iterator[RowResult]:
    modes = {"login": "stat", "login-tls": "stat", "drain": "drainp", "drain-tls": "drainp"}
    yardsticks = _yardsticks(bench, wanted)
    with bench.servers() as running:
        for kit in (bench.peer, bench.ours):
            bench.warm(kit, "drainp", threads=8)
        for key, row in wanted.items():
            last: dict[str, Outcome] = {}

            def work(kit: Kit, key: str = key, last: dict[str, Outcome] = last) -> int:
                outcome = bench.generator.run(bench.job(kit, modes[key], tls=key.endswith("tls")))
                last[kit.name] = outcome
                return outcome.sessions

            result = bench.compare_cpu(row, running, work, yardsticks.get(key))
            if modes[key] == "drainp":
                _same_traffic(last[bench.ours.name], last[bench.peer.name])
            yield result


def _same_traffic(ours: Outcome, peer: Outcome) -> None:
    """Refuse a comparison in which one server sent other mail than the other.

    Raises:
        ValueError: messages or octets per session differ.
    """
    apart = abs(ours.octets / ours.sessions / (peer.octets / peer.sessions) - 1)
    if ours.messages / ours.sessions != peer.messages / peer.sessions or apart > _OCTETS_APART:
        raise ValueError(f"the servers sent different mail for the same session: {ours} against {peer}")


def _yardsticks(bench: Bench, wanted: Mapping[str, Row]) -> Mapping[str, float]:
    """CPU of nginx in µs for the same octets (a drain), or for a handshake and one tiny file (login-tls)."""
    keys = [key for key in ("login-tls", "drain", "drain-tls") if key in wanted]
    if not keys or shutil.which("nginx") is None:
        return {}
    nginx = Nginx(bench.directory / "nginx", bench.certificate)
    nginx.link(bench.peer.mail, [user_name(number) for number in range(bench.plan.users)])
    tiny = nginx.www / user_name(0, "tiny")
    tiny.mkdir()
    (tiny / "1").write_text("tiny\n")
    found = {}
    with Running("nginx", nginx.configure(), bench.cores[:1], nginx.port, nginx.log, greets=False) as running:
        for key in keys:
            tls = key.endswith("tls")
            port = nginx.tls_port if tls else nginx.port
            job = Job(
                "http", port, tls=tls, users=bench.plan.users, files=bench.plan.messages, seconds=bench.plan.slice
            )
            if key == "login-tls":
                job = Job("http", port, tls=tls, prefix="tiny", users=1, threads=1, files=1, seconds=bench.plan.slice)
            costs = []
            for _ in range(3):
                before = running.cpu()
                sessions = bench.generator.run(job).sessions
                costs.append((running.cpu() - before) / sessions * _MICRO)
            found[key] = statistics.median(costs)
    shutil.rmtree(nginx.www)
    return found


def _memory(bench: Bench, wanted: Mapping[str, Row]) -> Iterator[RowResult]:
    growth: dict[tuple[str, str], float] = {}
    for kit in (bench.peer, bench.ours):
        for key in wanted:
            with bench.start(kit) as running:
                bench.warm(kit, "stat", threads=1)
                time.sleep(1)  # memory of the password checks is given back a little later
                before = running.memory()
                with bench.generator.hold(bench.job(kit, "hold", tls=key.endswith("tls"))) as held:
                    time.sleep(1)
                    growth[kit.name, key] = (running.memory() - before) / held.sessions / 1024
    for key, row in wanted.items():
        yield bench.finish(row, [growth[bench.ours.name, key]], [growth[bench.peer.name, key]])


def _large(bench: Bench, wanted: Mapping[str, Row]) -> Iterator[RowResult]:
    with bench.servers() as running:
        for prefix in LARGE_PREFIXES:
            rows = [row for key, row in wanted.items() if key.removesuffix("-new") == f"large-{prefix}"]
            if not rows:
                continue
            for kit in (bench.peer, bench.ours):
                fill_large(kit.mail / user_name(0, prefix), kit.owner, bench.plan.large, prefix == "hinted")
            _settle(bench, prefix)
            if bench.plan.large < _LARGE:
                rows = [replace(row, goal=None) for row in rows]
            for row in rows:
                yield bench.compare_cpu(row, running, _large_session(bench, prefix, row.key.endswith("-new")))
            for kit in (bench.peer, bench.ours):
                shutil.rmtree(kit.mail / user_name(0, prefix))


def _settle(bench: Bench, prefix: str) -> None:
    """Let both servers index a new maildrop, until the age of its directories no longer makes them scan it again.

    A directory changed within the last seconds may change again unseen (its time stamp is coarse), so servers rightly
    do not trust it yet; without this pause the row measured how soon each one began to.
    """
    session = _large_session(bench, prefix, with_delivery=False)
    for pause in (_SETTLING, 0):
        for kit in (bench.peer, bench.ours):
            session(kit)
        time.sleep(pause)


def _large_session(bench: Bench, prefix: str, with_delivery: bool) -> Callable[[Kit], int]:
    delivered = 0

    def work(kit: Kit) -> int:
        nonlocal delivered
        if with_delivery:
            delivered += 1
            deliver(kit.mail / user_name(0, prefix), kit.owner, delivered)
        job = Job("stat", kit.port, users=1, threads=1, prefix=prefix, sessions=1)
        return bench.generator.run(job).sessions

    return work


def _startup(bench: Bench, wanted: Mapping[str, Row]) -> Iterator[RowResult]:
    seconds: dict[str, list[float]] = {bench.ours.name: [], bench.peer.name: []}
    for _ in range(bench.plan.repeats):
        for kit in (bench.ours, bench.peer):
            with bench.start(kit) as running:
                seconds[kit.name].append(running.startup * 1e3)
    row = wanted["startup"]
    ours = sample(seconds[bench.ours.name])
    peer = sample(seconds[bench.peer.name])
    yield bench.alone(row, ours, peer)


def _workers(bench: Bench, wanted: Mapping[str, Row]) -> Iterator[RowResult]:
    row = wanted["workers"]
    if len(bench.cores) < 2:
        raise ValueError("this machine has one core")
    rate: dict[int, list[float]] = {1: [], 2: []}
    cost: dict[int, list[float]] = {1: [], 2: []}
    own_core = len(bench.cores) > 2
    generator = Generator(bench.cores[2:] if own_core else bench.cores[:2])
    for _ in range(bench.plan.repeats):
        for workers in (1, 2):
            with bench.start(bench.ours, workers) as running:
                bench.warm_workers(bench.ours, _WORKERS_USERS)
                before = running.cpu()
                outcome = generator.run(
                    Job("stat", bench.ours.port, threads=16, users=_WORKERS_USERS, seconds=bench.plan.long_slice)
                )
                rate[workers].append(outcome.sessions / outcome.seconds)
                cost[workers].append((running.cpu() - before) / outcome.sessions)
    wall = compare(rate[2], rate[1])
    if own_core:
        yield RowResult(row.key, row.title, row.unit, sample(rate[2]), None, wall, row.goal)
        return
    computed = sample([2 * one / two for one, two in zip(cost[1], cost[2], strict=True)])
    note = (
        f"not judged (goal {row.goal}): on two cores the load generator has none of its own. The figure is what CPU "
        f"per session allows, 2 × one worker's ÷ two workers'; by the clock, with it in the way, {wall.median:.2f}"
    )
    yield RowResult(row.key, row.title, row.unit, sample(rate[2]), None, computed, None, note=note)


def _latency(bench: Bench, wanted: Mapping[str, Row]) -> Iterator[RowResult]:
    row, users = wanted["latency"], bench.plan.users
    idle: dict[str, list[float]] = {bench.ours.name: [], bench.peer.name: []}
    loaded: dict[str, list[float]] = {bench.ours.name: [], bench.peer.name: []}
    with bench.servers():
        for kit in (bench.ours, bench.peer):
            bench.warm(kit, "drainp", threads=8)
        for _ in range(bench.plan.repeats):
            for kit in (bench.ours, bench.peer):
                seconds = bench.plan.long_slice
                small = Job("stat", kit.port, threads=1, users=1, first=users - 1, seconds=seconds)
                bulk = Job("drainp", kit.port, threads=2, users=users - 1, seconds=seconds + 60)
                idle[kit.name].append(bench.generator.run(small).p99_ms)
                with bench.generator.beside(bulk):
                    loaded[kit.name].append(bench.generator.run(small).p99_ms)
    ours, peer = (compare(loaded[kit.name], idle[kit.name]) for kit in (bench.ours, bench.peer))
    note = ", ".join(
        f"{kit.name} {statistics.median(idle[kit.name]):.1f} → {statistics.median(loaded[kit.name]):.1f} ms"
        for kit in (bench.ours, bench.peer)
    )
    yield bench.alone(row, ours, peer, note)


GROUPS: tuple[Group, ...] = (
    Group(
        (
            Row("login", "login, STAT, QUIT", "µs", Goal(0.30)),
            Row("login-tls", "login, STAT, QUIT over TLS 1.3", "µs", Goal(0.55)),
            Row("drain", "UIDL and 50 RETR pipelined", "µs", Goal(0.55)),
            Row("drain-tls", "UIDL and 50 RETR pipelined over TLS 1.3", "µs", Goal(0.40)),
        ),
        _sessions,
    ),
    Group(
        (
            Row("memory", "memory of an idle session", "KiB", Goal(1 / 20)),
            Row("memory-tls", "memory of an idle session over TLS 1.3", "KiB", Goal(1 / 20)),
        ),
        _memory,
    ),
    Group(
        (
            Row("large-plain", "large maildrop: login, STAT", "ms", Goal(1 / 20)),
            Row("large-plain-new", "large maildrop after one delivery", "ms", Goal(1 / 4)),
            Row("large-hinted", "large maildrop with S= and W= in names", "ms", Goal(1 / 7)),
            Row("large-hinted-new", "the same after one delivery", "ms", Goal(1 / 4)),
        ),
        _large,
    ),
    Group((Row("guard", "login with an app password, guard on", "µs", Goal(1.20)),), guard_row.measure),
    Group((Row("startup", "start to first greeting, by the clock", "ms", Goal(500)),), _startup),
    Group((Row("workers", "two workers: sessions a second against one", "1/s", Goal(low=1.8)),), _workers),
    Group((Row("latency", "p99 of a small session under bulk, against idle", "×", Goal(2)),), _latency),
)


def row_keys() -> list[str]:
    """The keys of all rows, in the order of the table."""
    return [row.key for group in GROUPS for row in group.rows]
