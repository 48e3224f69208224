"""Sockets from systemd and reports to it, with real descriptors and real datagrams."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pillarbox.server.systemd import Notifier, listening_sockets

PID = 4711


def activated(body: str, *handed: socket.socket, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `body` in a process that got `handed` as systemd would hand them over, from descriptor 3 on."""
    script = f"""
        import os, socket
        from pillarbox.server.systemd import ActivationError, listening_sockets
        for number, source in enumerate({[one.fileno() for one in handed]!r}):
            os.dup2(source, 103 + number)
        for number in range({len(handed)}):
            os.dup2(103 + number, 3 + number, inheritable=True)
        os.environ["LISTEN_PID"] = str(os.getpid())
        os.environ["LISTEN_FDS"] = "{len(handed)}"
        os.environ.update({variables!r})
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script) + textwrap.dedent(body)],
        pass_fds=[one.fileno() for one in handed],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_sockets_come_by_name() -> None:
    body = """
        found = listening_sockets(os.environ, os.getpid())
        for name, sockets in found.items():
            print(name, *(one.getsockname()[1] for one in sockets))
        first = found["pop3"][0]
        print(first.getblocking(), os.get_inheritable(first.fileno()), any("LISTEN_" in key for key in os.environ))
    """
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as three,
    ):
        done = activated(body, one, two, three, LISTEN_FDNAMES="pop3:pop3s:pop3")
        ports = [each.getsockname()[1] for each in (one, two, three)]
    assert done.stdout.splitlines() == [f"pop3 {ports[0]} {ports[2]}", f"pop3s {ports[1]}", "False False False"], done


def test_sockets_without_names_are_called_unknown() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        done = activated("print(*listening_sockets(os.environ, os.getpid()))", one)
    assert done.stdout == "unknown\n", done


def test_what_is_not_a_listening_tcp_socket_is_refused_by_name(tmp_path: Path) -> None:
    body = """
        try:
            listening_sockets(os.environ, os.getpid())
        except ActivationError as error:
            print(error)
    """
    with (
        socket.socket() as not_listening,
        socket.socket(type=socket.SOCK_DGRAM) as datagrams,
        socket.socket(socket.AF_UNIX) as unix,
        (tmp_path / "file").open("w") as file,
    ):
        unix.bind(str(tmp_path / "unix"))
        unix.listen()
        for handed in (not_listening, datagrams, unix):
            done = activated(body, handed, LISTEN_FDNAMES="odd")
            assert '"odd"' in done.stdout, done
            assert "not a listening TCP socket" in done.stdout, done
        done = activated(body, file, LISTEN_FDNAMES="odd")  # type: ignore[arg-type] # it only needs fileno()
        assert 'the socket "odd" from systemd cannot be used' in done.stdout, done


def test_a_damaged_count_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        done = activated("listening_sockets(os.environ, os.getpid())", one, LISTEN_FDS="many")
    assert 'ActivationError: LISTEN_FDS is "many"' in done.stderr


@pytest.mark.parametrize("variables", [{}, {"LISTEN_PID": "1", "LISTEN_FDS": "3"}, {"LISTEN_FDS": "3"}])
def test_sockets_of_another_process_are_ignored(variables: dict[str, str]) -> None:
    environ = {**variables, "PATH": "/bin"}
    assert listening_sockets(environ, PID) == {}
    assert environ == {"PATH": "/bin"}


@pytest.fixture(params=["path", "abstract"])
def receiver(request: pytest.FixtureRequest, tmp_path: Path):  # type: ignore[no-untyped-def] # a generator fixture
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        name = str(tmp_path / "notify") if request.param == "path" else f"@pillarbox-test-{os.getpid()}"
        bound.bind(name.replace("@", "\0", 1))
        bound.settimeout(5)
        yield name, bound


def test_reports_arrive(receiver: tuple[str, socket.socket]) -> None:
    name, bound = receiver
    environ = {"NOTIFY_SOCKET": name}
    notifier = Notifier(environ, PID)
    assert environ == {}
    notifier.ready("2 workers")
    notifier.reloading(12.5)
    notifier.stopping("bye\nREADY=1")
    notifier.watchdog()
    assert [bound.recv(500) for _ in range(4)] == [
        b"READY=1\nSTATUS=2 workers",
        b"RELOADING=1\nMONOTONIC_USEC=12500000\nSTATUS=reloading",
        b"STOPPING=1\nSTATUS=bye READY=1",
        b"WATCHDOG=1",
    ]


@pytest.mark.parametrize("address", ["", "/nonexistent/notify", "vsock:2:1234", "relative"])
def test_without_a_reachable_socket_nothing_happens(address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address} if address else {}, PID)
    notifier.ready("x")
    notifier.watchdog()


def test_a_full_socket_does_not_block(receiver: tuple[str, socket.socket]) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": receiver[0]}, PID)
    for _ in range(5_000):
        notifier.watchdog()


@pytest.mark.parametrize(
    ("variables", "interval"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(PID)}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_fed_at_half_of_its_time(variables: dict[str, str], interval: float | None) -> None:
    assert Notifier({"NOTIFY_SOCKET": "/run/notify", **variables}, PID).watchdog_interval == interval
    assert Notifier(dict(variables), PID).watchdog_interval is None
