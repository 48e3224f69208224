"""`pillarbox breach`, with files and pipes as a script uses it."""

import os
import pty
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pillarbox.auth.breach import ntlm, sha1
from pillarbox.cli.breach import app

PROGRAM = "from pillarbox.cli.breach import app; app(prog_name='pillarbox breach')"


def run(*arguments: str, given: bytes | str = "", code: int = 0) -> Result:
    done = CliRunner().invoke(app, list(arguments), input=given)
    assert done.exit_code == code, done.output
    return done


@pytest.fixture
def made(tmp_path: Path) -> Path:
    (tmp_path / "hashes").write_text("".join(f"{sha1(b'pw %d' % n).hex().upper()}:{n + 1}\n" for n in range(500)))
    shown = run("build", str(tmp_path / "filter"), str(tmp_path / "hashes")).stdout
    assert "500 passwords from 500 lines" in shown
    assert "found by mistake" in shown
    return tmp_path / "filter"


def test_check_says_found_or_not_with_the_rate(made: Path) -> None:
    assert "found: the password is known" in run("check", str(made), given="pw 7\n", code=1).stdout
    assert "for one good password in 1," in run("check", str(made), given="pw 7\n", code=1).stdout
    assert run("check", str(made), given="quite another one\n").stdout.startswith("not found")


def test_check_asks_on_a_terminal_and_shows_nothing(made: Path) -> None:
    """P60: the password does not appear."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", PROGRAM, "check", str(made)])
    shown = b""
    while b"Password: " not in shown:
        shown += os.read(terminal, 1024)
    os.write(terminal, b"pw 7\n")
    while True:
        try:
            data = os.read(terminal, 1024)
        except OSError:
            break
        if not data:
            break
        shown += data
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    os.close(terminal)
    assert b"found: " in shown
    assert b"pw 7" not in shown


def test_a_password_is_never_an_argument(made: Path) -> None:
    assert "unexpected extra argument" in run("check", str(made), "pw 7", code=2).stderr


def test_standard_input_and_plain_lists(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("one password\nanother\n")
    digest = sha1(b"a third").hex()
    shown = run("build", str(tmp_path / "f"), "-", "--plain", str(tmp_path / "plain"), given=f"{digest}\n").stdout
    assert "3 passwords from 3 lines" in shown
    for password in ("one password", "another", "a third"):
        run("check", str(tmp_path / "f"), given=f"{password}\n", code=1)


def test_ntlm(tmp_path: Path) -> None:
    (tmp_path / "hashes").write_text(f"{ntlm(b'one password').hex()}:3\n")
    run("build", str(tmp_path / "f"), str(tmp_path / "hashes"), "--ntlm")
    run("check", str(tmp_path / "f"), given="one password\n", code=1)
    assert "NTLM" in run("info", str(tmp_path / "f")).stdout


def test_bad_lines_are_shown_by_number_counted_and_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "hashes").write_text("my secret\n" * 25 + sha1(b"x").hex() + "\n")
    done = run("build", str(tmp_path / "f"), str(tmp_path / "hashes"))
    assert done.stderr.count("skipped: not a hash of 40") == 10
    assert f"{tmp_path}/hashes:1: skipped" in done.stderr
    assert "25 lines skipped" in done.stderr
    assert "my secret" not in done.output


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (("build", "{}/f"), "no list was given", 2),
        (("build", "{}/f", "{}/none"), "No such file", 1),
        (("build", "{}/f", "{}/bad"), "no line of the lists could be used", 1),
        (("build", "{}/none/f", "{}/bad"), "No such file", 1),
        (("check", "{}/none"), "cannot be opened", 2),
        (("check", "{}/bad"), "not a breach filter", 2),
        (("info", "{}/bad"), "not a breach filter", 2),
    ],
)
def test_failures_are_one_line(tmp_path: Path, arguments: tuple[str, ...], message: str, code: int) -> None:
    (tmp_path / "bad").write_text("nonsense\n")
    done = run(*(argument.format(tmp_path) for argument in arguments), given="x\n", code=code)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in done.output


def test_info_shows_what_it_is_and_can_verify_it(made: Path) -> None:
    assert "passwords        500" in run("info", str(made)).stdout
    assert "checksum         right" in run("info", str(made), "--verify").stdout
    data = bytearray(made.read_bytes())
    data[-1] ^= 1
    made.write_bytes(data)
    assert "checksum is wrong" in run("info", str(made), "--verify", code=2).stderr


def test_an_empty_password_is_nothing_to_ask_about(made: Path) -> None:
    assert "empty" in run("check", str(made), given="\n", code=2).stderr
