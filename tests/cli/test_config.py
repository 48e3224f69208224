import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pillarbox.cli import config
from pillarbox.config import describe
from pillarbox.config.load import parse

BAD = """\
[server]
workers = "4"
[limits]
conections = 3
[tls]
certificate = "/c.pem"
key = "/k.pem"
"""
GOOD = '[tls]\ncertificate = "none.pem"\nkey = "none.key"\n'


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(config.VARIABLE, raising=False)
    monkeypatch.setattr(config, "SYSTEM_FILE", tmp_path / "etc" / "pillarbox.toml")


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(config.app, arguments, env=environment)


def test_check_prints_every_problem_on_stderr_with_key_and_advice(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(BAD)
    result = run("check", "-c", "p.toml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "error: p.toml:2: server.workers: must be a whole number" in result.stderr
    assert "error: p.toml:4: limits.conections: unknown key" in result.stderr
    assert "    did you mean `limits.connections`?" in result.stderr
    assert "2 problems found" in result.stderr
    assert "Traceback" not in result.stderr


def test_check_looks_at_the_files_too(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(GOOD)
    result = run("check", "--config", "p.toml")
    assert result.exit_code == 1
    assert f"tls.certificate: there is no file {tmp_path / 'none.pem'}" in result.stderr
    assert "tls.key: there is no file" in result.stderr


def test_a_fine_configuration_is_called_fine_with_its_warnings(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(f"""
        [server]
        user = "{pwd.getpwuid(os.geteuid()).pw_name}"
        [[listener]]
        tls = "starttls"
        [[listener.cleartext_login]]
        networks = ["192.0.2.17"]
        until = 2001-01-01
        reason = "the one old printer"
    """)
    result = run("check", "-c", "p.toml")
    assert result.exit_code == 0
    assert result.stdout == "p.toml: the configuration is fine.\n"
    assert "warning: p.toml: listener[1].cleartext_login[1].until: this exception ended on 2001-01-01" in result.stderr


def test_the_file_is_found_in_the_documented_order(tmp_path: Path) -> None:
    system, local = tmp_path / "etc" / "pillarbox.toml", tmp_path / "pillarbox.toml"
    assert config.find_config(None) == system
    local.write_text(GOOD)
    assert config.find_config(None) == Path("pillarbox.toml")
    assert config.find_config(Path("x")) == Path("x")
    (tmp_path / "env.toml").write_text(BAD)
    assert "env.toml" in run("check", PILLARBOX_CONFIG="env.toml").stderr
    assert "x.toml" in run("check", "-c", "x.toml", PILLARBOX_CONFIG="env.toml").stderr


def test_a_missing_file_is_an_error_with_advice() -> None:
    result = run("check")
    assert result.exit_code == 1
    assert "there is no such file" in result.stderr
    assert "--config" in result.stderr


def test_text_from_a_file_cannot_command_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text('"\\u001b[2J\\u202e" = 1\n[server]\nuser = "\\u001b[31m"\n')
    result = run("check", "-c", "p.toml")
    assert "\x1b[2J" not in result.stderr
    assert "\u202e" not in result.stderr
    assert "\\x1b[2J\\u202e" in result.stderr


def test_show_prints_a_file_that_loads_to_the_same_settings(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text('[tls]\ncertificate = "/c"\nkey = "/k"\n')
    result = run("show", "-c", "p.toml")
    assert result.exit_code == 0
    assert parse(result.stdout) == parse((tmp_path / "p.toml").read_text())
    assert describe.DEFAULT_MARK in result.stdout


def test_show_of_a_wrong_file_prints_the_problems(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(BAD)
    result = run("show", "-c", "p.toml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "server.workers" in result.stderr


def test_explain_tells_about_a_key_or_names_near_ones() -> None:
    assert run("explain", "timeouts.idle").stdout == describe.explain("timeouts.idle")
    assert run("explain").stdout == describe.explain("")
    result = run("explain", "limits.conections")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "did you mean `limits.connections`" in result.stderr


def test_reference_prints_the_page() -> None:
    assert run("reference").stdout == describe.reference()


def test_importing_it_does_not_import_what_only_pretty_output_needs() -> None:
    code = "import sys, pillarbox.cli.config; print('rich' in sys.modules, 'structlog' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    ("setting", "key"),
    [
        ('[server]\nuser = "no-such-user-here"', "server.user"),
        ('[log]\ntarget = "/no/such/directory/log"', "log.target"),
        ('[maildir]\nunique_ids = "dovecot"\ndovecot_format = "%z"', "maildir.dovecot_format"),
        ('[tls]\nciphers = "aNULL:eNULL:@SECLEVEL=0"', "tls.ciphers"),
    ],
)
def test_what_would_keep_the_server_from_starting_is_found(tmp_path: Path, setting: str, key: str) -> None:
    (tmp_path / "p.toml").write_text(
        f"""
        [[listener]]
        tls = "starttls"
        cleartext_login = [{{networks = ["192.0.2.17"], until = 2999-01-01, reason = "test"}}]
        {setting}
        """.replace("        ", "")
    )
    result = run("check", "-c", "p.toml")
    assert result.exit_code == 1
    assert f"{key}:" in result.stderr
