from collections import Counter
from pathlib import Path

import pytest
from tests.fetch.accounts import account, fetched, mail, run

from pillarbox.fetch.destinations.maildir import MaildirDestination
from pillarbox.fetch.destinations.pipe import Pipe
from pillarbox.fetch.trial import Trial, try_account
from pillarbox.testing.scripted import ScriptedServer


def test_it_works_and_changes_nothing(tmp_path: Path) -> None:
    messages = [mail(1), mail(2)]
    with ScriptedServer(messages, tls="none") as server:
        ours = account(server, tmp_path, delete_after=0.0)
        assert try_account(ours) == Trial(2, sum(map(len, messages)), True)
        assert not server.retrieved
        assert len(server.messages) == 2
        run(ours)
    assert fetched(tmp_path) == Counter(messages)


@pytest.mark.parametrize("faulty", ["login", "destination", "both"])
def test_what_is_wrong_is_told_for_both_sides(tmp_path: Path, faulty: str) -> None:
    with ScriptedServer(mail(1), tls="none") as server:
        ours = account(
            server,
            tmp_path,
            password="wrong" if faulty != "destination" else server.password,
            destination=Pipe(["/no/such"]) if faulty != "login" else MaildirDestination(tmp_path / "in"),
        )
        trial = try_account(ours)
    assert ("correct the user or the password" in trial.login) == (faulty != "destination")
    assert ("no such program" in trial.destination) == (faulty != "login")


def test_a_state_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with ScriptedServer(tls="none") as server:
        trial = try_account(account(server, tmp_path, journals=tmp_path / "file" / "journals"))
        assert "file" in trial.login
        assert not server.sessions
