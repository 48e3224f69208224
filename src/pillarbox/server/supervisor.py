"""The parent of all workers: starts them, replaces those that die, reloads and stops. It reads no mail and no client.

Rules: one loop, no threads, no asyncio; it may stay root while its children do not; a listening socket outlives the
workers that accept from it; new settings are checked as a whole before anything changes; a reload starts a second
generation of workers and then lets the first finish its sessions, however long they take.

Signals: SIGTERM, SIGINT and SIGQUIT stop (a second one at once), SIGHUP reloads.

Elsewhere: forking and its aftermath in the child (`process`); ports (`listeners`); what a worker does (the callable).
"""

from __future__ import annotations

import contextlib
import datetime
import os
import signal
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass

from pillarbox.config.problem import ConfigError, Problem
from pillarbox.config.schema import Settings
from pillarbox.config.schema_listener import Listener
from pillarbox.events import (
    Reloaded,
    ReloadRefused,
    ServerStarted,
    ServerStopped,
    ServerStopping,
    Sink,
    Warned,
    WorkerEnded,
)
from pillarbox.server.certificates import certificate_warnings
from pillarbox.server.gate import GateMemory
from pillarbox.server.generation import POLICY_API, Generation, Phase, Plan
from pillarbox.server.listeners import Listeners
from pillarbox.server.privileges import identity, keep_secrets_in_memory
from pillarbox.server.process import Birth, RunWorker, Worker, WorkerStart, cause, fork
from pillarbox.server.signals import SignalWaiter
from pillarbox.server.systemd import ActivationError, Notifier, listening_sockets
from pillarbox.server.tls import build_context

GENERATIONS = 8
"""Generations of workers that can be alive at once: one serves, the others finish their sessions after reloads."""

START_SECONDS = 60.0
"""A worker that is not ready after this has failed to start."""

KILL_MARGIN = 8.0
"""Seconds beyond `timeouts.shutdown` after which a worker that has not ended is killed: it takes a few more to tell
sessions between commands that they must go (P57)."""

_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class StartError(ConfigError):
    """Workers could not be started. The problems hold what they said about it."""


@dataclass(frozen=True, slots=True)
class World:
    """What the supervisor takes from outside.

    Attributes:
        load_settings: reads and checks the configuration; raises ConfigError.
        run_worker: what a worker does.
        sink: takes events; written to by the parent and, after forking, by each worker.
        environ: the environment, from which systemd's variables are taken out.
        now: the time (aware), for looking at certificates.
        key: 16 random octets for counting connections.
        version: of the program, for the event of the start.
    """

    load_settings: Callable[[], Settings]
    run_worker: RunWorker
    sink: Sink
    environ: MutableMapping[str, str]
    now: Callable[[], datetime.datetime]
    key: bytes
    version: str


class Supervisor:
    """Runs the server until it is told to stop."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._emit = world.sink.emit
        self._generations: list[Generation] = []
        self._reload_asked = False
        self._stop_deadline: float | None = None
        self._signals = SignalWaiter((*_STOPPING, signal.SIGHUP, signal.SIGCHLD))

    def run(self) -> int:
        """Serve, and return the exit status once the last worker has ended.

        Raises:
            ConfigError: settings, certificates, ports or privileges are not as they must be, or no worker starts.
        """
        keep_secrets_in_memory()
        pid = os.getpid()
        try:
            self._listeners = Listeners(listening_sockets(self._world.environ, pid))
        except ActivationError as error:
            raise StartError([Problem("listener", str(error))]) from None
        self._notifier = Notifier(self._world.environ, pid)
        self._watchdog_due = time.monotonic()
        plan = self._prepare()
        self._memory = GateMemory(GENERATIONS * len(plan.numbers), self._world.key)
        with self._signals:
            try:
                self._start(Generation(plan, first=True))
                while self._generations:
                    self._turn()
            finally:
                self._kill_all()
        self._emit(ServerStopped())
        return 0

    # ---- the loop -----------------------------------------------------------------------------------------

    def _turn(self) -> None:
        """Wait for something to happen, and deal with it."""
        workers = [worker for generation in self._generations for worker in generation.workers.values()]
        pipes = {worker.pipe: worker for worker in workers if worker.pipe >= 0}
        came, readable = self._signals.wait(self._patience(), pipes)
        for pipe in readable:
            pipes[pipe].read_report()
        for number in came:
            if number in _STOPPING:
                self._stop()
            elif number == signal.SIGHUP:
                self._reload_asked = True
        self._reap()
        self._replace_due(time.monotonic())
        self._settle()

    def _patience(self) -> float | None:
        """Seconds until something is due."""
        due = [time_ for generation in self._generations for time_ in generation.due_times(START_SECONDS)]
        if self._stop_deadline is not None:
            due.append(self._stop_deadline)
        if self._notifier.watchdog_interval is not None:
            due.append(self._watchdog_due)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _settle(self) -> None:
        """What follows from what is known now."""
        now = time.monotonic()
        if self._notifier.watchdog_interval is not None and now >= self._watchdog_due:
            self._notifier.watchdog()
            self._watchdog_due = now + self._notifier.watchdog_interval
        if self._stop_deadline is not None:
            if now >= self._stop_deadline:
                self._kill_late()
        else:
            for generation in list(self._generations):
                if generation.phase is Phase.STARTING:
                    self._look_at_start(generation, now)
            if self._reload_asked and all(one.phase is not Phase.STARTING for one in self._generations):
                self._reload_asked = False
                self._reload()
        self._generations = [one for one in self._generations if not one.is_over()]

    # ---- starting -----------------------------------------------------------------------------------------

    def _prepare(self) -> Plan:
        """Read and check everything a generation needs, and bind its ports.

        Raises:
            ConfigError: something is wrong; nothing has changed.
        """
        settings = self._world.load_settings()
        tls = build_context(settings.tls)
        plan = Plan(settings, tls, identity(settings.server), _worker_count(settings))
        self._listeners.add(_ports(settings), plan.workers)
        for warning in certificate_warnings(settings.tls, self._world.now()):
            self._emit(Warned(about="certificate", text=str(warning)))
        return plan

    def _start(self, generation: Generation) -> None:
        self._generations.append(generation)
        for number in generation.plan.numbers:
            self._spawn(generation, number)

    def _spawn(self, generation: Generation, number: int) -> None:
        slot = self._free_slot()
        birth = Birth(
            identity=generation.plan.identity,
            forget=self._forget_in_child,
            sink=self._world.sink,
            run=self._world.run_worker,
            start=lambda ready: self._worker_start(generation.plan, number, slot, ready),
        )
        try:
            pid, pipe = fork(birth)
        except OSError as error:
            generation.failed(number, f"the system cannot start a process: {error.strerror}", time.monotonic(), 0.0)
            return
        generation.workers[pid] = Worker(pid, number, slot, time.monotonic(), pipe)

    def _free_slot(self) -> int:
        """A slot of the gate's memory for a new worker. `_reload` has seen to it that there is one."""
        used = {worker.slot for generation in self._generations for worker in generation.workers.values()}
        slot = next(slot for slot in range(self._memory.slots) if slot not in used)
        self._memory.use(max(used | {slot}) + 1)
        return slot

    def _forget_in_child(self) -> None:
        self._signals.forget_in_child()
        for generation in self._generations:
            for worker in generation.workers.values():
                if worker.pipe >= 0:
                    os.close(worker.pipe)

    def _worker_start(self, plan: Plan, number: int, slot: int, ready: Callable[[], None]) -> WorkerStart:
        """In the child: what it is given, and nothing else is left open."""
        if number == POLICY_API:
            sockets = self._listeners.share(plan.settings.policy_api.listeners(), 0, 1)
        else:
            sockets = self._listeners.share(plan.settings.listener, number - 1, plan.workers)
        self._listeners.close_except(sockets)
        gate = self._memory.gate(slot, plan.settings.limits)
        return WorkerStart(plan.settings, plan.tls, number, sockets, gate, ready)

    def _look_at_start(self, generation: Generation, now: float) -> None:
        """Go on if all its workers are ready, give up if it cannot come to that, or else keep waiting."""
        for worker in generation.workers.values():
            if not worker.ready and now - worker.started >= START_SECONDS:
                worker.reason = f"it was not ready after {START_SECONDS:.0f} seconds"
                _send(worker, signal.SIGKILL)
        if generation.all_ready():
            self._serve(generation)
        elif generation.is_hopeless():
            if generation.first:
                raise StartError([Problem("", "the workers cannot start", reason) for reason in generation.reasons()])
            self._abandon(generation)

    def _serve(self, generation: Generation) -> None:
        """Its workers answer: let those of earlier generations finish."""
        for earlier in self._generations:
            if earlier.phase is Phase.SERVING:
                self._drain(earlier)
        generation.phase = Phase.SERVING
        self._listeners.keep(_ports(generation.plan.settings))
        if generation.first:
            places = self._places(generation.plan.settings)
            self._emit(ServerStarted(listeners=places, workers=generation.plan.workers, version=self._world.version))
        else:
            self._emit(Reloaded())
        self._notifier.ready(self._status(generation))

    def _status(self, generation: Generation) -> str:
        return f"{generation.plan.workers} workers serve {', '.join(self._places(generation.plan.settings))}"

    def _places(self, settings: Settings) -> list[str]:
        policy = self._listeners.describe(settings.policy_api.listeners())
        return self._listeners.describe(settings.listener) + [f"{place.split()[0]} (policy API)" for place in policy]

    # ---- the ends of workers ------------------------------------------------------------------------------

    def _reap(self) -> None:
        """Take leave of every child that has ended."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self._ended(*ended)

    def _ended(self, pid: int, status: int) -> None:
        found = [generation for generation in self._generations if pid in generation.workers]
        if not found:
            return  # a stranger's child, left to us when we are the first process of a container
        generation = found[0]
        worker = generation.workers.pop(pid)
        worker.read_report()
        self._memory.clear(worker.slot)
        asked = self._stop_deadline is not None or (generation.phase is Phase.DRAINING and status == 0)
        if asked:
            return
        reason = "; ".join(filter(None, (cause(status), worker.reason)))
        self._emit(WorkerEnded(worker=worker.number, pid=pid, cause=reason))
        now = time.monotonic()
        generation.failed(worker.number, worker.reason or reason, now, now - worker.started)

    def _replace_due(self, now: float) -> None:
        if self._stop_deadline is not None:
            return
        for generation in self._generations:
            for number in generation.take_due(now):
                self._spawn(generation, number)

    # ---- reloading ----------------------------------------------------------------------------------------

    def _reload(self) -> None:
        self._notifier.reloading(time.monotonic())
        try:
            plan = self._prepare()
        except ConfigError as error:
            self._refuse([str(problem) for problem in error.problems])
            return
        taken = sum(generation.places() for generation in self._generations)
        if taken + len(plan.numbers) > self._memory.slots:
            self._undo_listeners()
            what = f"{taken} workers are serving, or finishing sessions since earlier reloads"
            instead = f"there is room for {self._memory.slots}: reload when some have ended, or restart the server"
            self._refuse([str(Problem("server.workers", what, instead))])
            return
        self._start(Generation(plan, first=False))

    def _abandon(self, generation: Generation) -> None:
        """The new generation does not start: let the old one go on."""
        reasons = generation.reasons()
        for worker in generation.workers.values():
            if not worker.ready:  # those that were ready may have sessions already, and finish them
                _send(worker, signal.SIGKILL)
        self._drain(generation)
        self._undo_listeners()
        self._refuse(reasons)

    def _undo_listeners(self) -> None:
        for generation in self._generations:
            if generation.phase is Phase.SERVING:
                self._listeners.keep(_ports(generation.plan.settings))

    def _refuse(self, problems: list[str]) -> None:
        self._emit(ReloadRefused(problems=problems))
        for generation in self._generations:
            if generation.phase is Phase.SERVING:
                self._notifier.ready(f"{self._status(generation)}; the last reload was refused")

    def _drain(self, generation: Generation) -> None:
        generation.drain()
        for worker in generation.workers.values():
            if worker.ready:
                _send(worker, signal.SIGQUIT)
            else:
                _send(worker, signal.SIGKILL)

    # ---- stopping -----------------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Ask all workers to end; at the second call, end them."""
        if self._stop_deadline is not None:
            self._kill_all()
            return
        grace = max(generation.plan.settings.timeouts.shutdown for generation in self._generations)
        self._stop_deadline = time.monotonic() + grace + KILL_MARGIN
        self._notifier.stopping(f"finishing sessions, for at most {grace:g} seconds")
        self._emit(ServerStopping(grace=grace))
        self._listeners.close_except(())
        for generation in self._generations:
            generation.drain()
            for worker in generation.workers.values():
                _send(worker, signal.SIGTERM)

    def _kill_late(self) -> None:
        late = sum(len(generation.workers) for generation in self._generations)
        if late:
            self._emit(Warned(about="shutdown", text=f"{late} workers did not end in time and were killed"))
        self._kill_all()

    def _kill_all(self) -> None:
        """End every worker now, and wait for it to be gone: SIGKILL is not refused."""
        for generation in self._generations:
            for pid, worker in generation.workers.items():
                _send(worker, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)
            generation.workers.clear()


def _send(worker: Worker, number: signal.Signals) -> None:
    """Signal a worker that has not been reaped, so that its id cannot belong to another process."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker.pid, number)


def _ports(settings: Settings) -> tuple[Listener, ...]:
    """All that is bound: the listeners of POP3, and the one of the policy API."""
    return (*settings.listener, *settings.policy_api.listeners())


def _worker_count(settings: Settings) -> int:
    return settings.server.workers or len(os.sched_getaffinity(0))
