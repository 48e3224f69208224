"""Many accounts in one process: once, by the timetable, and while the file changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fetch.accounts import account, fetched, mail

from pillarbox.events import InternalError, MemorySink, Warned
from pillarbox.fetch import FetchAccount, RunResult
from pillarbox.fetch.accounts_file import Fetcher, Scheduled
from pillarbox.fetch.schema import Fetch
from pillarbox.fetch.service import Service
from pillarbox.fetch.status import StatusFile
from pillarbox.testing.scripted import ScriptedServer

PATIENCE = 30.0


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    people = ["ada", "bob", "carl"]
    boxes = {name: [mail(10 * number + index) for index in range(3)] for number, name in enumerate(people)}
    with ScriptedServer(boxes, users=dict.fromkeys(people, "pw"), tls="none") as running:
        yield running


def of(server: ScriptedServer, base: Path, name: str, every: float = 3600.0, **changes: object) -> Scheduled:
    (base / name).mkdir(exist_ok=True)
    made = account(server, base / name, name=name, user=name, journals=base / "state" / "journals", **changes)
    return Scheduled(made, "localhost", every)


class Running:
    """A service in a thread, and its results as they come."""

    def __init__(self, base: Path, accounts: list[Scheduled], **settings: object) -> None:
        self.state = base / "state"
        self.settings = settings
        self.sink = MemorySink()
        self.results: list[RunResult] = []
        self._changed = threading.Condition()
        self.service = Service(
            self.fetcher(accounts), accounts, events=self.sink, chance=lambda: 1.0, ended=self._ended
        )
        self._thread = threading.Thread(target=self.service.forever)

    def fetcher(self, accounts: list[Scheduled]) -> Fetcher:
        return Fetcher(Fetch.model_validate(self.settings), self.state, tuple(accounts))

    def _ended(self, result: RunResult) -> None:
        with self._changed:
            self.results.append(result)
            self._changed.notify_all()

    def wait(self, done: Callable[[list[RunResult]], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: done(self.results), PATIENCE), self.results

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.service.stop()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


def names(results: list[RunResult]) -> list[str]:
    return [result.account for result in results]


def test_once_runs_each_account_once_and_notes_it(server: ScriptedServer, tmp_path: Path) -> None:
    accounts = [of(server, tmp_path, name) for name in ("ada", "bob", "carl")]
    running = Running(tmp_path, accounts, metrics=tmp_path / "x.prom", per_host=1)
    results = running.service.once()
    assert sorted(names(results)) == ["ada", "bob", "carl"]
    assert all(result.ok and result.fetched == 3 for result in results)
    assert StatusFile(tmp_path / "state").all()["bob"].fetched == 3
    assert 'messages_total{account="carl"} 3' in (tmp_path / "x.prom").read_text()
    assert sum(fetched(tmp_path / "ada").values()) == 3


def test_no_account_is_no_trouble(tmp_path: Path) -> None:
    assert Running(tmp_path, []).service.once() == []


def test_a_defect_is_one_accounts(server: ScriptedServer, tmp_path: Path) -> None:
    class Broken(Exception):
        pass

    def connect(*arguments: object) -> None:
        raise Broken

    accounts = [of(server, tmp_path, "ada", connect=connect), of(server, tmp_path, "bob")]
    running = Running(tmp_path, accounts)
    results = {result.account: result for result in running.service.once()}
    assert isinstance(results["ada"].error, Broken)
    assert results["bob"].fetched == 3
    assert len(running.sink.of(InternalError)) == 1


def test_what_cannot_be_noted_is_told_and_stops_nothing(server: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "status.sqlite").write_bytes(b"nonsense" * 200)
    running = Running(tmp_path, [of(server, tmp_path, "ada")], metrics=tmp_path / "missing" / "x.prom")
    (result,) = running.service.once()
    assert result.fetched == 3
    assert {event.about for event in running.sink.of(Warned)} == {"fetch-status"}


def test_it_goes_on_by_the_timetable_until_it_is_stopped(server: ScriptedServer, tmp_path: Path) -> None:
    with Running(tmp_path, [of(server, tmp_path, "ada", every=0.05)]) as running:
        running.wait(lambda results: len(results) >= 3)
    assert running.results[0].fetched == 3
    assert running.results[1].fetched == 0


def test_in_a_hurry_all_come_at_once(server: ScriptedServer, tmp_path: Path) -> None:
    with Running(tmp_path, [of(server, tmp_path, "ada"), of(server, tmp_path, "bob")]) as running:
        running.wait(lambda results: len(results) == 2)
        running.service.hurry()
        running.wait(lambda results: len(results) == 4)


def test_other_accounts_take_over(server: ScriptedServer, tmp_path: Path) -> None:
    """Those that stay are not fetched again at once, new ones are, and those that are gone are not."""
    ada, bob, carl = (of(server, tmp_path, name) for name in ("ada", "bob", "carl"))
    with Running(tmp_path, [ada, bob]) as running:
        running.wait(lambda results: len(results) == 2)
        running.service.reload(running.fetcher([bob, carl]), [bob, carl])
        running.wait(lambda results: len(results) == 3)
        assert names(running.results)[2] == "carl"
        running.service.hurry()
        running.wait(lambda results: len(results) == 5)
    assert sorted(names(running.results)[3:]) == ["bob", "carl"]


def test_stopped_it_begins_nothing(server: ScriptedServer, tmp_path: Path) -> None:
    running = Running(tmp_path, [of(server, tmp_path, "ada")])
    running.service.stop()
    assert running.service.once() == []
    assert not server.logins


def test_a_slow_server_keeps_nobody_else_waiting(server: ScriptedServer, tmp_path: Path) -> None:
    """Accounts of another server run in the meantime, although one of this server is due and may not begin."""
    held = threading.Event()
    began = threading.Event()

    def slow(made: FetchAccount) -> FetchAccount:
        def connect(*arguments: object) -> object:
            began.set()
            held.wait(PATIENCE)
            raise OSError

        return replace(made, connect=connect)  # type: ignore[arg-type]  # it never returns a transport

    ada, bob = (of(server, tmp_path, name) for name in ("ada", "bob"))
    ada = ada._replace(account=slow(ada.account))
    other = of(server, tmp_path, "carl", every=0.05)._replace(host="another")
    with Running(tmp_path, [ada, bob, other], per_host=1) as running:
        assert began.wait(PATIENCE)
        running.wait(lambda results: names(results).count("carl") >= 3)
        assert "bob" not in names(running.results)
        held.set()
        running.wait(lambda results: "bob" in names(results))


def test_beginning_changing_and_ending_are_told(server: ScriptedServer, tmp_path: Path) -> None:
    told: list[str] = []
    accounts = [of(server, tmp_path, "ada"), of(server, tmp_path, "bob", every=60.0)]
    running = Running(tmp_path, accounts[:1])
    running.service = Service(
        running.fetcher(accounts[:1]), accounts[:1], events=running.sink, chance=lambda: 1.0, ended=running._ended,
        told=told.append,
    )  # fmt: skip
    running._thread = threading.Thread(target=running.service.forever)
    with running:
        running.wait(lambda results: len(results) == 1)
        running.service.soon(lambda: running.service.reload(running.fetcher(accounts), accounts))
        running.wait(lambda results: len(results) == 2)
    assert told == [
        "fetching 1 account, every 3600 seconds",
        "the file is taken anew: fetching 2 accounts, every 60 to 3600 seconds",
        "fetching has ended",
    ]
