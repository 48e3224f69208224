"""One account's run: everything that is new is fetched, everything that is due is deleted, exactly once.

Rules: a run is one blocking call, made in a thread of its own; nothing is global, so that many run side by side; every
problem that can be expected ends up in the result, never as an exception; whatever happens, what is staged, delivered
or pending is in the journal, and the next run goes on from there.

Elsewhere: schedules, back-off and files of settings (they call this); what one session does (`session`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from pillarbox.client.auth import Auth, Password
from pillarbox.client.blocking import Client
from pillarbox.client.errors import (
    ClientError,
    ConnectError,
    ConnectionLost,
    DeadlineExceeded,
    InUse,
    LimitExceeded,
    LoginDelay,
    ProtocolError,
    TemporaryError,
)
from pillarbox.client.values import Progress
from pillarbox.events.sink import NullSink, Sink
from pillarbox.events.types_fetch import FetchEnded, FetchFailed
from pillarbox.fetch import journal_file
from pillarbox.fetch.delivering import Delivering
from pillarbox.fetch.destination import DestinationError
from pillarbox.fetch.durable import Durable
from pillarbox.fetch.errors import FetchError, staging_problem
from pillarbox.fetch.journal import Journal
from pillarbox.fetch.quarantine import Quarantine
from pillarbox.fetch.session import Session
from pillarbox.fetch.settings import FetchAccount, FetchProgress, ProgressSink, RunResult, Step, StepSink
from pillarbox.fetch.staging import Staging
from pillarbox.fetch.telling import Telling
from pillarbox.fetch.tools import Tools

LONGEST_DELAY = 900.0
"""Seconds a run waits for a server's LOGIN-DELAY to pass; a longer one ends it, and the next run goes on."""

_BROKEN = (ConnectionLost, DeadlineExceeded, LimitExceeded, ProtocolError)
"""What may be one message's fault, or the line's: worth another session, in which that message comes last."""


def run_account(
    account: FetchAccount,
    *,
    events: Sink | None = None,
    progress: ProgressSink | None = None,
    stop: threading.Event | None = None,
    clock: Callable[[], float] = time.time,
    step: StepSink | None = None,
) -> RunResult:
    """Fetch from one account until nothing is left to be done.

    Args:
        account: what to do.
        events: told of everything noteworthy.
        progress: called for every piece that arrives, in this thread.
        stop: set by another thread to end the run after the messages that are on their way.
        clock: UTC seconds.
        step: called at each `Step`, from more than one thread; for tests.

    Returns: what was done. It never raises what can be expected; see `RunResult.error`.
    """
    events = events or NullSink()
    result = RunResult(account.name)
    began = clock()
    try:
        with Journal(account.journals, account.name, clock=clock, kept_days=account.kept_days) as journal:
            try:
                _Run(
                    account,
                    journal,
                    result,
                    events,
                    progress or _no_progress,
                    stop or threading.Event(),
                    clock,
                    step or _no_step,
                ).all()
            finally:
                result.pending = journal.pending()
    except (ClientError, DestinationError, FetchError) as error:
        result.error = error
    result.seconds = clock() - began
    events.emit(_event(result))
    return result


def is_temporary(error: Exception) -> bool:
    """Whether the next run may succeed without anybody doing anything."""
    if isinstance(error, DestinationError | FetchError):
        return error.temporary
    return isinstance(error, (ConnectError, InUse, LoginDelay, TemporaryError, *_BROKEN))


def private_directory(account: FetchAccount, kind: str) -> Path:
    """Where an account's own files of a kind are: "staging", "quarantine"."""
    return account.journals / kind / journal_file.file_name(account.name).removesuffix(".journal")


class _Run:
    """The sessions of one run."""

    def __init__(
        self,
        account: FetchAccount,
        journal: Journal,
        result: RunResult,
        events: Sink,
        progress: ProgressSink,
        stop: threading.Event,
        clock: Callable[[], float],
        step: StepSink,
    ) -> None:
        self._account = account
        self._journal = journal
        self._result = result
        self._events = events
        self._progress = progress
        self._stop = stop
        self._clock = clock
        self._step = step
        self._telling = Telling(account, journal, result, events, progress)
        self._delay = 0.0
        self._login = 0.0

    def all(self) -> None:
        """The destination is opened, what is left over is finished, then one session follows the other."""
        self._journal.keep(self._account.delete_after)
        destination = self._account.destination
        destination.open()
        try:
            directory = self._directory()
            with self._durable(directory) as durable:
                self._sessions(self._tools(directory, durable))
        finally:
            destination.close()

    def _directory(self) -> Path:
        """Where messages are staged."""
        account = self._account
        directory = account.destination.staging()
        if directory is None:
            directory = private_directory(account, "staging")
            try:
                directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                raise staging_problem(error, directory) from error
        return directory

    def _durable(self, directory: Path) -> Durable:
        try:
            return Durable.best(directory)
        except OSError as error:
            raise staging_problem(error, directory) from error

    def _tools(self, directory: Path, durable: Durable) -> Tools:
        account = self._account
        staging = Staging(directory, account.name, account.destination.line_ends)
        quarantine = Quarantine(private_directory(account, "quarantine"))
        delivering = Delivering(account, self._journal, directory, quarantine, self._events, self._step, durable)
        self._telling.count(delivering.recover())
        staging.sweep()
        return Tools(
            account,
            self._journal,
            staging,
            delivering,
            self._result,
            self._telling,
            self._events,
            self._step,
            self._stop,
            self._clock,
        )

    def _sessions(self, tools: Tools) -> None:
        reconnections = self._account.reconnections
        more = True
        while more:
            if self._stop.is_set() or not self._may_log_in():
                self._result.interrupted = True
                return
            before = self._progressed()
            try:
                more = self._session(tools) and self._progressed() > before
            except _BROKEN:
                if reconnections == 0 or self._result.sessions == 0 or self._stop.is_set():
                    raise
                reconnections -= 1
        self._result.interrupted = self._stop.is_set()

    def _progressed(self) -> int:
        """Grows with everything that need not be done again: a session that achieves nothing is the last one."""
        r = self._result
        return r.fetched + r.recognised + r.filtered + r.skipped + r.deleted + r.quarantined

    def _may_log_in(self) -> bool:
        """Wait until the server lets us log in again. False when the run is to end instead."""
        wait = self._login + self._delay - self._clock()
        if wait <= 0:
            return True
        return wait <= LONGEST_DELAY and not self._stop.wait(wait)

    def _session(self, tools: Tools) -> bool:
        account = self._account
        box = Client(
            account.url,
            user=account.user,
            auth=self._auth(),
            tls=account.tls,
            timeout=account.timeout,
            limits=account.limits,
            events=self._events,
            connect=account.connect,
            lenient_lf=account.lenient_lf,
            pipelining=account.pipelining,
            progress=self._piece if self._progress is not _no_progress else None,
        )
        box.open()
        self._login = self._clock()
        self._result.sessions += 1
        try:
            self._journal.let_in_by(box.mechanism)
            self._delay = float(box.capabilities.login_delay or 0)
            return Session(box, tools).run()
        finally:
            box.close()

    def _auth(self) -> Auth | None:
        account = self._account
        if account.password is None:
            return account.auth
        return Password(account.password, first=self._journal.mechanism())

    def _piece(self, progress: Progress) -> None:
        self._telling.arriving(progress.octets)


def _event(result: RunResult) -> FetchEnded | FetchFailed:
    error = result.error
    if error is not None:
        return FetchFailed(
            account=result.account,
            fetched=result.fetched,
            deleted=result.deleted,
            pending=result.pending,
            error=type(error).__name__,
            reason=str(error),
            temporary=is_temporary(error),
        )
    return FetchEnded(
        account=result.account,
        fetched=result.fetched,
        octets=result.octets,
        recognised=result.recognised,
        filtered=result.filtered,
        skipped=result.skipped,
        deleted=result.deleted,
        pending=result.pending,
        failed=result.failed,
        quarantined=result.quarantined,
        sessions=result.sessions,
        seconds=result.seconds,
    )


def _no_progress(progress: FetchProgress) -> None:
    pass


def _no_step(step: Step) -> None:
    pass
