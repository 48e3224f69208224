from pathlib import Path

from tests.cli.fetching import FetchFiles
from tests.fetch.accounts import mail

from pillarbox.testing.scripted import ScriptedServer


def test_everything_is_fine(tmp_path: Path) -> None:
    with ScriptedServer([mail(1)], tls="none") as server:
        files = FetchFiles(tmp_path)
        files.add(server)
        assert files.run("check").stdout == f"{files.config}: 1 account, everything is fine.\n"
        assert not server.sessions
        assert files.run("check", "--connect").stdout.startswith("ada: 1 message (")
        assert not server.retrieved


def test_all_problems_of_files_at_once(tmp_path: Path) -> None:
    files = FetchFiles(tmp_path, metrics="/no/such/x.prom")
    for name in ("ada", "bob"):
        deliver = {"to": "pipe", "command": ["no-such-program"]}
        files.write(name, {"url": f"pops://{name}@h", "password_file": "secret", "deliver": deliver})
    said = files.run("check", code=1).stderr
    assert said.count("error:") == 5
    assert f"{files.config}: account.bob.deliver.command: there is no program no-such-program" in said
    assert "5 problems found" in said


def test_what_cannot_be_built(tmp_path: Path) -> None:
    files = FetchFiles(tmp_path)
    tls = {"pins": ["nonsense"]}
    files.write("ada", {"url": "pops://a@h", "password_file": "s", "tls": tls, "deliver": {"to": "mbox", "path": "x"}})
    assert "account.ada" in files.run("check", code=1).stderr


def test_logins_that_fail(tmp_path: Path) -> None:
    with ScriptedServer([mail(1)], tls="none") as server:
        files = FetchFiles(tmp_path)
        (tmp_path / "ada.password").write_text("canary-wrong")
        (tmp_path / "ada.password").chmod(0o600)
        files.add(server)
        said = files.run("check", "--connect", code=1)
    assert "account.ada: login refused" in said.stderr
    assert "canary-wrong" not in said.output


def test_no_file(tmp_path: Path) -> None:
    files = FetchFiles(tmp_path)
    files.config.unlink()
    assert "there is no such file" in files.run("check", code=1).stderr


def test_a_directory_instead_of_a_file(tmp_path: Path) -> None:
    files = FetchFiles(tmp_path)
    files.config.unlink()
    files.config.mkdir()
    assert f"name the file in it: {files.config / 'fetch.toml'}" in files.run("check", code=1).stderr
