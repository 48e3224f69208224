"""Messages as they arrive: refusals, breaks and full disks concern the message they concern."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from tests.fetch.accounts import LARGE, clear, mail

from pillarbox.client.blocking import Client
from pillarbox.client.errors import ConnectionLost
from pillarbox.client.values import Entry
from pillarbox.fetch import LineEnds, StagingError
from pillarbox.fetch.receiving import Receiving
from pillarbox.fetch.staging import Part, Staging, drop
from pillarbox.testing.scripted import ScriptedServer


class Failures:
    """What was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, bool]] = []

    def failed(self, entry: Entry, reason: str, *, counted: bool) -> None:
        self.told.append(("failed", entry.number, counted))

    def broke(self, entry: Entry, reason: str, *, counted: bool) -> None:
        self.told.append(("broke", entry.number, counted))


class FullDisk(Staging):
    """No large message fits."""

    def receive(self, chunks: Iterable[bytes], sha256: Callable[[], bytes | None] | None = None) -> Part:
        part = super().receive(chunks, sha256)
        if part.content.octets > 1_048_576:
            drop(part)
            raise StagingError("no space left", temporary=True, full=True)
        return part


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer([mail(n) for n in range(1, 6)], tls="none") as running:
        yield running


def receive(
    server: ScriptedServer, staging: Staging, going_on: Callable[[], bool] = lambda: True
) -> tuple[list[int], Failures, Receiving]:
    failures, got = Failures(), []
    with Client(server.url, password=server.password, tls=clear()) as box:
        receiving = Receiving(box, staging, going_on, failures)
        try:
            for entry, part in receiving.receive(box.listing()):
                got.append(entry.number)
                drop(part)
        except ConnectionLost:
            pass
    return got, failures, receiving


def test_all_in_their_order(server: ScriptedServer, tmp_path: Path) -> None:
    got, failures, receiving = receive(server, Staging(tmp_path, "ada", LineEnds.LF))
    assert got == [1, 2, 3, 4, 5]
    assert not failures.told
    assert receiving.whole == 5
    assert not receiving.stopped


def test_a_refusal_concerns_one_message(server: ScriptedServer, tmp_path: Path) -> None:
    server.script('answer "-ERR broken" at RETR 2', 'answer "-ERR [IN-USE] later" at RETR 4')
    got, failures, _ = receive(server, Staging(tmp_path, "ada", LineEnds.LF))
    assert got == [1, 3, 5]
    assert failures.told == [("failed", 2, True), ("failed", 4, False)]


@pytest.mark.parametrize("where", ["drop at octet 100 of RETR 3", "drop at octet 0 of RETR 3", "drop at RETR 3"])
def test_the_message_on_which_a_connection_breaks_is_told(server: ScriptedServer, tmp_path: Path, where: str) -> None:
    server.script(where)
    got, failures, _ = receive(server, Staging(tmp_path, "ada", LineEnds.LF))
    assert got == [1, 2]
    assert failures.told == [("broke", 3, False)]
    assert not list(tmp_path.iterdir())


def test_it_can_be_stopped_and_takes_what_is_on_its_way(server: ScriptedServer, tmp_path: Path) -> None:
    answers = iter([True, True, True])
    got, _, receiving = receive(server, Staging(tmp_path, "ada", LineEnds.LF), lambda: next(answers, False))
    assert got == [1, 2, 3]
    assert receiving.stopped


def test_small_messages_do_not_wait_for_a_large_one_that_does_not_fit(tmp_path: Path) -> None:
    with ScriptedServer([mail(1, LARGE), mail(2), mail(3)], tls="none") as server:
        got, failures, _ = receive(server, FullDisk(tmp_path, "ada", LineEnds.LF))
        assert got == [2, 3]
        assert failures.told == [("failed", 1, False)]
        server.add(mail(4, LARGE))
        with pytest.raises(StagingError):
            receive(server, FullDisk(tmp_path, "ada", LineEnds.LF))
