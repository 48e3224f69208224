import subprocess
import sys

from typer.testing import CliRunner

from pillarbox.cli import fetch

COMMANDS = ("run", "check", "add", "login", "status", "health", "import", "quarantine")


def test_every_command_is_there() -> None:
    shown = CliRunner().invoke(fetch.app, ["--help"]).output
    for name in COMMANDS:
        assert f" {name} " in shown


def test_help_needs_nothing_heavy() -> None:
    code = (
        "import sys; from pillarbox.cli import fetch;"
        "heavy = ('pillarbox.client.blocking', 'pillarbox.archive', 'cryptography', 'dns');"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
