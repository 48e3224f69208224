"""The command `pillarbox fetch`, as a user types it, against a whole server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.cli.fetching import FetchFiles
from tests.fetch.accounts import mail, wire

from pillarbox.testing.live import LiveServer, Value

PASSWORD = "open sesame"
ACCOUNTS = 50
EACH = 6


def fetch(files: FetchFiles, *arguments: str, given: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", "from pillarbox.cli import fetch; fetch.app()", *arguments],
        input=given, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PILLARBOX_FETCH_CONFIG": str(files.config)},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    return done


def test_from_adding_an_account_to_its_health(tmp_path: Path) -> None:
    files = FetchFiles(tmp_path)
    messages = [mail(number) for number in range(1, 6)]
    with LiveServer({"ada": PASSWORD}) as server:
        for message in messages:
            server.deliver("ada", message)
        added = fetch(
            files, "add", "ada@example.org", "--url", f"pops://ada@localhost:{server.pop3s_port}", "--user", "ada",
            "--yes", "--password-file", str(tmp_path / "secret"), "--password-stdin", "--to", "maildir",
            "--path", str(tmp_path / "ada"), "--delete", "--set", f'tls.ca_file="{server.certificate}"',
            given=f"{PASSWORD}\n",
        )  # fmt: skip
        assert added.stdout.startswith("ada is added to ")
        assert "It works: 5 messages" in added.stderr
        assert oct((tmp_path / "secret").stat().st_mode & 0o777) == "0o600"
        assert fetch(files, "check", "--connect").stdout.splitlines()[0].startswith("ada: 5 messages")
        assert fetch(files, "health", code=2).stdout == "CRITICAL - 1 of 1: ada: never fetched\n"
        assert "5 deleted on the server" in fetch(files, "run", "--once").stdout
        assert fetch(files, "health").stdout == "OK - 1 account\n"
        assert server.messages("ada") == []
    assert files.mail() == Counter(messages)


def test_fifty_accounts_at_once_arrive_exactly_once(tmp_path: Path) -> None:
    """Most into Maildirs of their own, some into one mbox that they share."""
    files = FetchFiles(tmp_path, per_host=50)
    names = [f"user{number:02}" for number in range(ACCOUNTS)]
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    # Fifty logins at once from one address: the server's administrator allows that host, and lets logins queue.
    allowed: dict[str, dict[str, Value]] = {"guard": {"allow": ["127.0.0.0/8"]}, "auth": {"hashing_wait": 60.0}}
    with LiveServer(dict.fromkeys(names, PASSWORD), settings=allowed) as server:
        expected: dict[str, Counter[bytes]] = {}
        for index, name in enumerate(names):
            messages = [mail(1000 * index + number) for number in range(EACH)]
            expected[name] = Counter(messages)
            for message in messages:
                server.deliver(name, message)
            to, where = ("maildir", tmp_path / name) if index % 10 else ("mbox", tmp_path / "shared.mbox")
            files.write(
                name,
                {
                    "url": f"pops://{name}@localhost:{server.pop3s_port}",
                    "password_file": str(secret),
                    "delete": "after delivery",
                    "tls": {"ca_file": str(server.certificate)},
                    "deliver": {"to": to, "path": str(where)},
                },
            )
        said = fetch(files, "run", "--once").stdout
        assert said.count(f": {EACH} messages (") == ACCOUNTS
        assert fetch(files, "run", "--once").stdout.count("nothing new") == ACCOUNTS
        assert all(server.messages(name) == [] for name in names)
    for index, name in enumerate(names):
        if index % 10:
            stored = Counter(wire(path.read_bytes()) for path in (tmp_path / name / "new").iterdir())
            assert stored == expected[name]
    mbox = (tmp_path / "shared.mbox").read_bytes()
    for index in range(0, ACCOUNTS, 10):
        for number in range(EACH):
            assert mbox.count(b"Message-ID: <%d@example.org>" % (1000 * index + number)) == 1
