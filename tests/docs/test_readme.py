"""The README's commands do what it says, when a user types them: run in a copy of the tracked files."""

from __future__ import annotations

import datetime
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.program import Quickstart, started

from pillarbox.server.certificates import make_self_signed
from pillarbox.testing.live import LiveServer, make_maildir

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OUTSIDE_FENCES = re.sub(r"^```.*?^```$", "", README, flags=re.DOTALL | re.MULTILINE)
COMMANDS = [line.partition("#")[0].strip() for line in re.findall(r"^    (\S.*)$", OUTSIDE_FENCES, re.MULTILINE)]
VENV = ROOT / ".venv"

pytestmark = pytest.mark.skipif(not (VENV / "run.stamp").exists(), reason="not installed by make")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh checkout, with what is installed already."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    directory = tmp_path_factory.mktemp("checkout")
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, directory / name)
            # Older than what is installed, or make would install it again.
            os.utime(directory / name, (0, 0))
    (directory / ".venv").symlink_to(VENV)
    return directory


def test_these_are_the_commands_that_are_proved_here() -> None:
    assert COMMANDS == [
        "make serve",
        "make test",
        "pillarbox config check",
        "pillarbox account add ada@example.org",
        "pillarbox serve",
        "pillarbox fetch add ada@example.org",
        "pillarbox fetch run --once",
        "pillarbox archive search from:ada invoice",
    ]


@pytest.fixture(scope="module")
def serving(copy: Path) -> Iterator[Quickstart]:
    with started(["make", "serve"], cwd=copy) as running:
        assert f"stay in {copy}/.pillarbox." in running.card
        yield running
        assert "Traceback" not in running.interrupt()[1]


def test_make_serve_prints_commands_that_work_as_they_are_printed(serving: Quickstart) -> None:
    listed = serving.output("List the mail").decode().splitlines()
    assert [line.split()[0] for line in listed] == ["1", "2", "3", "4", "5"]
    message = serving.output("Read message 1")
    assert b"\r\nSubject: Welcome to your pillar box\r\n" in message
    assert len(message) == int(listed[0].split()[1])
    assert serving.output("The same with STLS") == message


def test_openssl_speaks_pop3_as_the_card_says(serving: Quickstart) -> None:
    typed = re.search(r"then: (USER .*)$", serving.card, re.MULTILINE)
    assert typed
    lines = typed[1].split(" / ")
    done = subprocess.run(
        ["/bin/sh", "-c", serving.command("Speak POP3 yourself")],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=60,
    )
    replies = [line for line in done.stdout.splitlines() if line.startswith(("+OK", "-ERR"))]
    assert len(replies) == 1 + len(lines), (done.stdout, done.stderr)
    assert all(reply.startswith("+OK") for reply in replies)


def test_make_test_exists(copy: Path) -> None:
    """It is not run from within itself."""
    told = subprocess.run(["make", "--dry-run", "test"], cwd=copy, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert "-m pytest" in told.stdout


def test_your_own_mail(copy: Path, tmp_path: Path) -> None:
    """With the README's own configuration: only its paths and ports are not this machine's."""
    (toml,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    certificate, key = make_self_signed(tmp_path, ["localhost"], datetime.datetime.now(datetime.UTC))
    for named, here in (
        ("/etc/ssl/mail.example.org.pem", certificate),
        ("/etc/ssl/mail.example.org.key", key),
        ("/var/mail/", f"{tmp_path}/"),
    ):
        assert named in toml
        toml = toml.replace(named, str(here))
    user = 'user = "root"\n' if os.geteuid() == 0 else ""
    own = f'[server]\nstate_directory = "{tmp_path}/state"\n{user}'
    toml, found = re.subn(r"\[server\]\nuser = .*\n", lambda _: own, toml)
    assert found == 1
    (tmp_path / "pillarbox.toml").write_text(toml)
    make_maildir(tmp_path / "example.org" / "ada" / "Maildir")
    path = f"{copy}/.venv/bin:{os.environ['PATH']}"

    def type_in(command: str, given: str = "") -> str:
        assert command in COMMANDS
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert type_in("pillarbox config check") == "pillarbox.toml: the configuration is fine.\n"
    added = type_in("pillarbox account add ada@example.org", given="violet kettle on a drum\n")
    assert added == f"added ada@example.org; its mail is read from {tmp_path}/example.org/ada/Maildir\n"


MAIL = b"From: Ada <ada@example.org>\nSubject: your invoice\n\nThe invoice for December.\n"


@pytest.fixture(scope="module")
def mail() -> Iterator[LiveServer]:
    """A server with one message for ada."""
    with LiveServer({"ada": "open sesame"}) as server:
        server.deliver("ada", MAIL)
        yield server


def test_fetching_and_keeping(mail: LiveServer, tmp_path: Path) -> None:
    """What `fetch add` would ask is said here, and the server is this machine's."""
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n")
    secret.chmod(0o600)
    said = (
        f" --yes --url pops://localhost:{mail.pop3s_port} --user ada --password-file {secret}"
        f" --set tls.ca_file={mail.certificate} --to archive --path {tmp_path}/kept"
    )
    environment = {
        **os.environ,
        "PATH": f"{VENV}/bin:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": f"{tmp_path}/state",
        "PILLARBOX_FETCH_CONFIG": f"{tmp_path}/fetch.toml",
        "PILLARBOX_ARCHIVE": f"{tmp_path}/kept",
    }
    shown = []
    for command, more in zip(COMMANDS[-3:], (said, "", ""), strict=True):
        done = subprocess.run(
            ["/bin/sh", "-c", command + more], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        shown.append(done.stdout)
    assert "1 message" in shown[1]
    assert "your invoice" in shown[2]
    assert "1 message" not in subprocess.run(
        ["/bin/sh", "-c", COMMANDS[-2]], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    ).stdout  # fmt: skip


def test_the_example_in_python(mail: LiveServer, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    code = code.replace("mail.example.org", f"localhost:{mail.pop3s_port}")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"SSL_CERT_FILE": str(mail.certificate)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.stdout.endswith(" your invoice\n")


def test_links_lead_to_files() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", README)
    assert len(targets) >= 8
    for target in targets:
        assert "://" not in target
        assert (ROOT / target).is_file(), target
