"""Binding and sharing out ports, on loopback."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator

import pytest

from pillarbox.config.schema_listener import Listener
from pillarbox.config.schema_policy_api import PolicyApi
from pillarbox.server.listeners import BindError, Listeners


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    made = Listeners({})
    yield made
    made.close_except(())


def listener(port: int, *addresses: str, name: str = "pop3") -> Listener:
    return Listener(name=name, address=addresses or ("127.0.0.1",), port=port, tls="starttls")


def connects(port: int, address: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError:
        return False
    return True


def problem_of(listeners: Listeners, *wanted: Listener) -> tuple[str, str, str]:
    with pytest.raises(BindError) as caught:
        listeners.add(wanted, 2)
    [problem] = caught.value.problems
    return problem.key, problem.what, problem.instead


def test_every_worker_has_its_own_queue(listeners: Listeners) -> None:
    one = listener(free_port())
    listeners.add([one], 3)
    shares = [listeners.share([one], worker, 3) for worker in range(3)]
    assert [len(share) for share in shares] == [1, 1, 1]
    clients = [socket.create_connection(("127.0.0.1", one.port)) for _ in range(60)]
    counts = []
    for [share] in shares:
        assert not share.socket.getblocking()
        counts.append(0)
        while True:
            try:
                share.socket.accept()[0].close()
            except BlockingIOError:
                break
            counts[-1] += 1
    assert sum(counts) == 60
    assert all(counts)
    for client in clients:
        client.close()


def test_star_is_ipv4_and_ipv6_apart(listeners: Listeners) -> None:
    one = listener(free_port(), "*")
    listeners.add([one], 1)
    assert listeners.describe([one]) == [f"0.0.0.0:{one.port} (starttls)", f"[::]:{one.port} (starttls)"]
    assert connects(one.port)
    assert connects(one.port, "::1")
    families = [share.socket.family for share in listeners.share([one], 0, 1)]
    assert families == [socket.AF_INET, socket.AF_INET6]


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_star_without_ipv6_is_ipv4_only(listeners: Listeners, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    real = socket.socket

    def without_ipv6(family: int, kind: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(number, os.strerror(number))
        return real(family, kind)

    monkeypatch.setattr(socket, "socket", without_ipv6)
    one = listener(free_port(), "*")
    listeners.add([one], 2)
    assert listeners.describe([one]) == [f"0.0.0.0:{one.port} (starttls)"]
    assert problem_of(listeners, listener(free_port(), "::1"))[1] == "this machine has no address ::1"


def test_a_port_in_use_is_an_error_even_by_another_server_of_this_kind(listeners: Listeners) -> None:
    port = free_port()
    listeners.add([listener(port)], 2)
    other = Listeners({})
    key, what, instead = problem_of(other, listener(free_port()), listener(port))
    assert key == "listener[2].port"
    assert what == f"127.0.0.1 port {port} is used by another program, or by another listener"
    assert f"sport = :{port}" in instead


def test_all_problems_are_told_and_nothing_stays_bound(listeners: Listeners) -> None:
    good, taken = free_port(), socket.create_server(("127.0.0.1", 0))
    wanted = [listener(good), listener(taken.getsockname()[1]), listener(free_port(), "198.51.100.99")]
    with taken, pytest.raises(BindError) as caught:
        listeners.add(wanted, 2)
    assert [problem.key for problem in caught.value.problems] == ["listener[2].port", "listener[3].address"]
    assert not connects(good)
    assert listeners.describe([listener(good)]) == []


def test_the_same_port_twice_is_told(listeners: Listeners) -> None:
    port = free_port()
    key, what, _ = problem_of(listeners, listener(port), listener(port, name="again"))
    assert (key, what) == ("listener[2]", "this listener opens the same port as listener[1]")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_a_privileged_port_tells_all_ways_to_get_it(
    listeners: Listeners, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    class Unprivileged(socket.socket):
        def bind(self, address: object) -> None:
            raise PermissionError(number, os.strerror(number))

    monkeypatch.setattr(socket, "socket", Unprivileged)
    key, what, instead = problem_of(listeners, listener(110))
    assert key == "listener[1].port"
    assert f"uid {os.geteuid()} may not open 127.0.0.1 port 110" in what
    for way in ("server.user", "CAP_NET_BIND_SERVICE", "systemd"):
        assert way in instead


def test_the_policy_api_has_a_key_of_its_own(listeners: Listeners) -> None:
    one = listener(free_port())
    [policy] = PolicyApi.model_validate({"enabled": True, "port": one.port}).listeners()
    key, what, _ = problem_of(listeners, one, policy)
    assert key == "policy_api"
    assert what == "this listener opens the same port as listener[1]"
    with socket.create_server(("127.0.0.1", 0)) as other:
        [policy] = PolicyApi.model_validate({"enabled": True, "port": other.getsockname()[1]}).listeners()
        assert problem_of(listeners, policy)[0] == "policy_api.port"


def test_more_workers_get_more_sockets_and_fewer_share_them(listeners: Listeners) -> None:
    one = listener(free_port())
    listeners.add([one], 2)
    before = [share.socket for worker in range(2) for share in listeners.share([one], worker, 2)]
    listeners.add([one], 4)
    after = [share.socket for worker in range(4) for share in listeners.share([one], worker, 4)]
    assert after[:2] == before
    assert len(set(after)) == 4
    fewer = [listeners.share([one], worker, 3) for worker in range(3)]
    assert [len(share) for share in fewer] == [2, 1, 1]
    assert {share.socket for shares in fewer for share in shares} == set(after)


def test_removed_listeners_are_closed_and_kept_ones_are_not_touched(listeners: Listeners) -> None:
    kept, removed = listener(free_port()), listener(free_port(), name="old")
    listeners.add([kept, removed], 2)
    waiting = socket.create_connection(("127.0.0.1", kept.port))
    listeners.keep([kept])
    assert not connects(removed.port)
    accepted = 0
    for worker in range(2):
        for share in listeners.share([kept], worker, 2):
            try:
                share.socket.accept()[0].close()
                accepted += 1
            except BlockingIOError:
                pass
    assert accepted == 1
    waiting.close()


@pytest.mark.parametrize(("before", "after"), [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "0.0.0.0")])
def test_an_address_can_be_narrowed_and_widened_while_running(listeners: Listeners, before: str, after: str) -> None:
    port = free_port()
    listeners.add([listener(port, before)], 2)
    listeners.add([listener(port, after)], 2)
    listeners.keep([listener(port, after)])
    assert listeners.describe([listener(port, after)]) == [f"{after}:{port} (starttls)"]
    assert connects(port)


def test_systemds_sockets_are_shared_by_all_workers_and_never_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as handed:
        made = Listeners({"pop": [handed]})
        one = Listener(name="pop3", systemd="pop", tls="starttls")
        made.add([one], 2)
        assert [made.share([one], worker, 2)[0].socket for worker in range(2)] == [handed, handed]
        assert made.describe([one]) == [f"127.0.0.1:{handed.getsockname()[1]} (starttls)"]
        made.keep([])
        assert handed.fileno() >= 0


def test_a_socket_that_systemd_did_not_hand_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as handed:
        key, what, instead = problem_of(Listeners({"pop": [handed]}), Listener(name="a", systemd="pops"))
    assert (key, what) == ("listener[1].systemd", 'systemd handed over "pop", but not "pops"')
    assert "FileDescriptorName=" in instead


def test_a_worker_closes_what_it_does_not_serve(listeners: Listeners) -> None:
    one, two = listener(free_port()), listener(free_port(), name="two")
    listeners.add([one, two], 2)
    mine = listeners.share([one], 0, 2)
    listeners.close_except(mine)
    assert mine[0].socket.fileno() >= 0
    assert all(share.socket.fileno() < 0 for share in listeners.share([two], 0, 2))
    assert listeners.share([one], 1, 2)[0].socket.fileno() < 0
