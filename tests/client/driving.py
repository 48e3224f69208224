"""Drives the client's logic by hand: a transport in memory, and a clock that only moves when it is told to."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from tests.client.scripted import CLEAR, Server

from pillarbox.client.address import parse
from pillarbox.client.auth import Auth, Password
from pillarbox.client.opening import Plan
from pillarbox.client.settings import Limits, Timeout
from pillarbox.client.wants import Call, Close, Connect, Receive, Send, StartTls, Want, Work
from pillarbox.events import MemorySink

T = TypeVar("T")


class Clock:
    """Seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def plan(auth: Auth | None = None, **changes: Any) -> Plan:  # Any: the plan's own fields
    """A plan without TLS."""
    made = Plan(
        parse("pop3://ada@mail.example.org"),
        auth or Password("secret"),
        CLEAR,
        Timeout(),
        Limits(),
        MemorySink(),
        Clock(),
        lambda: "fyko+d2lbbFgONRv9qkxdawL",
    )
    return dataclasses.replace(made, **changes)


def run(work: Work[T], server: Server, clock: Clock | None = None, slow: float = 0.0) -> T:
    """Carry out what a piece of logic wants. Each receive takes `slow` seconds; a deadline that passes is reached."""

    def do(want: Want) -> object:
        match want:
            case Send():
                server.send(want.data, want.deadline)
            case Receive():
                if clock is None:
                    return server.receive(want.deadline)
                if clock.now + slow > want.deadline:
                    clock.now = want.deadline
                    raise TimeoutError
                clock.now += slow
                try:
                    return server.receive(want.deadline)
                except TimeoutError:
                    clock.now = max(clock.now, want.deadline)
                    raise
            case StartTls():
                return server.start_tls(want.context, want.name, want.deadline)
            case Call():
                return want.function()
            case Close():
                server.close()
            case Connect():
                pass
        return None

    try:
        want = next(work)
        while True:
            try:
                answer = do(want)
            except Exception as error:
                want = work.throw(error)
            else:
                want = work.send(answer)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return] # a Work[T] returns a T
