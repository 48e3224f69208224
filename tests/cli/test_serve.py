"""`pillarbox serve`: problems with their file, a log that can be rotated, reload, and an end when it is asked for."""

from __future__ import annotations

import os
import poplib
import pty
import select
import signal
import socket
from pathlib import Path

import pytest
from tests.cli.program import PATIENCE, PROGRAM, run

from pillarbox.testing.live import LiveServer


def refused(server: LiveServer) -> str:
    status, shown, said = run("serve", "--config", str(server.config))
    assert (status, shown) == (1, ""), said
    assert "Traceback" not in said
    return said


def change(server: LiveServer, old: str, new: str) -> None:
    text = server.config.read_text()
    assert old in text
    server.config.write_text(text.replace(old, new))


def greeting_of(server: LiveServer) -> str:
    client = poplib.POP3_SSL("localhost", server.pop3s_port, context=server.client_context(), timeout=PATIENCE)
    client.quit()
    return client.welcome.decode()


def test_it_serves_until_sigterm(tmp_path: Path) -> None:
    server = LiveServer({"anna": "secret"}, directory=tmp_path).start()
    assert greeting_of(server).startswith("+OK")
    assert server.stop() == 0
    told = [event["event"] for event in server.events()]
    assert (told[0], told.count("ServerStopping"), told[-1]) == ("ServerStarted", 1, "ServerStopped")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", server.pop3s_port)) != 0


def test_sighup_reads_the_settings_and_opens_the_log_anew(tmp_path: Path) -> None:
    with LiveServer({}, directory=tmp_path) as server:
        change(server, "[server]\n", '[server]\ngreeting = "another greeting"\n')
        rotated = server.log.with_suffix(".1")
        server.log.rename(rotated)
        server.reload()
        server.wait_for("Reloaded")
        # A worker of before may take one more connection until it has read its signal.
        assert any("another greeting" in greeting_of(server) for _ in range(20))
        server.wait_for("SessionEnded")
        assert b"Reloaded" not in rotated.read_bytes()


def test_a_wrong_reload_is_told_and_changes_nothing(tmp_path: Path) -> None:
    with LiveServer({}, directory=tmp_path) as server:
        change(server, "[server]\n", "[server]\ngreting = 1\n")
        server.reload()
        (event,) = server.wait_for("ReloadRefused")
        assert "server.greting" in event["problems"][0]
        change(server, "greting = 1\n", "")
        change(server, f'target = "{server.log}"', f'target = "{tmp_path}/none/log"')
        server.reload()
        event = server.wait_for("ReloadRefused", count=2)[1]
        assert "log.target" in event["problems"][0]
        assert f"{tmp_path}/none is not a directory" in event["problems"][0]
        assert greeting_of(server).startswith("+OK")


def test_problems_at_the_start_name_the_file(tmp_path: Path) -> None:
    server = LiveServer({}, directory=tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", server.pop3s_port))
        other.listen()
        said = refused(server)
        assert f"error: {server.config}: listener[1].port: 127.0.0.1 port {server.pop3s_port} is used" in said
    change(server, f'target = "{server.log}"', f'target = "{tmp_path}"')
    assert f"log.target: {tmp_path} cannot be opened: Is a directory" in refused(server)
    change(server, "[server]\nworkers = 1", "[server]\nx = 1\nworkers = 1.5")
    said = refused(server)
    assert "server.x" in said
    assert "server.workers" in said
    assert "2 problems found" in said


def test_a_certificate_that_cannot_be_used_names_its_own_file(tmp_path: Path) -> None:
    server = LiveServer({}, directory=tmp_path)
    server.certificate.write_text("rubbish")
    assert f"error: {server.certificate}: tls.certificate: the file holds no readable certificate" in refused(server)


@pytest.mark.parametrize("target", ["stderr", "file"])
def test_events_go_where_the_setting_says(tmp_path: Path, target: str) -> None:
    server = LiveServer({}, directory=tmp_path)
    if target == "file":
        with server:
            assert [event["event"] for event in server.events()] == ["ServerStarted"]
            assert (server.log.stat().st_mode & 0o007) == 0
        return
    change(server, f'target = "{server.log}"', 'target = "stderr"')
    change(server, 'format = "json"', 'format = "auto"')
    process, terminal = on_terminal(server)
    shown = until(terminal, b"Server started")
    os.kill(process, signal.SIGINT)
    shown += until(terminal, b"Server stopped")
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    os.close(terminal)
    assert b"Traceback" not in shown


def test_closing_the_terminal_ends_it(tmp_path: Path) -> None:
    """The SIGHUP of a closed terminal is not a wish for a reload: nobody could stop the server any more."""
    server = LiveServer({}, directory=tmp_path)
    process, terminal = on_terminal(server)
    while not server.events("ServerStarted"):
        assert not select.select([terminal], [], [], 0.05)[0], os.read(terminal, 4096)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    assert server.events()[-1]["event"] == "ServerStopped"


def on_terminal(server: LiveServer) -> tuple[int, int]:
    """Start it as the first process of a terminal. The server's process id, and the terminal's other side."""
    process, terminal = pty.fork()
    if process == 0:
        os.environ["NO_COLOR"] = "1"
        os.execv(PROGRAM[0], [*PROGRAM, "serve", "--config", str(server.config)])
    return process, terminal


def until(terminal: int, wanted: bytes) -> bytes:
    shown = b""
    while wanted not in shown:
        assert select.select([terminal], [], [], PATIENCE)[0], shown
        shown += os.read(terminal, 4096)
    return shown
