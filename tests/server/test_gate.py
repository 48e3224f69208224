"""Connection limits that hold over all workers (P58 is what a client is told about them)."""

from __future__ import annotations

import os
import socket

import pytest

from pillarbox.config.schema_server import Limits
from pillarbox.server.gate import CONNECTIONS, PER_ACCOUNT, PER_ADDRESS, GateMemory

KEY = b"sixteen octets.."
LIMITS = Limits(connections=6, connections_per_address=3, connections_per_account=2)


def memory(slots: int = 4, used: int = 2) -> GateMemory:
    made = GateMemory(slots, KEY)
    made.use(used)
    return made


def test_limits_hold_over_workers() -> None:
    shared = memory()
    gates = [shared.gate(0, LIMITS), shared.gate(1, LIMITS)]
    for turn in range(3):
        assert gates[turn % 2].admit("192.0.2.1") is None
    assert [gate.admit("192.0.2.1") for gate in gates] == [PER_ADDRESS, PER_ADDRESS]
    for turn in range(3):
        assert gates[turn % 2].admit("192.0.2.2") is None
    assert [gate.admit("192.0.2.3") for gate in gates] == [CONNECTIONS, CONNECTIONS]
    assert shared.connections() == 6
    gates[0].leave("192.0.2.1")
    assert gates[1].admit("192.0.2.1") is None


def test_strangers_do_not_get_the_last_places() -> None:
    shared = memory()
    gate = shared.gate(0, Limits(connections=8, connections_per_address=8))
    assert [gate.admit("192.0.2.1", known=False) for _ in range(7)] == [None] * 6 + [CONNECTIONS]
    assert [gate.admit("192.0.2.2", known=True) for _ in range(3)] == [None, None, CONNECTIONS]


def test_a_refused_connection_is_not_counted() -> None:
    shared = memory()
    gate = shared.gate(0, LIMITS)
    for _ in range(10):
        gate.admit("192.0.2.1")
    assert shared.connections() == 3


def test_accounts_are_counted_apart_from_addresses() -> None:
    shared = memory()
    gates = [shared.gate(0, LIMITS), shared.gate(1, LIMITS)]
    assert [gate.admit_account("fred@example.org") for gate in gates] == [None, None]
    assert gates[0].admit_account("fred@example.org") == PER_ACCOUNT
    assert gates[0].admit_account("anna@example.org") is None
    assert gates[0].admit("fred@example.org") is None
    gates[1].leave_account("fred@example.org")
    assert gates[0].admit_account("fred@example.org") is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1", "fe80::2%lo", True),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_ipv6_is_counted_by_its_64_network(one: str, other: str, same: bool) -> None:
    gate = memory().gate(0, LIMITS)
    for _ in range(3):
        assert gate.admit(one) is None
    assert (gate.admit(other) == PER_ADDRESS) is same


def test_a_dead_workers_connections_are_forgotten() -> None:
    shared = memory()
    living, dead = shared.gate(0, LIMITS), shared.gate(1, LIMITS)
    assert living.admit("192.0.2.1") is None
    for _ in range(2):
        dead.admit("192.0.2.1")
        dead.admit_account("fred")
    shared.clear(1)
    assert shared.connections() == 1
    assert [living.admit("192.0.2.1") for _ in range(3)] == [None, None, PER_ADDRESS]
    assert living.admit_account("fred") is None
    shared.clear(0)  # its header also says how many slots are used, and that must stay
    assert dead.admit("192.0.2.1") is None
    assert living.admit("192.0.2.9") is None


def test_slots_that_are_not_in_use_are_not_looked_at() -> None:
    shared = memory(slots=4, used=1)
    last = shared.gate(3, LIMITS)
    for _ in range(3):
        last.admit("192.0.2.1")
    assert shared.gate(0, LIMITS).admit("192.0.2.1") is None
    shared.use(4)
    assert shared.gate(0, LIMITS).admit("192.0.2.1") == PER_ADDRESS


def test_the_counts_cross_processes() -> None:
    shared = memory()
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        gate = shared.gate(1, LIMITS)
        for _ in range(3):
            gate.admit("192.0.2.1")
        theirs.send(b"x")
        theirs.recv(1)
        os._exit(0)
    try:
        assert ours.recv(1) == b"x"
        assert shared.connections() == 3
        assert shared.gate(0, LIMITS).admit("192.0.2.1") == PER_ADDRESS
    finally:
        ours.send(b"x")
        os.waitpid(pid, 0)
        ours.close()
        theirs.close()


def test_neighbours_are_hardly_ever_taken_for_each_other() -> None:
    roomy = Limits(connections=100_000, connections_per_address=4)
    gate = memory().gate(0, roomy)
    addresses = [f"10.0.{high}.{low}" for high in range(20) for low in range(250)]
    refused = sum(gate.admit(address) is not None for address in addresses for _ in range(3))
    assert refused <= 15  # of 15,000; the key is fixed, so this number is too
    assert sum(gate.admit(address) is None for address in addresses) >= 4_700


def test_what_leaves_is_gone_without_trace() -> None:
    gate = memory().gate(0, LIMITS)
    for number in range(2_000):
        assert gate.admit(f"10.1.{number // 250}.{number % 250}") is None
        gate.leave(f"10.1.{number // 250}.{number % 250}")
    assert set(gate._numbers[gate._start + 1024 :].tolist()) == {0}
