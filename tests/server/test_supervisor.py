"""The supervisor with real processes, sockets and signals; the server it runs is `supervised.py` beside this file."""

from __future__ import annotations

import datetime
import json
import os
import pwd
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.server.running import (
    PATIENCE,
    Client,
    Start,
    free_port,
    gone,
    meet_all,
    refuses,
    settings,
    starting,
)

from pillarbox.server.certificates import make_self_signed

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up root")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with starting(tmp_path) as begin:
        yield begin


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_start_serve_stop(start: Start, number: signal.Signals) -> None:
    port = free_port()
    server = start(settings(port))
    started = server.event("ServerStarted")
    assert started["listeners"] == [f"127.0.0.1:{port} (starttls)"]
    assert started["workers"] == 2
    met = meet_all(port, 2)
    assert len({client.pid for client in met.values()}) == 2
    assert met[1].ask("ping") == "ping"
    server.signal(number)
    assert server.event("ServerStopping")["grace"] == 0.5
    server.event("ServerStopped")
    assert server.end() == (0, "")
    for client in met.values():
        assert client.socket.recv(10) == b""
        client.close()
    assert all(gone(client.pid) for client in met.values())


def test_a_killed_worker_is_replaced_and_waiting_connections_are_taken_up(start: Start) -> None:
    port = free_port()
    server = start(settings(port, workers=1))
    server.event("ServerStarted")
    victim = Client(port)
    os.kill(victim.pid, signal.SIGSTOP)  # it accepts no more, so these wait in its queue
    waiting = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) for _ in range(5)]
    os.kill(victim.pid, signal.SIGKILL)
    ended = server.event("WorkerEnded")
    assert (ended["worker"], ended["pid"]) == (1, victim.pid)
    assert "SIGKILL" in ended["cause"]
    for one in waiting:
        assert one.recv(100).split()[1] != str(victim.pid).encode()
        one.close()
    victim.close()


def test_only_the_dead_workers_sessions_are_lost_and_its_counts_are_forgotten(start: Start) -> None:
    port = free_port()
    server = start(settings(port, limits={"connections_per_address": 6}))
    server.event("ServerStarted")
    clients = [Client(port) for _ in range(30)]
    admitted = [client for client in clients if client.limit == "-"]
    assert len(admitted) == 6
    assert {client.limit for client in clients[6:]} == {"limits.connections_per_address"}
    victim = admitted[0]
    lost = [client for client in admitted if client.pid == victim.pid]
    victim.socket.sendall(b"leave\n")
    assert "exit status 3" in server.event("WorkerEnded")["cause"]
    assert all(client.ask("still here") == "still here" for client in clients if client.pid != victim.pid)
    later = [Client(port) for _ in range(30)]
    assert sum(client.limit == "-" for client in later) == len(lost)
    assert victim.pid not in {client.pid for client in later}


def test_a_worker_that_keeps_dying_is_replaced_ever_more_slowly(start: Start) -> None:
    port = free_port()
    server = start(settings(port))
    server.event("ServerStarted")
    server.behaviour.write_text("fail1")
    with meet_all(port, 2)[1] as client:
        client.socket.sendall(b"leave\n")
    times = []
    for _ in range(4):
        assert server.event("WorkerEnded")["worker"] == 1
        times.append(time.monotonic())
    # From the first short life on: at once, then after a named delay, then after twice that.
    assert times[3] - times[2] >= 0.2
    defect = next(event for event in server.seen if event["event"] == "InternalError")
    assert defect["error"] == "ValueError"
    assert "secret detail" not in json.dumps(server.seen)  # P60
    server.behaviour.write_text("")
    meet_all(port, 2, lambda one: one.pid != client.pid)


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("wrong", "maildir.path: it does not suit this worker"),
        ("fail", "internal error: ValueError"),
        ("hang", "it was not ready after"),
    ],
)
def test_a_start_that_fails_in_every_worker_is_given_up(
    start: Start, tmp_path: Path, behaviour: str, message: str
) -> None:
    (tmp_path / "behaviour").write_text(behaviour)
    status, errors = start(settings(free_port())).end()
    assert status == 2
    assert "the workers cannot start" in errors
    assert message in errors
    assert "Traceback" not in errors


def test_a_port_in_use_ends_the_start(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, errors = start(settings(taken.getsockname()[1])).end()
    assert status == 2
    assert errors.startswith("listener[1].port: 127.0.0.1 port")


def test_sessions_get_their_time_and_then_are_killed(start: Start, tmp_path: Path) -> None:
    (tmp_path / "behaviour").write_text("deaf")
    port = free_port()
    server = start(settings(port))
    server.event("ServerStarted")
    client = Client(port)
    server.signal(signal.SIGTERM)
    server.event("ServerStopping")
    assert client.ask("ping") == "ping"  # P57
    assert "2 workers did not end in time" in server.event("Warned")["text"]
    assert server.end() == (0, "")
    client.close()


def test_a_second_sigint_ends_at_once(start: Start, tmp_path: Path) -> None:
    (tmp_path / "behaviour").write_text("deaf")
    server = start(settings(free_port(), timeouts={"shutdown": 3600}))
    server.event("ServerStarted")
    server.signal(signal.SIGINT)
    server.event("ServerStopping")
    server.signal(signal.SIGINT)
    server.event("ServerStopped")
    assert server.end() == (0, "")


def test_workers_do_not_outlive_their_parent(start: Start) -> None:
    port = free_port()
    server = start(settings(port))
    server.event("ServerStarted")
    met = meet_all(port, 2)
    server.signal(signal.SIGKILL)
    assert all(gone(client.pid) for client in met.values())
    for client in met.values():
        client.close()


def test_p56_reload_keeps_running_sessions(start: Start) -> None:
    port, second = free_port(), free_port()
    server = start(settings(port))
    server.event("ServerStarted")
    old = meet_all(port, 2)
    changed = settings(port, greeting="changed", workers=3)
    changed["listener"].append({"name": "more", "tls": "starttls", "address": ["127.0.0.1"], "port": second})
    server.write(changed)
    server.signal(signal.SIGHUP)
    server.event("Reloaded")
    new = meet_all(port, 3, lambda client: client.greeting == "changed")
    with Client(second) as client:
        assert client.greeting == "changed"
    for client in (*old.values(), *new.values()):
        assert client.ask("ping") == "ping"
    # The old workers end with their last session, and that is no event.
    for client in old.values():
        client.close()
        assert gone(client.pid)
    assert not [event for event in server.seen if event["event"] == "WorkerEnded"]
    # A listener that is removed answers no more.
    server.write(settings(port, greeting="third"))
    server.signal(signal.SIGHUP)
    server.event("Reloaded")
    assert meet_all(port, 2, lambda client: client.greeting == "third")
    assert refuses(second)
    for client in new.values():
        client.close()


def test_p56_no_connection_is_dropped_by_reloads_under_load(start: Start) -> None:
    port = free_port()
    server = start(settings(port))
    server.event("ServerStarted")
    failures: list[Exception] = []
    finished = threading.Event()

    def keep_connecting() -> None:
        while not finished.is_set():
            try:
                with Client(port) as client:
                    assert client.ask("ping") == "ping"
            except (OSError, ValueError, AssertionError) as error:
                failures.append(error)

    threads = [threading.Thread(target=keep_connecting) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for workers in (2, 1, 3, 2):
            server.write(settings(port, workers=workers))
            server.signal(signal.SIGHUP)
            server.event("Reloaded")
    finally:
        finished.set()
        for thread in threads:
            thread.join()
    assert failures == []


def test_bad_settings_and_certificates_change_nothing(start: Start, tmp_path: Path) -> None:
    port = free_port()
    server = start(settings(port))
    server.event("ServerStarted")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wrong = settings(port, tls={"certificate": str(tmp_path / "none.pem")})
        server.write(wrong)
        server.signal(signal.SIGHUP)
        assert "tls.certificate: the file does not exist" in server.event("ReloadRefused")["problems"][0]
        server.write(settings(taken.getsockname()[1]))
        server.signal(signal.SIGHUP)
        assert "is used by another program" in server.event("ReloadRefused")["problems"][0]
    with Client(port) as client:
        assert client.greeting == "hello"


@pytest.mark.parametrize("behaviour", ["fail2", "wrong", "hang"])
def test_new_workers_that_do_not_start_leave_the_old_ones_serving(start: Start, behaviour: str) -> None:
    port, second = free_port(), free_port()
    server = start(settings(port))
    server.event("ServerStarted")
    server.behaviour.write_text(behaviour)
    server.write(settings(second, greeting="changed"))
    server.signal(signal.SIGHUP)
    assert server.event("ReloadRefused")["problems"]
    met = meet_all(port, 2)
    assert {client.greeting for client in met.values()} == {"hello"}
    assert refuses(second)
    # And it can be tried again.
    server.behaviour.write_text("")
    server.signal(signal.SIGHUP)
    server.event("Reloaded")
    with Client(second) as client:
        assert client.greeting == "changed"
    for client in met.values():
        assert client.ask("ping") == "ping"
        client.close()


def test_reloads_are_refused_when_too_many_generations_still_finish(start: Start) -> None:
    port = free_port()
    server = start(settings(port, greeting="0", workers=1))
    server.event("ServerStarted")

    def newest(greeting: int) -> Client:
        [client] = meet_all(port, 1, lambda one: one.greeting == str(greeting)).values()
        return client

    clients = []
    for generation in range(1, 8):
        clients.append(newest(generation - 1))
        server.write(settings(port, greeting=str(generation), workers=1))
        server.signal(signal.SIGHUP)
        server.event("Reloaded")
    clients.append(newest(7))
    server.signal(signal.SIGHUP)
    [problem] = server.event("ReloadRefused")["problems"]
    assert "8 workers are serving, or finishing sessions" in problem
    clients.pop(0).close()
    for _ in range(100):  # the oldest worker may take a moment to end
        server.signal(signal.SIGHUP)
        if server.event("Reloaded", "ReloadRefused")["event"] == "Reloaded":
            break
    assert server.seen[-1]["event"] == "Reloaded"
    for client in clients:
        assert client.ask("ping") == "ping"
        client.close()


def test_systemd_is_told(start: Start, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(PATIENCE)
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
        server = start(settings(free_port()), environ=environ)

        def told(wanted: bytes) -> bytes:
            while True:
                datagram = notify.recv(1000)
                if datagram.startswith(wanted):
                    return datagram

        assert b"STATUS=2 workers serve 127.0.0.1:" in told(b"READY=1")
        for _ in range(3):
            told(b"WATCHDOG=1")
        server.signal(signal.SIGHUP)
        assert b"\nMONOTONIC_USEC=" in told(b"RELOADING=1")
        told(b"READY=1")
        server.write({"nonsense": 1})
        server.signal(signal.SIGTERM)
        told(b"STOPPING=1")
        assert server.end()[0] == 0


def test_systemd_hands_over_a_socket_that_all_workers_share(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as handed:
        port = handed.getsockname()[1]
        waiting = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)  # what the start was asked for by
        wanted = settings(free_port())
        wanted["listener"][0]["systemd"] = "pop3"
        environ = {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "pop3"}
        server = start(wanted, environ=environ, handed=handed)
        assert server.event("ServerStarted")["listeners"] == [f"127.0.0.1:{port} (starttls)"]
        assert waiting.recv(100)
        waiting.close()
        meet_all(port, 2)
        server.signal(signal.SIGHUP)
        server.event("Reloaded")
        meet_all(port, 2)
        server.signal(signal.SIGTERM)
        assert server.end() == (0, "")
        socket.create_connection(("127.0.0.1", port)).close()  # it is systemd's, and stays open


@as_root
def test_p60_workers_give_up_root_for_good(start: Start) -> None:
    nobody = pwd.getpwnam("nobody")
    port = free_port()
    server = start(settings(port, server={"user": "nobody"}))
    server.event("ServerStarted")
    with Client(port) as client:
        told = json.loads(client.ask("report"))
    assert told["uid"] == [nobody.pw_uid] * 3
    assert told["gid"] == [nobody.pw_gid] * 3
    assert 0 not in told["groups"]
    assert told["regained"] is False
    assert {int(value, 16) for value in told["capabilities"]} == {0}
    assert told["no_new_privileges"] == "1"
    assert told["core"] == [0, 0]
    assert told["files"][0] == min(told["files"][1], 1_048_576)
    assert told["umask"] == 0o077
    assert told["sockets"] == 1  # its own, not its siblings'
    # The parent is still root and replaces it, and pdeathsig survived the change of ids.
    met = meet_all(port, 2)
    server.signal(signal.SIGKILL)
    assert all(gone(one.pid) for one in met.values())
    for one in met.values():
        one.close()


@as_root
def test_the_capabilities_of_the_systemd_unit_are_enough(start: Start) -> None:
    unit = (Path(__file__).parents[2] / "packaging" / "pillarbox.service").read_text()
    [line] = [line for line in unit.splitlines() if line.startswith("CapabilityBoundingSet=")]
    names = line.partition("=")[2].lower().replace("cap_", "+").split()
    port = free_port()
    wanted = settings(port, server={"user": "nobody"})
    server = start(wanted, under=["setpriv", f"--bounding-set=-all,{','.join(names)}"])
    server.event("ServerStarted")
    old = meet_all(port, 2)
    server.signal(signal.SIGHUP)
    server.event("Reloaded")
    for client in old.values():
        client.close()
        assert gone(client.pid)
    new = meet_all(port, 2)
    server.signal(signal.SIGKILL)
    assert all(gone(client.pid) for client in new.values())


@as_root
def test_root_without_a_user_to_become_is_refused(start: Start) -> None:
    wanted = settings(free_port())
    del wanted["server"]["user"]
    status, errors = start(wanted).end()
    assert status == 2
    assert errors.startswith("server.user: the server was started as root")
    assert 'user = "vmail"' in errors


def test_certificates_come_from_the_parent_and_warnings_are_events(start: Start, tmp_path: Path) -> None:
    long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    certificate, key = make_self_signed(tmp_path / "tls", (), long_ago)
    server = start(settings(free_port(), tls={"certificate": str(certificate), "key": str(key)}))
    server.event("ServerStarted")
    warned = next(event for event in server.seen if event["event"] == "Warned")
    assert warned["about"] == "certificate"
    assert "expired on 2022-" in warned["text"]
