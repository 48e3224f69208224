"""`pillarbox fetch run`, with everything that can be wrong around it: each fault is told, others go on."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.fetching import FetchFiles
from tests.fetch.accounts import mail

from pillarbox.testing.certificates import Quality
from pillarbox.testing.scripted import ScriptedServer

MAIL = [mail(number) for number in range(1, 6)]
BOTH = {"ada": MAIL, "bob": MAIL}
USERS = {"ada": "open-sesame", "bob": "open-sesame"}
PATIENCE = 30.0


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(BOTH, users=USERS, tls="none") as running:
        yield running


@pytest.fixture
def files(tmp_path: Path) -> FetchFiles:
    return FetchFiles(tmp_path)


def test_once_fetches_everything_once(server: ScriptedServer, files: FetchFiles) -> None:
    files.add(server)
    first = files.run("run", "--once")
    assert first.stdout.startswith("ada: 5 messages (")
    assert files.run("run", "--once").stdout.startswith("ada: nothing new, in ")
    assert files.run("run", "--once", "--quiet").output == ""
    assert files.mail() == Counter(MAIL)


def test_json_is_one_line_an_event(server: ScriptedServer, files: FetchFiles) -> None:
    files.add(server, largest=1)
    lines = [json.loads(line) for line in files.run("run", "--once", "--json").stdout.splitlines()]
    assert [line["event"] for line in lines] == ["MessageSkipped"] * 5 + ["FetchEnded"]
    assert (lines[-1]["account"], lines[-1]["skipped"]) == ("ada", 5)


def test_only_the_named_accounts(server: ScriptedServer, files: FetchFiles) -> None:
    files.add(server, "ada")
    files.add(server, "bob", user="bob")
    files.write(
        "old",
        {"url": "pops://old@localhost", "password_file": "x", "enabled": False, "deliver": {"to": "mbox", "path": "y"}},
    )
    assert files.run("run", "--once", "bob").stdout.count("\n") == 1
    assert not files.mail("ada")
    assert "there are: ada, bob" in files.run("run", "--once", "carl", code=2).stderr
    assert "not enabled" in files.run("run", "--once", "old", code=2).stderr


def test_no_account_at_all(files: FetchFiles) -> None:
    assert "pillarbox fetch add" in files.run("run", "--once", code=1).stderr


# ---- bad input: each is told with what to do, other accounts go on, nothing is lost ------------------------------


def goes_on(files: FetchFiles, server: ScriptedServer, *words: str) -> None:
    """A run in which `ada` fails with these words, and `bob` fetches everything."""
    files.add(server, "bob", user="bob")
    done = files.run("run", "--once", code=1)
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    assert line.startswith("error: ada: "), line
    for word in words:
        assert word in line, line
    assert files.mail("bob") == Counter(MAIL)
    assert len(server.messages_of("ada")) == len(MAIL)
    assert "ada: " in files.run("status").output
    assert server.password not in done.output


def test_broken_toml_is_told_with_its_line(files: FetchFiles) -> None:
    files.config.write_text('[account.ada]\nurl = "pops://ada@mail.example.org\n')
    assert f"{files.config}:2" in files.run("run", "--once", code=1).stderr


def test_all_problems_of_the_file_at_once(files: FetchFiles) -> None:
    files.write("ada", {"url": "imap://x", "deliver": {"to": "maildir"}, "keep_dayz": 3})
    said = files.run("run", "--once", code=1).stderr
    assert said.count("error:") == 3
    assert "did you mean `account.ada.keep_days`?" in said


def test_a_wrong_password(server: ScriptedServer, files: FetchFiles) -> None:
    (files.base / "ada.password").write_text("wrong-canary\n")
    (files.base / "ada.password").chmod(0o600)
    files.add(server)
    goes_on(files, server, "login refused", "correct the user or the password")
    assert "wrong-canary" not in files.run("status", "--json").output


def test_a_password_that_cannot_be_got(server: ScriptedServer, files: FetchFiles) -> None:
    (files.base / "ada.password").write_text("open to all\n")
    (files.base / "ada.password").chmod(0o644)
    files.add(server)
    goes_on(files, server, "others can read", "chmod 600")


def test_an_expired_certificate(server: ScriptedServer, files: FetchFiles) -> None:
    with ScriptedServer(BOTH, users=USERS, certificate=Quality.EXPIRED) as expired:
        files.add(expired)
        goes_on(files, server, "certificate has expired", "its owner has to mend the certificate")
        assert not expired.logins


def test_a_server_that_is_away(server: ScriptedServer, files: FetchFiles) -> None:
    with ScriptedServer(BOTH, users=USERS) as away:
        files.add(away)
    goes_on(files, server, "refused", "look at the name and the port")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_destination(server: ScriptedServer, files: FetchFiles) -> None:
    (files.base / "locked").mkdir(mode=0o500)
    files.add(server, deliver={"to": "maildir", "path": str(files.base / "locked" / "in")})
    goes_on(files, server, "writable")


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts small file systems, which only root can."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True)
        if done.returncode:
            pytest.skip("no file system can be mounted here")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", str(place)], check=True)


def test_a_read_only_file_system(server: ScriptedServer, files: FetchFiles, tmpfs: Callable[[str], Path]) -> None:
    place = tmpfs("size=1m")
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    files.add(server, deliver={"to": "maildir", "path": str(place / "in")})
    goes_on(files, server, "ead-only")


def test_a_full_disk_loses_nothing(files: FetchFiles, tmpfs: Callable[[str], Path]) -> None:
    """What had room is there, the rest stays on the server, and comes when there is room again."""
    place = tmpfs("size=256k")
    large = [mail(number, 40_000) for number in range(1, 11)]
    with ScriptedServer(large, tls="none") as server:
        files.add(server, deliver={"to": "maildir", "path": str(place / "in")}, delete="after delivery")
        done = files.run("run", "--once", code=1)
        assert "no space left: free some" in done.stderr
        subprocess.run(["mount", "-o", "remount,size=4m", str(place)], check=True)
        files.run("run", "--once")
        assert not server.messages
    got = Counter(path.read_bytes().replace(b"\n", b"\r\n") for path in (place / "in" / "new").glob("*"))
    assert got == Counter(large)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("cat > /dev/null; kill -9 $$", "SIGKILL"),
        ("cat > /dev/null; exit 75", "EX_TEMPFAIL"),
        ("", "no such program"),
    ],
)
def test_a_program_that_is_killed(server: ScriptedServer, files: FetchFiles, script: str, words: str) -> None:
    """As soon as it is well again, everything comes."""
    program = files.base / "deliver"
    if script:
        make_program(program, script)
    files.add(server, deliver={"to": "pipe", "command": [str(program)]}, delete="after delivery")
    files.add(server, "bob", user="bob")
    done = files.run("run", "--once", code=1)
    assert words in done.stderr, done.stderr
    assert files.mail("bob") == Counter(MAIL)
    assert len(server.messages) == len(MAIL)
    assert "ada: last run" in files.run("status").stdout
    assert "never a success" in files.run("status", "ada").stdout
    saved = files.base / "saved"
    saved.mkdir()
    make_program(program, f"cat > {saved}/$(mktemp -u XXXXXXXXXX)")
    files.run("run", "--once", "ada")
    assert Counter(path.read_bytes().replace(b"\n", b"\r\n") for path in saved.iterdir()) == Counter(MAIL)
    assert not server.messages


def make_program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)


def test_a_journal_that_is_damaged_is_told(server: ScriptedServer, files: FetchFiles) -> None:
    journals = files.state / "journals"
    journals.mkdir(parents=True)
    (journals / "ada.journal").write_bytes(b"nonsense " * 1000)
    files.add(server)
    goes_on(files, server, "the journal is damaged", "backup")


# ---- a process of its own: signals ---------------------------------------------------------------------------------


class Daemon:
    """`pillarbox fetch run`, and what it prints."""

    def __init__(self, files: FetchFiles, *options: str) -> None:
        self.out = files.base / "said"
        with self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", "from pillarbox.cli import fetch; fetch.app()", "run", "--json", *options,
                 "--config", str(files.config)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def events(self, kind: str = "") -> list[dict[str, object]]:
        lines = [json.loads(line) for line in self.out.read_text().splitlines() if line.endswith("}")]
        return [line for line in lines if not kind or line["event"] == kind]

    def wait_for(self, kind: str, count: int = 1) -> list[dict[str, object]]:
        end = time.monotonic() + PATIENCE
        while len(found := self.events(kind)) < count:
            assert time.monotonic() < end, self.out.read_text()
            assert self.process.poll() is None, self.out.read_text()
            time.sleep(0.02)
        return found

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@pytest.fixture
def started(files: FetchFiles) -> Iterator[Callable[..., Daemon]]:
    made: list[Daemon] = []

    def start(*options: str) -> Daemon:
        made.append(Daemon(files, *options))
        return made[-1]

    yield start
    for daemon in made:
        if daemon.process.poll() is None:
            daemon.process.kill()
        daemon.process.wait()


def test_a_daemon_obeys_its_signals(server: ScriptedServer, files: FetchFiles, started: Callable[..., Daemon]) -> None:
    files.add(server)
    daemon = started()
    daemon.wait_for("FetchEnded")
    server.add(mail(77))
    server.add(mail(77), user="bob")
    daemon.process.send_signal(signal.SIGUSR1)
    assert daemon.wait_for("FetchEnded", 2)[1]["fetched"] == 1
    # A broken file is told, and the old one stays.
    right = files.config.read_text()
    files.config.write_text(right + "nonsense\n")
    daemon.process.send_signal(signal.SIGHUP)
    (warned,) = daemon.wait_for("Warned")
    assert "the old one stays" in str(warned["about"])
    daemon.process.send_signal(signal.SIGUSR1)
    daemon.wait_for("FetchEnded", 3)
    # A right one is taken: the new account is fetched at once.
    files.config.write_text(right)
    files.add(server, "bob", user="bob")
    daemon.process.send_signal(signal.SIGHUP)
    assert daemon.wait_for("FetchEnded", 4)[3]["account"] == "bob"
    assert daemon.end(signal.SIGTERM) == 0
    assert files.mail("ada") == files.mail("bob") == Counter([*MAIL, mail(77)])


def test_asked_to_end_it_ends_after_what_it_has_in_hand(files: FetchFiles, started: Callable[..., Daemon]) -> None:
    """Nothing is lost or doubled by it, and the next run goes on."""
    many = [mail(number, 20_000) for number in range(1, 60)]
    with ScriptedServer(many, tls="none", faults=["stall at octet 100 of RETR 30"]) as server:
        files.add(server)
        daemon = started()
        end = time.monotonic() + PATIENCE
        while len(server.retrieved) < 29 and time.monotonic() < end:
            time.sleep(0.02)
        daemon.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        assert daemon.end(signal.SIGTERM) == 130
        assert sum(files.mail().values()) < 59
        server.script()
        files.run("run", "--once")
        assert files.mail() == Counter(many)


def once_on_a_terminal(files: FetchFiles) -> tuple[subprocess.Popen[bytes], int]:
    """`fetch run --once` on a terminal of its own, and our end of that."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from pillarbox.cli import fetch; fetch.app()", "run", "--once"]
    process = subprocess.Popen(
        [*command, "--config", str(files.config)], stdin=theirs, stdout=theirs, stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )  # fmt: skip
    os.close(theirs)
    return process, ours


def test_on_a_terminal_there_is_a_picture(server: ScriptedServer, files: FetchFiles) -> None:
    files.add(server)
    process, ours = once_on_a_terminal(files)
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed: the end of it
        while piece := os.read(ours, 4096):
            shown += piece
    os.close(ours)
    assert process.wait(PATIENCE) == 0
    assert b"ada: 5 messages (" in shown
    assert b"\x1b[?25l" in shown  # the cursor was hidden, and is there again
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")


def test_ctrl_c_twice_gives_the_terminal_back(files: FetchFiles) -> None:
    """The first one is answered at once, the second one ends at once and leaves a cursor that can be seen."""
    many = [mail(number, 20_000) for number in range(1, 40)]
    with ScriptedServer(many, tls="none", faults=["stall at octet 100 of RETR 30"]) as server:
        files.add(server)
        process, ours = once_on_a_terminal(files)
        shown = b""
        interrupted = 0
        with contextlib.suppress(OSError):  # the other end is closed: the end of it
            while piece := os.read(ours, 4096):
                shown += piece
                if (not interrupted and len(server.retrieved) >= 29) or (interrupted == 1 and b"Ctrl-C again" in shown):
                    interrupted += 1
                    process.send_signal(signal.SIGINT)
        os.close(ours)
        assert process.wait(PATIENCE) == 130
    assert b"ending after the messages under way; Ctrl-C again ends at once" in shown
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")
