"""Each setting reaches the part it is meant for: first part by part, then through a whole server."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import poplib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pillarbox import __version__, wiring
from pillarbox.auth.attempt import Accepted, Attempt, Decision, Origin, Outcome, Password, Refused
from pillarbox.config.load import parse
from pillarbox.config.schema import Settings
from pillarbox.events import MemorySink, Reloaded, Secret, Warned
from pillarbox.server.gate import GateMemory
from pillarbox.server.listeners import WorkerSocket
from pillarbox.server.process import WorkerStart
from pillarbox.testing.live import LiveServer
from pillarbox.wiring import credentials

TLS = '[tls]\ncertificate = "c.pem"\nkey = "c.key"\n'


def settings(directory: Path, text: str = "") -> Settings:
    return parse(f'{text}\n{TLS}[maildir]\npath = "{directory}/{{user}}"\n', base=directory)


def test_the_hasher_has_the_configured_cost(tmp_path: Path) -> None:
    made = settings(tmp_path, "[auth]\nargon2_memory_kib = 32768\nargon2_time = 3\nargon2_parallelism = 2\n")
    assert credentials.hasher(made).hash(b"x").startswith("$argon2id$v=19$m=32768,t=3,p=2$")
    assert credentials.hasher(settings(tmp_path)).hash(b"x").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_sessions_get_the_policy_and_the_server_its_name(tmp_path: Path) -> None:
    text = (
        "[server]\nannounce_implementation = {}\n[limits]\nlogin_failures = 7\nbad_commands = 8\n"
        "[auth]\nlogin_delay = 9\n"
    )
    policy = wiring.policy(settings(tmp_path, text.format("false")))
    assert (policy.implementation, policy.login_failures, policy.bad_commands, policy.login_delay) == ("", 7, 8, 9)
    assert wiring.policy(settings(tmp_path, text.format("true"))).implementation == f"Pillarbox-{__version__}"
    assert wiring.hostname(settings(tmp_path, '[server]\nhostname = "mail.example.org"\n')) == "mail.example.org"
    assert wiring.hostname(settings(tmp_path)) == socket.getfqdn()


def test_the_log_has_level_and_format(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    sink = wiring.log_sink(settings(tmp_path, '[log]\nlevel = "warning"\nformat = "json"\n'), writing)
    sink.emit(Reloaded())
    sink.emit(Warned(about="x", text="y"))
    os.close(writing)
    with open(reading, "rb") as file:
        (line,) = file.readlines()
    assert b'"event":"Warned"' in line


def test_accounts_are_looked_up_in_the_configured_order(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("bert:{PLAIN}from the file\n")
    text = f'[auth]\nsources = [{{}}]\n[auth.passwd_file]\npath = "{users}"\n'
    for names in (["accounts"], ["passwd-file"], ["passwd-file", "accounts"], ["accounts", "passwd-file"]):
        listed = ", ".join(f'"{name}"' for name in names)
        found = credentials.sources(settings(tmp_path, text.format(listed)), MemorySink())
        assert [source.name for source in found] == names


def test_the_pipeline_uses_store_template_domain_and_delay(tmp_path: Path) -> None:
    made = settings(
        tmp_path,
        f'[server]\nstate_directory = "{tmp_path}/state"\n'
        '[auth]\ndefault_domain = "example.org"\nlogin_delay = 600\nfailure_delay = 0.0\nfailure_step = 0.01\n'
        '[domains."example.org"]\nmaildir = "/srv/{user}/Maildir"\n',
    )
    store = credentials.account_store(made)
    store.create()
    store.add("anna@example.org", credentials.hasher(made).hash(b"secret"))
    store.close()
    assert made.accounts_file.parent == tmp_path / "state"

    async def decide(*passwords: str) -> list[Decision]:
        authentication = credentials.Authentication(made, MemorySink())
        try:
            attempts = [
                Attempt("anna", Password(Secret(password)), "USER/PASS", "s", Origin("192.0.2.1", 1, "pop3"))
                for password in passwords
            ]
            return [await authentication.pipeline.decide(attempt) for attempt in attempts]
        finally:
            await authentication.close()

    wrong, right, early = asyncio.run(decide("wrong", "secret", "secret"))
    assert isinstance(wrong, Refused)
    assert wrong.outcome is Outcome.CREDENTIALS
    assert isinstance(right, Accepted)
    assert (right.account.name, right.account.maildrop) == ("anna@example.org", "/srv/anna/Maildir")
    assert isinstance(early, Refused)
    assert (tmp_path / "state" / "logins.sqlite").exists()
    (later,) = asyncio.run(decide("secret"))  # the delay outlives the process
    assert isinstance(later, Refused)


def test_entries_join_sockets_with_their_listeners(tmp_path: Path) -> None:
    made = settings(
        tmp_path,
        '[[listener]]\nname = "a"\ntls = "implicit"\nport = 2995\n'
        '[[listener]]\nname = "b"\ntls = "starttls"\nport = 2110\nproxy_protocol = ["192.0.2.0/24"]\n'
        '[[listener.cleartext_login]]\nnetworks = ["198.51.100.7", "2001:db8::/32"]\nuntil = 2035-01-31\n'
        'reason = "old printer"\n',
    )
    with socket.socket() as one, socket.socket() as other:
        shares = [WorkerSocket("b", one), WorkerSocket("a", other)]
        gate = GateMemory(1, bytes(16)).gate(0, made.limits)
        b, a = wiring.entries(WorkerStart(made, None, 1, shares, gate, lambda: None))
    assert (a.sock, a.name, a.implicit, list(a.proxies), list(a.exceptions)) == (other, "a", True, [], [])
    assert (b.sock, b.name, b.implicit) == (one, "b", False)
    assert [str(network) for network in b.proxies] == ["192.0.2.0/24"]
    told = [(str(network), until) for network, until in b.exceptions]
    assert told == [("198.51.100.7/32", "2035-01-31"), ("2001:db8::/32", "2035-01-31")]


def test_events_of_other_threads_arrive_on_the_loop() -> None:
    seen: list[int] = []

    class Recorder:
        def emit(self, event: object) -> None:
            seen.append(threading.get_ident())

    async def main() -> None:
        sink = wiring.LoopSink(asyncio.get_running_loop(), Recorder())
        sink.emit(Reloaded())
        assert len(seen) == 1  # at once, in order with what else the loop does
        await asyncio.to_thread(sink.emit, Reloaded())
        await asyncio.sleep(0)

    asyncio.run(main())
    assert seen == [threading.get_ident()] * 2


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    wanted: dict[str, dict[str, str | int | float | bool]] = {
        "server": {"greeting": "wired", "announce_implementation": True},
        "limits": {"login_failures": 2, "connections_per_account": 1},
        "auth": {"login_delay": 0, "failure_delay": 0.0},
    }
    with LiveServer({"anna": "secret"}, workers=2, settings=wanted) as running:
        yield running


def client(server: LiveServer) -> poplib.POP3_SSL:
    return poplib.POP3_SSL("localhost", server.pop3s_port, context=server.client_context(), timeout=30)


def test_a_whole_server_obeys_its_settings(server: LiveServer) -> None:
    session = client(server)
    assert b"wired" in session.welcome
    session.user("anna")
    session.pass_("secret")
    assert session.capa()["IMPLEMENTATION"] == [f"Pillarbox-{__version__}"]
    with contextlib.closing(client(server)) as second:  # limits.connections_per_account, over both workers
        second.user("anna")
        with pytest.raises(poplib.error_proto, match=r"IN-USE|too many"):
            second.pass_("secret")
    session.quit()


def test_login_failures_end_a_session_of_a_whole_server(server: LiveServer) -> None:
    with contextlib.closing(client(server)) as session:
        for _ in range(2):
            session.user("anna")
            with pytest.raises(poplib.error_proto, match="AUTH"):
                session.pass_("wrong")
        with pytest.raises((poplib.error_proto, OSError)):
            session.noop()
    (ended,) = server.wait_for("SessionEnded", where=lambda event: event["errors"] == 2)
    assert ended["how"] not in {"quit", "closed"}


def test_session_ids_never_repeat(server: LiveServer) -> None:
    for _ in range(12):
        client(server).quit()
    ids = [event["session"] for event in server.wait_for("SessionEnded", count=12)]
    assert len(set(ids)) == len(ids)


def test_events_carry_the_time(server: LiveServer) -> None:
    (event,) = server.wait_for("ServerStarted")
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(event["time"])
    assert datetime.timedelta() <= age < datetime.timedelta(hours=1)
