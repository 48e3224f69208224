from pathlib import Path

from tests.fetch.accounts import account, mail, run

from pillarbox.fetch import Journal, Oversize
from pillarbox.fetch.aside import aside
from pillarbox.testing.scripted import ScriptedServer


def test_nothing_before_the_first_run(tmp_path: Path) -> None:
    with ScriptedServer(tls="none") as server:
        assert aside(account(server, tmp_path)) == []


def test_what_is_not_in_the_destination_and_why(tmp_path: Path) -> None:
    with ScriptedServer([mail(1), mail(2, 5000), mail(3, 6000)], tls="none") as server:
        ours = account(server, tmp_path, largest=1000, oversize=Oversize.QUARANTINE)
        run(ours)
        with Journal(ours.journals, "ada"):  # also while a run holds the journal
            found = aside(ours)
        assert [one.quarantined for one in found] == [True, True]
        assert {one.file.read_bytes() for one in found if one.file} == {mail(2, 5000), mail(3, 6000)}
        assert all("larger than 1000" in one.reason and one.size > 1000 for one in found)
        skipped = account(server, tmp_path, name="bob", largest=1000)
        run(skipped)
        assert [(one.quarantined, one.file) for one in aside(skipped)] == [(False, None)] * 2
