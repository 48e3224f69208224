"""The process that answers other servers' questions to the guard, put together.

Rules: it is one process beside the workers, and shares what it knows with them as they do among themselves, through the
guard's state file; what other servers send of secrets gets tags of its own key, made from the API's.
"""

from __future__ import annotations

import asyncio
import signal
import time

from pillarbox.auth.guard import policy_key
from pillarbox.auth.guard.engine import GuardEngine
from pillarbox.auth.guard.policy_api import PolicyApi
from pillarbox.auth.guard.state import POLL
from pillarbox.config import ConfigError, Problem
from pillarbox.events import Sink
from pillarbox.server.policy_api import PolicyServer
from pillarbox.server.process import WorkerStart
from pillarbox.wiring.credentials import guard_engine


async def serve(start: WorkerStart, sink: Sink) -> None:
    """Answer until SIGTERM or SIGQUIT.

    Raises:
        ConfigError: there is no key, or no guard.
    """
    settings = start.settings
    try:
        key = policy_key.load(settings.policy_key_file)
    except policy_key.PolicyKeyUnavailable as error:
        raise ConfigError([Problem("policy_api.key", error.reason)]) from None
    guard = guard_engine(settings, sink)
    if guard is None:
        raise ConfigError([Problem("policy_api.enabled", "the guard that it asks is switched off")])
    api = PolicyApi(
        guard,
        tag_key=key.derived("guard-tags"),
        default_domain=settings.auth.default_domain,
        tarpit=settings.policy_api.tarpit,
        clock=time.time,
        sink=sink,
    )
    policy = settings.policy_api
    server = PolicyServer(
        api,
        key=key,
        networks=policy.networks,
        connections=policy.connections,
        tls=start.tls if policy.tls else None,
        sink=sink,
    )
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGQUIT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    loop.call_soon(start.ready)
    ticking = asyncio.create_task(_tick(guard))
    try:
        await server.serve([one.socket for one in start.sockets], stopping)
    finally:
        ticking.cancel()
        guard.close()


async def _tick(guard: GuardEngine) -> None:
    while True:
        await asyncio.sleep(POLL)
        guard.tick(time.time())
