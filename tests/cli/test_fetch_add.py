"""`pillarbox fetch add`: nothing is written that does not work, and nothing that stood there is touched."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.fetching import FetchFiles
from tests.fetch.accounts import mail

from pillarbox.cli import fetch_add
from pillarbox.client.discover import AuthKind, Discovery, Proposal, Source, Trouble
from pillarbox.testing.scripted import ScriptedServer

MAIL = [mail(1), mail(2)]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(MAIL, users={"ada@example.org": "open-sesame"}) as running:
        yield running


@pytest.fixture
def files(tmp_path: Path) -> FetchFiles:
    files = FetchFiles(tmp_path)
    files.config.write_text("# my own words\n" + files.config.read_text())
    return files


def answers(server: ScriptedServer, files: FetchFiles, **changes: str) -> list[str]:
    options = {
        "url": f"pops://localhost:{server.port}",
        "password-file": str(files.base / "kept"),
        "to": "maildir",
        "path": str(files.base / "ada"),
        "set": f"tls.ca_file={server.ca}",
        **changes,
    }
    return [text for name, value in options.items() if value for text in (f"--{name}", value)]


def test_everything_by_options(server: ScriptedServer, files: FetchFiles) -> None:
    done = files.run(
        "add", "ada@example.org", "--yes", "--password-stdin", *answers(server, files), "--delete",
        "--keep-days", "30", "--set", "largest=1000000", "--set", 'deliver.line_ends="crlf"', given="open-sesame\n",
    )  # fmt: skip
    assert done.stdout.startswith(f"ada is added to {files.config}; fetch its mail: pillarbox fetch run --once ada")
    assert "open-sesame" not in done.output + files.config.read_text()
    assert files.config.read_text().startswith("# my own words\n[fetch]\n")
    ada = tomllib.loads(files.config.read_text())["account"]["ada"]
    assert ada["user"] == "ada@example.org"
    assert (ada["delete"], ada["keep_days"], ada["largest"]) == ("after delivery", 30, 1_000_000)
    assert ada["deliver"]["line_ends"] == "crlf"
    assert (files.base / "kept").stat().st_mode & 0o777 == 0o600
    files.run("run", "--once")
    assert files.mail() == Counter(MAIL)


def test_a_login_that_fails_leaves_nothing(server: ScriptedServer, files: FetchFiles) -> None:
    before = files.config.read_text()
    done = files.run(
        "add", "ada@example.org", "--yes", "--password-stdin", *answers(server, files), given="canary\n", code=1
    )
    assert "login refused" in done.stderr
    assert "nothing was added" in done.stderr
    assert "canary" not in done.output
    assert files.config.read_text() == before
    assert not (files.base / "kept").exists()


def test_a_destination_that_fails_leaves_nothing(server: ScriptedServer, files: FetchFiles) -> None:
    (files.base / "file").write_text("")
    before = files.config.read_text()
    where = answers(server, files, path=str(files.base / "file"))
    files.run("add", "ada@example.org", "--yes", "--password-stdin", *where, given="open-sesame\n", code=1)
    assert files.config.read_text() == before
    assert not (files.base / "kept").exists()


def test_a_password_of_ones_own_is_not_touched(server: ScriptedServer, files: FetchFiles) -> None:
    own = files.base / "kept"
    own.write_text("wrong\n")
    own.chmod(0o600)
    files.run("add", "ada@example.org", "--yes", *answers(server, files), code=1)
    assert own.read_text() == "wrong\n"
    own.write_text("open-sesame\n")
    files.run("add", "ada@example.org", "--yes", *answers(server, files))


def test_by_questions_with_a_second_try_of_the_password(
    server: ScriptedServer, files: FetchFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"pops://localhost:{server.port}"
    found = Discovery(
        (
            Proposal("pops://elsewhere.example.net:995", "ada", AuthKind.PASSWORD, Source.AUTOCONFIG, True),
            Proposal(url, "ada@example.org", AuthKind.PASSWORD, Source.SRV, False),
        ),
        (Trouble(Source.ISPDB, "no answer"),),
    )
    monkeypatch.setattr(fetch_add, "_discover", lambda address, ispdb: found)
    typed = ["2", "", "", str(files.base / "kept"), "wrong", "", str(files.base / "ada"), "", "y", "open-sesame"]
    done = files.run("add", "ada@example.org", "--set", f"tls.ca_file={server.ca}", given="\n".join(typed) + "\n")
    assert "outside of the address's domain or guessed: sure?" in done.stderr
    assert "ispdb: no answer" in done.stderr
    assert "It works: 2 messages" in done.stderr
    assert "open-sesame" not in done.output
    assert tomllib.loads(files.config.read_text())["account"]["ada"]["url"] == url


def test_nobody_asked_no_doubtful_server_is_taken(files: FetchFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    doubtful = Proposal("pops://evil.example.net:995", "ada", AuthKind.PASSWORD, Source.SRV, True)
    monkeypatch.setattr(fetch_add, "_discover", lambda address, ispdb: Discovery((doubtful,), ()))
    said = files.run("add", "ada@example.org", "--yes", code=2).stderr
    assert "name it with --url" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "ADDRESS is not given"),
        (["ada@h", "--url", "imap://h"], "pops://"),
        (["ada@h", "--url", "pops://h"], "--password-stdin is not given"),
        (["ada@h", "--url", "pops://h", "--password-command", "x", "--password-keyring", "y"], "one of the --password"),
        (["ada@h", "--url", "pops://h", "--password-command", "x", "--set", "nonsense"], "KEY=VALUE"),
        (["ada@h", "--url", "pops://h", "--password-command", "x", "--to", "lmtp"], "--recipient is not given"),
        (["ada@h", "--url", "pops://h", "--oauth", "google"], "--client-id is not given"),
        (["ada@h", "--url", "pops://h", "--keep-days", "5"], "add --delete"),
        (["notanaddress"], "no mail address"),
    ],
)
def test_what_is_missing_is_said(files: FetchFiles, options: list[str], words: str) -> None:
    assert words in files.run("add", "--yes", *options, code=2).stderr


def test_what_the_schema_refuses_is_told_with_its_key(files: FetchFiles) -> None:
    given = ["ada@h", "--url", "pops://h", "--password-command", "x", "--path", str(files.base / "in")]
    said = files.run("add", "--yes", *given, "--set", "keep_dayz=3", "--set", "deliver.folder=x", code=1).stderr
    assert "keep_dayz" in said
    assert "no use for `folder`" in said


def test_a_name_that_is_taken(server: ScriptedServer, files: FetchFiles) -> None:
    given = ("--password-stdin", *answers(server, files))
    files.run("add", "ada@example.org", "--yes", *given, given="open-sesame\n")
    where = answers(server, files, path=str(files.base / "second"))
    assert "already" in files.run("add", "ada@example.org", "--name", "ada", "--yes", *where, code=2).stderr
    files.run("add", "ada@example.org", "--yes", *where)
    assert set(tomllib.loads(files.config.read_text())["account"]) == {"ada", "ada@example.org"}


def test_without_a_test_nobody_is_connected(files: FetchFiles) -> None:
    given = ["ada@h", "--url", "pops://localhost:1", "--password-command", "x y", "--path", str(files.base / "in")]
    files.run("add", "--yes", "--no-test", *given)
    ada = tomllib.loads(files.config.read_text())["account"]["ada"]
    assert ada["password_command"] == ["x", "y"]


def test_a_file_that_is_broken_is_mended_first(files: FetchFiles) -> None:
    files.config.write_text("nonsense\n")
    files.run("add", "ada@h", "--yes", "--url", "pops://h", "--password-command", "x", code=1)
    assert files.config.read_text() == "nonsense\n"


def test_nobody_there_to_answer_is_told_the_option(files: FetchFiles) -> None:
    given = ["ada@h", "--url", "pops://h", "--name", "ada"]
    said = files.run("add", *given, code=2).stderr
    assert "nobody is there to answer: give --password-file" in said
    assert "Looking for" not in files.run("add", "notanaddress", "--yes", code=2).stderr


def test_relative_paths_start_at_the_file_and_are_named_in_full(server: ScriptedServer, files: FetchFiles) -> None:
    where = ("ada@example.org", "--yes", "--password-stdin", *answers(server, files, set="tls.ca_file=ours.pem"))
    said = files.run("add", *where, given="open-sesame\n", code=2).stderr
    assert f"there is no file {files.base / 'ours.pem'}" in said
    (files.base / "ours.pem").write_bytes(server.ca.read_bytes())
    files.run("add", *where, given="open-sesame\n")
    files.run("run", "--once")


@pytest.mark.parametrize("trusted", [True, False])
def test_a_certificate_that_nobody_vouches_for(server: ScriptedServer, files: FetchFiles, trusted: bool) -> None:
    """The password is not asked again: the key seen may be trusted, or nothing is added."""
    before = files.config.read_text()
    given = ("ada@example.org", "--name", "ada", *answers(server, files, set=""))
    typed = f"open-sesame\nn\n{'y' if trusted else 'n'}\n"
    done = files.run("add", *given, given=typed, code=0 if trusted else 1)
    assert done.stderr.count("The password") == 1
    if trusted:
        assert tomllib.loads(files.config.read_text())["account"]["ada"]["tls"] == {"verify": "first use"}
        files.run("run", "--once")
        assert files.mail() == Counter(MAIL)
    else:
        assert "--set tls.ca_file=FILE" in done.stderr
        assert files.config.read_text() == before
        assert not (files.base / "kept").exists()
