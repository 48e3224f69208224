"""The helper that runs a whole server: it starts, delivers, tells events, survives a killed worker, and stops."""

from __future__ import annotations

import os
import poplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pillarbox.testing.live import LiveServer, LiveServerError, deliver_to, free_ports, make_maildir

MAIL = b"Subject: x\n\nbody\n"


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with LiveServer({"anna": "secret"}, workers=2, cleartext=True) as running:
        yield running


def _count(server: LiveServer, account: str) -> int:
    client = poplib.POP3_SSL("localhost", server.pop3s_port, context=server.client_context(), timeout=20)
    client.user(account)
    client.pass_("secret")
    count: int = client.stat()[0]
    client.quit()
    return count


def test_what_is_delivered_can_be_fetched_and_events_tell_of_it(server: LiveServer) -> None:
    before = len(server.events("SessionEnded"))
    server.deliver("anna", MAIL)
    assert _count(server, "anna") == 1
    (ended,) = server.wait_for("SessionEnded", count=before + 1)[before:]
    assert (ended["user"], ended["how"]) == ("anna", "quit")


def test_accounts_can_be_added_while_it_runs(server: LiveServer) -> None:
    server.add_accounts({"bert": "secret"})
    assert _count(server, "bert") == 0


def test_a_killed_worker_is_replaced(server: LiveServer) -> None:
    workers = server.workers()
    assert len(workers) == 2
    killed = server.kill_worker()
    assert killed in workers
    (event,) = server.wait_for("WorkerEnded", where=lambda event: event["pid"] == killed)
    assert "SIGKILL" in event["cause"]
    assert _count(server, "anna") >= 0


def test_it_ends_with_the_block_and_takes_its_directory_along() -> None:
    with LiveServer({}) as server:
        pid, directory = server.pid, server.directory
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not directory.exists()
    assert server.stop() == 0


def test_a_wrong_setting_is_told_instead_of_waited_for(tmp_path: Path) -> None:
    server = LiveServer({}, directory=tmp_path, settings={"limits": {"connections": 0}})
    with pytest.raises(LiveServerError, match=r"limits\.connections"):
        server.start()


def test_deliveries_are_renamed_into_new(tmp_path: Path) -> None:
    maildir = make_maildir(tmp_path / "box")
    paths = {deliver_to(maildir, MAIL, sync=True) for _ in range(5)}
    assert len(paths) == 5
    assert all(path.parent.name == "new" and path.read_bytes() == MAIL for path in paths)
    assert not list((maildir / "tmp").iterdir())


def test_free_ports_differ() -> None:
    assert len(set(free_ports(10))) == 10
