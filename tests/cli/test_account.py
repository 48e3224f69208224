"""`pillarbox account`, with pipes as a script uses it, and on a real terminal."""

import json
import os
import pty
import sqlite3
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pillarbox.auth.accounts import AccountStore
from pillarbox.auth.passwords import Hasher
from pillarbox.cli.account import app

COMMAND = [sys.executable, "-c", "from pillarbox.cli.account import app; app(prog_name='pillarbox account')"]
RUNNER = CliRunner()
PASSWORD = "correct horse battery"


class Installation:
    """A configuration in a directory of its own."""

    def __init__(self, base: Path, extra: str = "") -> None:
        self.state = base / "state"
        self.mail = base / "mail"
        self.config = base / "pillarbox.toml"
        for name in ("cert.pem", "key.pem"):
            (base / name).touch()
        self.config.write_text(
            f'[server]\nstate_directory = "{self.state}"\n'
            f'[tls]\ncertificate = "{base}/cert.pem"\nkey = "{base}/key.pem"\n'
            f'[maildir]\npath = "{self.mail}/{{domain}}/{{user}}"\n{extra}'
        )
        self.store = AccountStore(self.state / "accounts.sqlite", clock=lambda: 0.0)

    def run(self, *arguments: str, given: str = "", code: int = 0) -> Result:
        done = RUNNER.invoke(app, [*arguments, "--config", str(self.config)], input=given)
        assert done.exit_code == code, done.output
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done

    def fails(self, *arguments: str, given: str = "", code: int = 1) -> str:
        """The one line on standard error."""
        done = self.run(*arguments, given=given, code=code)
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1, done.stderr
        assert done.stderr.startswith("error: ")
        return done.stderr

    def on_a_terminal(self, *arguments: str, answers: list[tuple[str, str]]) -> tuple[int, str]:
        """The exit code, and all that the terminal showed, with each answer typed at its prompt."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(COMMAND[0], [*COMMAND, *arguments, "--config", str(self.config)])
        shown = b""
        waiting = list(answers)
        mark = 0
        while True:
            try:
                piece = os.read(terminal, 4096)
            except OSError:  # Linux: the other side has closed
                break
            if not piece:
                break
            shown += piece
            if waiting and waiting[0][0].encode() in shown[mark:]:
                mark = len(shown)
                os.write(terminal, waiting.pop(0)[1].encode())
        os.close(terminal)
        assert not waiting, shown
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def test_the_life_of_an_account(here: Installation) -> None:
    added = here.run("add", "Alice@Example.org", given=f"{PASSWORD}\n").stdout
    assert (
        added
        == f"added alice@example.org; its mail is read from {here.mail}/example.org/alice (there is no Maildir yet)\n"
    )
    first = here.store.show("alice@example.org")
    assert first.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert Hasher().verify(first.password_hash, PASSWORD.encode())

    here.run("password", "alice@example.org", given="another horse battery\nsecond line\n")
    assert Hasher().verify(here.store.show("alice@example.org").password_hash, b"another horse battery")

    here.run("disable", "alice@example.org")
    assert not here.store.show("alice@example.org").enabled
    here.run("enable", "alice@example.org")
    assert here.store.show("alice@example.org").enabled

    maildir = here.mail / "example.org" / "alice"
    for part in ("cur", "new", "tmp"):
        (maildir / part).mkdir(parents=True)
    (maildir / "new" / "1").write_text("mail")
    here.run("remove", "alice@example.org", "--yes")
    assert here.store.lookup("alice@example.org") is None
    assert (maildir / "new" / "1").read_text() == "mail"


def test_show_and_list(here: Installation) -> None:
    here.run("add", "bob@example.org", "--read-only", "--maildir", "/srv/{user}/m", given=f"{PASSWORD}\n")
    here.run("add", "alice@example.org", given=f"{PASSWORD}\n")
    for part in ("cur", "new", "tmp"):
        (here.mail / "example.org" / "alice" / part).mkdir(parents=True)

    shown = here.run("show", "alice@example.org").stdout
    assert f"mail       {here.mail}/example.org/alice\n" in shown
    assert "there is no Maildir yet" in here.run("show", "bob@example.org").stdout
    table = here.run("list").stdout.splitlines()
    assert [line.split()[:3] for line in table] == [
        ["ACCOUNT", "LOGIN", "DELETING"],
        ["alice@example.org", "enabled", "allowed"],
        ["bob@example.org", "enabled", "read-only"],
    ]
    alice, bob = json.loads(here.run("list", "--json").stdout)
    assert alice == json.loads(here.run("show", "alice@example.org", "--json").stdout)
    assert (alice["name"], alice["maildir_exists"], alice["maildir_own"]) == ("alice@example.org", True, False)
    assert (bob["maildir"], bob["read_only"], bob["maildir_exists"]) == ("/srv/bob/m", True, False)
    assert not any("argon2" in text for text in (shown, "\n".join(table), json.dumps([alice, bob])))


def test_no_accounts_yet(here: Installation) -> None:
    done = here.run("list")
    assert (done.stdout, "pillarbox account add NAME" in done.stderr) == ("", True)
    assert here.run("list", "--json").stdout == "[]\n"
    assert "made with the first account" in here.fails("show", "alice@example.org", code=3)
    assert not here.state.exists()


def test_one_line_says_what_is_wrong(here: Installation) -> None:
    here.run("add", "alice@example.org", given=f"{PASSWORD}\n")
    for command in (["show"], ["disable"], ["enable"], ["password"], ["remove", "--yes"]):
        assert "did you mean alice@example.org?" in here.fails(*command, "alcie@example.org")
    assert "pillarbox account list" in here.fails("show", "zzz")
    assert "already" in here.fails("add", "ALICE@example.org", given=f"{PASSWORD}\n")
    assert 'holds a "/"' in here.fails("add", "../alice", given=f"{PASSWORD}\n")
    assert "control or invisible" in here.fails("add", "al\x1b[31mice", given=f"{PASSWORD}\n")
    assert "needs {domain}" in here.fails("add", "bob", given=f"{PASSWORD}\n")
    assert "not absolute" in here.fails("add", "b@example.org", "--maildir", "Mail", given=f"{PASSWORD}\n")
    assert '".."' in here.fails("add", "b@example.org", "--maildir", "/a/../b", given=f"{PASSWORD}\n")
    assert "no password was given" in here.fails("add", "b@example.org")
    assert "empty" in here.fails("add", "b@example.org", given="\n")
    assert "fewer than 15" in here.fails("add", "b@example.org", given="short\n")
    assert "--yes" in here.fails("remove", "alice@example.org")
    assert [account.name for account in here.store.list()] == ["alice@example.org"]


def test_a_password_is_never_an_argument(here: Installation) -> None:
    """P60: also not in the message that refuses it."""
    for arguments in (["--password", "hunter2 hunter2"], ["--password"], ["-p", "hunter2 hunter2"]):
        for command in ("add", "password"):
            done = here.run(command, "alice@example.org", *arguments, given=f"{PASSWORD}\n", code=2)
            assert "seen by every user" in " ".join(done.stderr.replace("│", " ").split())
            assert "hunter2" not in done.stderr
    done = here.run("add", "alice@example.org", "--password=hunter2 hunter2", given=f"{PASSWORD}\n", code=2)
    assert "hunter2" not in done.stderr
    assert not here.state.exists()


def test_a_database_that_cannot_be_used(here: Installation) -> None:
    here.run("add", "alice@example.org", given=f"{PASSWORD}\n")
    path = here.state / "accounts.sqlite"
    good = path.read_bytes()
    path.write_bytes(b"rubbish" * 1000)
    for arguments in (
        ["list"],
        ["show", "alice@example.org"],
        ["disable", "alice@example.org"],
        ["add", "b@example.org"],
    ):
        assert "not a database" in here.fails(*arguments, given=f"{PASSWORD}\n", code=3)
    path.unlink()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE t (x)")
    other.close()
    assert "not a Pillarbox accounts database" in here.fails("list", code=3)
    path.write_bytes(good)
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    assert "newer Pillarbox" in here.fails("add", "b@example.org", given=f"{PASSWORD}\n", code=3)


def test_a_state_directory_that_cannot_be_made(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    here.state.write_text("a file in the way")
    assert "Not a directory" in here.fails("add", "alice@example.org", given=f"{PASSWORD}\n", code=3)


def test_default_domain_and_domain_templates(tmp_path: Path) -> None:
    here = Installation(
        tmp_path,
        '[auth]\ndefault_domain = "example.org"\n[domains."example.org"]\nmaildir = "/own/{user}"\n',
    )
    assert "/own/alice" in here.run("add", "alice", given=f"{PASSWORD}\n").stdout
    assert here.store.show("alice@example.org")


def test_accounts_that_the_server_would_not_ask_are_noted(tmp_path: Path) -> None:
    (tmp_path / "users").touch()
    here = Installation(tmp_path, f'[auth]\nsources = ["passwd-file"]\n[auth.passwd_file]\npath = "{tmp_path}/users"\n')
    assert "the server does not use" in here.run("add", "alice@example.org", given=f"{PASSWORD}\n").stderr


def test_the_terminal_asks_twice_and_shows_nothing(here: Installation) -> None:
    code, shown = here.on_a_terminal(
        "add",
        "alice@example.org",
        answers=[("New password: ", "pässwörd mit Raum\n"), ("The same again: ", "pässwörd mit Raum\n")],
    )
    assert code == 0
    assert "added alice@example.org" in shown
    assert "Raum" not in shown
    assert Hasher().verify(here.store.show("alice@example.org").password_hash, "pässwörd mit Raum".encode())


def test_a_mismatch_or_an_end_of_file_on_the_terminal_changes_nothing(here: Installation) -> None:
    answers = [("New password: ", f"{PASSWORD}\n"), ("The same again: ", "something else\n")]
    code, shown = here.on_a_terminal("add", "alice@example.org", answers=answers)
    assert (code, "differ" in shown) == (1, True)
    code, shown = here.on_a_terminal("add", "alice@example.org", answers=[("New password: ", "\x04")])
    assert (code, "no password was given" in shown) == (1, True)
    code, shown = here.on_a_terminal("add", "alice@example.org", answers=[("New password: ", "\x03")])
    assert (code != 0, "Traceback" in shown) == (True, False)
    assert not here.state.exists()


def test_removing_is_confirmed_on_a_terminal(here: Installation) -> None:
    here.run("add", "alice@example.org", given=f"{PASSWORD}\n")
    code, _ = here.on_a_terminal("remove", "alice@example.org", answers=[("[y/N]", "n\n")])
    assert code == 1
    assert here.store.lookup("alice@example.org")
    code, shown = here.on_a_terminal("remove", "alice@example.org", answers=[("[y/N]", "y\n")])
    assert (code, "its mail was not touched" in shown) == (0, True)
    assert here.store.lookup("alice@example.org") is None
