"""`pillarbox guard`, on a state file that workers wrote and still use."""

import base64
import json
import random
import time
from pathlib import Path

import pytest
from tests.auth.guard.scenes import request
from typer.testing import CliRunner, Result

from pillarbox.auth.guard.engine import GuardEngine
from pillarbox.auth.guard.interface import Lane, Reason
from pillarbox.auth.guard.state_file import SharedJournal
from pillarbox.cli.guard import app
from pillarbox.config.schema_guard import Guard
from pillarbox.events import MemorySink

RUNNER = CliRunner()
NOW = time.time()


class Installation:
    """A configuration, and a worker that has seen an attack."""

    def __init__(self, base: Path) -> None:
        self.config = base / "pillarbox.toml"
        self.state = base / "guard.sqlite"
        self.later = 1.0
        for name in ("cert.pem", "key.pem"):
            (base / name).touch()
        self.config.write_text(
            f'[server]\nstate_directory = "{base}"\n[tls]\ncertificate = "{base}/cert.pem"\nkey = "{base}/key.pem"\n'
            '[auth]\ndefault_domain = "example.org"\n'
        )
        journal = SharedJournal(self.state, writer=1, rows=1000, sink=MemorySink())
        self.engine = GuardEngine(Guard(), journal, below=random.Random(1).randrange, sink=MemorySink())
        self.engine.after(request("alice@example.org", "192.0.2.9", "own", NOW), True, "")
        for guess in range(12):
            asked = request(f"u{guess}\x1b[31m", "9.9.9.9", guess, NOW)
            if self.engine.before(asked).refuse is None:
                self.engine.after(asked, False, "wrong password")
        assert self.engine.flush(NOW)

    def run(self, *arguments: str, code: int = 0) -> Result:
        done = RUNNER.invoke(app, [*arguments, "--config", str(self.config)])
        assert done.exit_code == code, done.output
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done

    def refused(self, address: str) -> Reason | None:
        self.later += 1  # a worker looks for news every quarter of a second
        return self.engine.before(request("bob@example.org", address, "x", NOW + self.later)).refuse


@pytest.fixture
def installed(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def test_status_shows_blocks_to_people_and_to_programs(installed: Installation) -> None:
    shown = installed.run("status").stdout
    assert "9.9.9.9 " in shown
    assert "campaign   none" in shown
    facts = json.loads(installed.run("status", "--json").stdout)
    assert [place["place"] for place in facts["blocked"]] == ["9.9.9.9"]
    assert facts["learning"]


def test_an_address_is_explained_and_names_from_peers_are_cleaned(installed: Installation) -> None:
    shown = installed.run("explain", "9.9.9.9").stdout
    assert "refused, because 9.9.9.9 is blocked" in shown
    assert "tried from here" in shown
    assert "\x1b" not in shown
    assert json.loads(installed.run("explain", "9.9.9.9", "--json").stdout)["places"][0]["blocks"] == 1


def test_a_user_is_explained_by_the_name_that_was_typed(installed: Installation) -> None:
    shown = installed.run("explain", "Alice").stdout
    assert shown.startswith("alice@example.org: let in")
    assert "192.0.2.0/24" in shown


def test_release_reaches_a_running_worker(installed: Installation) -> None:
    assert installed.refused("9.9.9.9") is Reason.SOURCE
    assert "released 9.9.9.9" in installed.run("release", "9.9.9.9").stdout
    assert installed.refused("9.9.9.9") is None
    assert "released alice@example.org" in installed.run("release", "alice").stdout
    asked = request("alice@example.org", "192.0.2.9", "own", time.time() + 2)
    assert installed.engine.before(asked).lane is Lane.FAMILIAR


def test_allow_reaches_a_running_worker_and_can_be_taken_back(installed: Installation) -> None:
    assert "is allowed until 20" in installed.run("allow", "9.9.9.0/24", "--for", "12h").stdout
    assert installed.refused("9.9.9.9") is None
    assert "9.9.9.0/24" in installed.run("status").stdout
    assert "no longer allowed" in installed.run("release", "9.9.9.0/24").stdout
    installed.engine.catch_up(time.time() + 5)
    assert not installed.engine.known.is_allowed("9.9.9.9", time.time())
    assert "until it is released" in installed.run("allow", "10.0.0.0/8").stdout
    assert "no longer allowed" in installed.run("release", "10.0.0.0/8").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("release", "10.0.0.0/8"), 1, "/24"),
        (("explain", "10.0.0.0/8"), 1, "/24"),
        (("explain", "a b"), 1, "neither an address"),
        (("allow", "nonsense"), 2, "192.0.2.0/24"),
        (("allow", "192.0.2.1/24"), 2, "192.0.2.0/24"),
        (("allow", "192.0.2.1", "--for", "soon"), 2, "12h"),
    ],
)
def test_slips_are_explained(installed: Installation, arguments: tuple[str, ...], code: int, words: str) -> None:
    done = installed.run(*arguments, code=code)
    assert words in done.stderr
    assert done.stdout == ""


def test_without_a_state_file_it_says_so_and_makes_none(installed: Installation) -> None:
    installed.engine.close()
    installed.state.unlink()
    assert "the server makes it" in installed.run("status", code=3).stderr
    assert not installed.state.exists()


def test_a_broken_state_file_is_left_to_the_server(installed: Installation) -> None:
    installed.engine.close()
    for file in installed.state.parent.glob("guard.sqlite*"):
        file.unlink()
    installed.state.write_bytes(b"garbage" * 1000)
    assert "cannot be used" in installed.run("status", code=3).stderr
    assert installed.state.read_bytes() == b"garbage" * 1000


def test_what_a_dovecot_needs_is_printed_and_its_key_is_made_once(installed: Installation) -> None:
    first = installed.run("dovecot")
    assert "write enabled = true under [policy_api]" in first.stderr
    with installed.config.open("a") as file:
        file.write('[policy_api]\nenabled = true\nport = 9000\naddress = ["::1", "127.0.0.1"]\n')
    again = installed.run("dovecot")
    assert again.stderr == ""
    lines = dict(line.split(" = ", 1) for line in again.stdout.splitlines() if not line.startswith("#"))
    assert lines["auth_policy_server_url"] == "http://[::1]:9000/"
    kind, _, shown = lines["auth_policy_server_api_header"].removeprefix("Authorization: ").partition(" ")
    key = (installed.config.parent / "policy-api.key").read_text().strip()
    assert (kind, base64.b64decode(shown).decode()) == ("Basic", f"wforce:{key}")
    assert lines["auth_policy_server_api_header"] in first.stdout
    # The nonce is Dovecot's alone; nothing here keeps it.
    assert lines["auth_policy_hash_nonce"] not in first.stdout
    assert "mech=%{mech}" in lines["auth_policy_request_attributes"]


def test_a_key_that_others_can_read_is_not_printed(installed: Installation) -> None:
    (installed.config.parent / "policy-api.key").write_text("canary-key-0123456789")
    (installed.config.parent / "policy-api.key").chmod(0o644)
    done = installed.run("dovecot", code=3)
    assert "other users" in done.stderr
    assert "canary" not in done.output
