"""The composition root: the only place that knows every part, and where clocks, randomness and disks come from.

`run_worker` is one worker process, built from settings and nothing else; authentication is put together in
`credentials`, the process that answers other servers in `policy_api`.
"""

from __future__ import annotations

import asyncio
import datetime
import functools
import importlib.util
import os
import pwd
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import uvloop

from pillarbox import __version__
from pillarbox.auth.guard import policy_key
from pillarbox.config import ConfigError, Problem
from pillarbox.config.schema import Settings
from pillarbox.events import Event, Level, NullSink, Sink, internal_error
from pillarbox.maildrop.stores.maildir import MaildirStore
from pillarbox.maildrop.stores.maildir import Source as IdSource
from pillarbox.server.connection import Times
from pillarbox.server.gate import Gate
from pillarbox.server.generation import POLICY_API
from pillarbox.server.pace import Pace
from pillarbox.server.privileges import identity
from pillarbox.server.process import WorkerStart
from pillarbox.server.worker import Entry, Worker
from pillarbox.session.context import Context, Policy
from pillarbox.watch.render import LogSink
from pillarbox.wiring.credentials import Authentication, mechanisms, sources, token_verifier

WATCH_SECONDS = 2.0
"""Seconds between looks at what has let the running sessions in: a revoked credential's session ends within five."""

LOG_DELAY = 0.05
"""Seconds that log lines gather before they are written together."""

_ID_SOURCES = {"file-name": None, "dovecot": IdSource.DOVECOT, "courier": IdSource.COURIER}


class LoopSink:
    """Passes events to a sink on the event loop, from whatever thread they come."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sink: Sink) -> None:
        self._loop = loop
        self._thread = threading.get_ident()
        self._sink = sink

    def emit(self, event: Event) -> None:
        """Take one event."""
        if threading.get_ident() == self._thread:
            self._sink.emit(event)
        else:
            self._loop.call_soon_threadsafe(self._sink.emit, event)


def log_sink(settings: Settings, fd: int, schedule: Callable[[Callable[[], None]], object] | None = None) -> LogSink:
    """The sink that `log.*` describes, writing to an open file descriptor."""
    level = Level[settings.log.level.upper()]
    return LogSink(fd, format=settings.log.format, level=level, clock=time.time, schedule=schedule)


def maildir_store(settings: Settings, sink: Sink) -> MaildirStore:
    """The Maildirs that `maildir.*` describes."""
    maildir = settings.maildir
    return MaildirStore(
        sink,
        clock=time.time,
        threads=maildir.scan_threads,
        source=_ID_SOURCES[maildir.unique_ids],
        dovecot_format=maildir.dovecot_format,
        mark_seen=maildir.mark_seen,
        must_exist=maildir.must_exist,
    )


def policy(settings: Settings) -> Policy:
    """What sessions obey."""
    limits = settings.limits
    return Policy(
        implementation=f"Pillarbox-{__version__}" if settings.server.announce_implementation else "",
        login_delay=settings.auth.login_delay,
        login_failures=limits.login_failures,
        bad_commands_before_login=limits.bad_commands_before_login,
        bad_commands=limits.bad_commands,
    )


def problems(settings: Settings) -> list[Problem]:
    """What would keep the server from working on this machine, with settings that are right in themselves."""
    found: list[Problem] = []
    target = Path(settings.log.target)
    if target.is_absolute() and not target.parent.is_dir():
        found.append(Problem("log.target", f"{target.parent} is not a directory", "create it, or name another file"))
    try:
        maildir_store(settings, NullSink())
    except ValueError as error:
        found.append(Problem("maildir.dovecot_format", str(error), 'write "%08Xu%08Xv"'))
    if os.geteuid() == 0 or (settings.server.user and not _known(settings.server.user)):
        found += _collected(lambda: identity(settings.server))
    for build in (sources, token_verifier):
        found += _collected(functools.partial(build, settings, NullSink()))
    return found + _policy_api_problems(settings)


def _policy_api_problems(settings: Settings) -> list[Problem]:
    """What is missing for other servers to ask the guard; nothing where they shall not."""
    found: list[Problem] = []
    if not settings.policy_api.enabled:
        return found
    if importlib.util.find_spec("h11") is None:
        instead = "install it: pip install 'pillarbox[policy]', or write enabled = false"
        found.append(Problem("policy_api.enabled", "the library h11 is missing", instead))
    if not settings.guard.enabled:
        found.append(
            Problem("policy_api.enabled", "the guard that it asks is switched off", "write guard.enabled = true")
        )
    if settings.policy_api.tls and settings.tls.certificate is None:
        found.append(Problem("policy_api.tls", "there is no `tls.certificate` to show", "name one under [tls]"))
    try:
        policy_key.load(settings.policy_key_file)
    except policy_key.PolicyKeyUnavailable as error:
        found.append(Problem("policy_api.key", error.reason))
    return found


def reminders(settings: Settings) -> list[Problem]:
    """What still has to be done before anybody can log in."""
    if "accounts" not in settings.auth.sources or settings.accounts_file.exists():
        return []
    what = f"there are no accounts yet: {settings.accounts_file} does not exist"
    return [Problem("auth.accounts", what, "add one, as the user the server runs as: pillarbox account add NAME")]


def _known(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _collected(build: Callable[[], object]) -> list[Problem]:
    try:
        build()
    except ConfigError as error:
        return list(error.problems)
    return []


def hostname(settings: Settings) -> str:
    """The name the server gives itself."""
    return settings.server.hostname or socket.getfqdn()


def entries(start: WorkerStart) -> list[Entry]:
    """A worker's sockets with what their listeners' settings say."""
    listeners = {listener.name: listener for listener in start.settings.listener}
    found = []
    for one in start.sockets:
        listener = listeners[one.listener]
        exceptions = [
            (network, exception.until.isoformat())
            for exception in listener.cleartext_login
            for network in exception.networks
        ]
        found.append(
            Entry(one.socket, listener.name, listener.tls == "implicit", start.tls, listener.proxy_protocol, exceptions)
        )
    return found


def run_worker(start: WorkerStart, log_fd: int) -> None:
    """Serve until told to stop; see `pillarbox.server.process.RunWorker`."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_answer_policy(start, log_fd) if start.number == POLICY_API else _work(start, log_fd))


async def _answer_policy(start: WorkerStart, log_fd: int) -> None:
    from pillarbox.wiring.policy_api import serve  # its library is an extra

    loop = asyncio.get_running_loop()
    log = log_sink(start.settings, log_fd, functools.partial(loop.call_later, LOG_DELAY))
    try:
        await serve(start, LoopSink(loop, log))
    finally:
        log.flush()


async def _work(start: WorkerStart, log_fd: int) -> None:
    loop = asyncio.get_running_loop()
    settings = start.settings
    log = log_sink(settings, log_fd, functools.partial(loop.call_later, LOG_DELAY))
    sink = LoopSink(loop, log)
    authentication = Authentication(settings, sink)
    authentication.ended(())  # begins to watch, before the first login
    store = maildir_store(settings, sink)
    gate: Gate = start.gate
    context = Context(
        authenticator=authentication.pipeline,
        store=store,
        sink=sink,
        now=time.monotonic,
        policy=policy(settings),
        admit_account=gate.admit_account,
        leave_account=gate.leave_account,
        mechanisms=mechanisms(settings),
        hostname=hostname(settings),
    )
    times = settings.timeouts
    # Session ids never repeat: random per worker, counted within it.
    prefix = secrets.token_hex(5)
    worker = Worker(
        context,
        entries(start),
        gate,
        Times(handshake=times.handshake, login=times.login, idle=times.idle, stall=times.stall),
        handshakes=settings.limits.handshakes,
        proxy_header=times.proxy_header,
        greeting=settings.server.greeting,
        identities=lambda number: f"{prefix}-{number:x}",
        today=lambda: datetime.datetime.now(datetime.UTC).date().isoformat(),
        pace=Pace(settings.limits.strangers_per_second, knows=authentication.knows, clock=time.monotonic),
    )
    draining, stopping = asyncio.Event(), asyncio.Event()
    loop.add_signal_handler(signal.SIGQUIT, draining.set)
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.call_soon(start.ready)
    watching = asyncio.create_task(_watch(worker, authentication, sink))
    try:
        await worker.serve(draining, stopping, times.shutdown)
    finally:
        watching.cancel()
        await authentication.close()
        await store.close()
        log.flush()


async def _watch(worker: Worker, authentication: Authentication, sink: Sink) -> None:
    """End the sessions whose credentials no longer hold, and keep the guard's state."""
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        try:
            worker.revoke(authentication.ended(worker.credentials()))
            worker.revoke(await authentication.tokens_ended(worker.credentials()))
            await authentication.tick()
        except Exception as error:
            # A watch that has ended would leave revoked sessions open until the next start.
            sink.emit(internal_error(error))
