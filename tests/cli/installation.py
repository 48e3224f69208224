"""A configuration with accounts in a directory of its own, for the commands about them."""

import time
from pathlib import Path

import typer
from typer.testing import CliRunner, Result

from pillarbox.auth import totp
from pillarbox.auth.accounts import AccountStore
from pillarbox.auth.app_passwords import AppPasswordStore
from pillarbox.auth.keys import KeyFile
from pillarbox.auth.passwords import Hasher
from pillarbox.auth.totp import TotpStore, code_at, step_at
from pillarbox.cli import account, app_password

RUNNER = CliRunner()
PASSWORD = "correct horse battery"
SECRET = b"12345678901234567890"


class Installation:
    """Accounts alice and bob, each with `PASSWORD`."""

    def __init__(self, base: Path, extra: str = "") -> None:
        self.state = base / "state"
        self.config = base / "pillarbox.toml"
        for name in ("cert.pem", "key.pem"):
            (base / name).touch()
        self.config.write_text(
            f'[server]\nstate_directory = "{self.state}"\n'
            f'[tls]\ncertificate = "{base}/cert.pem"\nkey = "{base}/key.pem"\n{extra}'
        )
        self.store = AccountStore(self.state / "accounts.sqlite", clock=time.time)
        self.keys = KeyFile(self.state / "secret.key")
        self.app_passwords = AppPasswordStore(self.store, self.keys)
        self.store.create()
        hashed = Hasher(memory_kib=8, time_cost=1).hash(PASSWORD.encode())
        for name in ("alice", "bob"):
            self.store.add(name, hashed)

    def enrol(self, name: str) -> list[str]:
        """Enrol `SECRET` a minute ago, so that this minute's codes are unused; gives the recovery codes."""
        past = TotpStore(
            AccountStore(self.state / "accounts.sqlite", clock=lambda: time.time() - 60),
            self.keys,
            clock=lambda: time.time() - 60,
        )
        return past.enrol(name, SECRET, code_at(SECRET, step_at(time.time() - 60)))

    @staticmethod
    def code() -> str:
        return totp.code_at(SECRET, totp.step_at(time.time()))

    def account(self, *arguments: str, given: str = "", code: int = 0) -> Result:
        return self._run(account.app, arguments, given, code)

    def app_password(self, *arguments: str, given: str = "", code: int = 0) -> Result:
        return self._run(app_password.app, arguments, given, code)

    def _run(self, app: typer.Typer, arguments: tuple[str, ...], given: str, code: int) -> Result:
        done = RUNNER.invoke(app, [*arguments, "--config", str(self.config)], input=given)
        assert done.exit_code == code, done.output
        assert done.exception is None or isinstance(done.exception, SystemExit)
        if code:
            assert done.stderr.startswith("error: ")
        return done
