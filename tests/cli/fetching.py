"""A file of accounts in a directory of its own, for the commands of `pillarbox fetch`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from tests.fetch.accounts import wire
from typer.testing import CliRunner, Result

from pillarbox.cli import fetch
from pillarbox.config.toml import inline
from pillarbox.fetch.new_account import table_text
from pillarbox.testing.scripted import ScriptedServer

RUNNER = CliRunner()


class FetchFiles:
    """`fetch.toml` and everything it names, below one directory."""

    def __init__(self, base: Path, **settings: Any) -> None:
        self.base = base
        self.state = base / "state"
        self.config = base / "fetch.toml"
        lines = [f"{key} = {inline(value)}" for key, value in {"state": str(self.state), **settings}.items()]
        self.config.write_text("\n".join(["[fetch]", *lines]) + "\n")

    def add(self, server: ScriptedServer, name: str = "ada", **changes: Any) -> None:
        """Add an account of the server's user; `deliver` and `tls` are tables."""
        password = self.base / f"{name}.password"
        if not password.exists():
            password.write_text(server.password + "\n")
            password.chmod(0o600)
        account: dict[str, Any] = {
            "url": server.url,
            "password_file": str(password),
            "tls": {"cleartext": True} if server.tls == "none" else {"ca_file": str(server.ca)},
            "deliver": {"to": "maildir", "path": str(self.base / name)},
        }
        self.write(name, {**account, **changes})

    def write(self, name: str, account: dict[str, Any]) -> None:
        with self.config.open("a") as file:
            file.write("\n" + table_text(name, account))

    def run(self, *arguments: str, given: str = "", code: int = 0) -> Result:
        """Run `pillarbox fetch …`."""
        done = RUNNER.invoke(fetch.app, [*arguments, "--config", str(self.config)], input=given)
        assert done.exit_code == code, (done.output, done.exception)
        assert done.exception is None or isinstance(done.exception, SystemExit)
        assert "Traceback" not in done.output
        return done

    def mail(self, name: str = "ada") -> Counter[bytes]:
        """What is in an account's Maildir, in wire form, and how often."""
        return Counter(wire(path.read_bytes()) for path in (self.base / name / "new").glob("*"))
