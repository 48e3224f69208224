"""Binds the ports of all listeners, and shares them out to workers.

Rules: the parent binds and keeps every socket, so a connection that waits survives the worker it waited for; each
address has as many sockets as there were ever workers (SO_REUSEPORT), so that each worker has a queue of its own; a
socket is closed only when its listener is removed, and with fewer workers some simply get several. IPv4 and IPv6 are
bound apart. A change is made as a whole or not at all.

Elsewhere: accepting connections (`connection`); sockets of systemd (`systemd`), which all workers share.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pillarbox.config.fields import ANY_ADDRESS
from pillarbox.config.problem import ConfigError, Problem
from pillarbox.config.schema_listener import Listener
from pillarbox.config.schema_policy_api import NAME as POLICY_API

BACKLOG = 4096
"""Connections that may wait in one queue; the kernel lowers it to net.core.somaxconn, 4096 by default."""

# Where a socket is bound: a family, an address and a port, or the name of systemd's sockets.
_Port = tuple[socket.AddressFamily, str, int]
_Place = _Port | str


class BindError(ConfigError):
    """A listener cannot be opened. Each problem names its setting and says what to do."""


@dataclass(frozen=True, slots=True)
class WorkerSocket:
    """One non-blocking listening socket a worker accepts from, and the name of the listener it belongs to."""

    listener: str
    socket: socket.socket


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One place of one listener. `position` counts listeners from 1, as people do."""

    position: int
    listener: Listener
    place: _Place

    @property
    def key(self) -> str:
        """The key of its table."""
        return "policy_api" if self.listener.name == POLICY_API else f"listener[{self.position}]"


class Listeners:
    """All sockets of the server.

    Args:
        inherited: the sockets of systemd, by name.
    """

    def __init__(self, inherited: Mapping[str, list[socket.socket]]) -> None:
        self._inherited = inherited
        self._bound: dict[_Place, list[socket.socket]] = {}

    def add(self, listeners: Iterable[Listener], workers: int) -> None:
        """Bind what `listeners` need beyond what is bound already.

        Raises:
            BindError: some of it cannot be bound; then nothing has changed.
        """
        added: list[tuple[_Place, socket.socket]] = []
        problems: list[Problem] = []
        seen: dict[_Place, int] = {}
        for wanted in _wanted(listeners):
            first = seen.setdefault(wanted.place, wanted.position)
            if first != wanted.position:
                what = f"this listener opens the same port as listener[{first}]"
                problems.append(Problem(wanted.key, what, "change one of them, or remove it"))
            elif isinstance(wanted.place, str):
                if wanted.place not in self._inherited:
                    problems.append(_not_inherited(wanted, self._inherited))
            else:
                try:
                    added += ((wanted.place, one) for one in self._bind_missing(wanted.place, workers))
                except OSError as error:
                    if not _has_no_ipv6(wanted, error):
                        problems.append(_problem(wanted, error))
        if problems:
            for _, unused in added:
                unused.close()
            raise BindError(problems)
        for place, new in added:
            self._bound.setdefault(place, []).append(new)

    def _bind_missing(self, place: _Port, workers: int) -> list[socket.socket]:
        """New sockets for `place`, so that there is one for each worker. All or none."""
        # Its own siblings, or at a reload from "*" to one address (or back) the sockets that are about to go.
        joins = any(not isinstance(other, str) and _overlap(other, place) for other in self._bound)
        created: list[socket.socket] = []
        try:
            for _ in range(workers - len(self._bound.get(place, ()))):
                created.append(_bind(place, joins=joins or bool(created)))
        except OSError:
            for unused in created:
                unused.close()
            raise
        return created

    def keep(self, listeners: Iterable[Listener]) -> None:
        """Close all sockets that none of `listeners` uses. Those of systemd stay open: another reload may want them."""
        used = {wanted.place for wanted in _wanted(listeners)}
        for place in self._bound.keys() - used:
            for unused in self._bound.pop(place):
                unused.close()

    def share(self, listeners: Iterable[Listener], worker: int, workers: int) -> list[WorkerSocket]:
        """The sockets of worker number `worker` (from 0) of `workers`. Together the workers get them all."""
        shares: list[WorkerSocket] = []
        for wanted in _wanted(listeners):
            sockets = self._sockets(wanted.place)
            own = sockets if isinstance(wanted.place, str) else sockets[worker::workers]
            shares += [WorkerSocket(wanted.listener.name, one) for one in own]
        return shares

    def close_except(self, kept: Iterable[WorkerSocket]) -> None:
        """Close what a worker inherited by being forked but does not use."""
        wanted = {share.socket for share in kept}
        for one in self._all():
            if one not in wanted:
                one.close()

    def describe(self, listeners: Iterable[Listener]) -> list[str]:
        """What is really bound, each as "address:port (kind)"."""
        return [
            f"{_address_text(found[0])} ({wanted.listener.tls})"
            for wanted in _wanted(listeners)
            if (found := self._sockets(wanted.place))
        ]

    def _sockets(self, place: _Place) -> list[socket.socket]:
        if isinstance(place, str):
            return self._inherited.get(place, [])
        return self._bound.get(place, [])

    def _all(self) -> Iterator[socket.socket]:
        for group in (self._bound, self._inherited):
            for sockets in group.values():
                yield from sockets


def _wanted(listeners: Iterable[Listener]) -> Iterator[_Wanted]:
    for position, listener in enumerate(listeners, start=1):
        if listener.systemd:
            yield _Wanted(position, listener, listener.systemd)
            continue
        for address in listener.address:
            for one in ("0.0.0.0", "::") if address == ANY_ADDRESS else (address,):  # noqa: S104 - asked for
                family = socket.AF_INET6 if ":" in one else socket.AF_INET
                yield _Wanted(position, listener, (family, one, listener.port))


def _bind(place: _Port, *, joins: bool) -> socket.socket:
    """A listening socket. `joins`: this server has bound an overlapping place already."""
    family, address, port = place
    created = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        created.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            created.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # The first one binds without SO_REUSEPORT, so that a second server on the same port is an error rather than a
        # silent thief of half the connections; set afterwards, the option lets its siblings join.
        created.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, joins)
        created.bind((address, port))
        created.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        created.listen(BACKLOG)
    except OSError:
        created.close()
        raise
    return created


def _overlap(one: _Port, other: _Port) -> bool:
    return one[0] == other[0] and one[2] == other[2]


def _has_no_ipv6(wanted: _Wanted, error: OSError) -> bool:
    """Whether "*" met a machine without IPv6, where IPv4 is all there is."""
    missing = error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
    return missing and wanted.place[1] == "::" and ANY_ADDRESS in wanted.listener.address


def _problem(wanted: _Wanted, error: OSError) -> Problem:
    key, listener = wanted.key, wanted.listener
    place = f"{wanted.place[1]} port {listener.port}"
    match error.errno:
        case errno.EADDRINUSE:
            what = f"{place} is used by another program, or by another listener"
            instead = f"find it with `ss -ltnp sport = :{listener.port}` and stop it, or choose another port"
            return Problem(f"{key}.port", what, instead)
        case errno.EACCES | errno.EPERM:
            what = f"uid {os.geteuid()} may not open {place}: ports below 1024 are privileged"
            instead = (
                "start as root with server.user set, or with the capability CAP_NET_BIND_SERVICE, "
                "or take the socket from systemd (listener.systemd), or choose a port from 1024 up"
            )
            return Problem(f"{key}.port", what, instead)
        case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
            what = f"this machine has no address {wanted.place[1]}"
            return Problem(f"{key}.address", what, 'write one that `ip address` shows, or "*"')
        case _:
            return Problem(key, f"{place} cannot be opened: {error.strerror}")


def _not_inherited(wanted: _Wanted, inherited: Mapping[str, list[socket.socket]]) -> Problem:
    handed = ", ".join(f'"{name}"' for name in sorted(inherited)) or "no sockets"
    return Problem(
        f"listener[{wanted.position}].systemd",
        f'systemd handed over {handed}, but not "{wanted.listener.systemd}"',
        "set FileDescriptorName= in the socket unit and start the server through it, or remove this setting",
    )


def _address_text(bound: socket.socket) -> str:
    address, port = bound.getsockname()[:2]
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
