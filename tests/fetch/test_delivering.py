"""One batch, durably; and what an earlier run left behind. The order of the steps is what makes it exactly once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.fetch.accounts import mail

from pillarbox.client.values import Entry
from pillarbox.events import MemorySink
from pillarbox.events.types_fetch import MessageFailed, MessageQuarantined
from pillarbox.fetch import AT_ONCE, FetchAccount, Journal, LineEnds
from pillarbox.fetch.delivering import Delivering, Item, shown_id
from pillarbox.fetch.destination import Delivered, DestinationError, Failed, Staged
from pillarbox.fetch.destinations.maildir import MaildirDestination
from pillarbox.fetch.durable import Durable
from pillarbox.fetch.quarantine import Quarantine
from pillarbox.fetch.records import State, Why
from pillarbox.fetch.settings import Step
from pillarbox.fetch.staging import Staging


class Crash(Exception):
    """Stands for SIGKILL where only the order of the steps matters."""


class Moody(MaildirDestination):
    """Answers as it is told: by unique-id."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.moods: dict[bytes, tuple[bool, bool]] = {}

    def deliver(self, batch: Sequence[Staged]) -> list[Delivered | Failed]:
        good = iter(super().deliver([staged for staged in batch if staged.unique_id not in self.moods]))
        answers: list[Delivered | Failed] = []
        for staged in batch:
            if staged.unique_id in self.moods:
                temporary, bad = self.moods[staged.unique_id]
                answers.append(Failed(staged, "moody", temporary=temporary, message_is_bad=bad))
            else:
                answers.append(next(good))
        return answers


class Kit:
    """All that delivering needs, with a crash at one step."""

    def __init__(self, directory: Path) -> None:
        self.destination = Moody(directory / "in")
        self.destination.open()
        self.account = FetchAccount(
            "ada", "pops://a@localhost", self.destination, directory / "j", delete_after=AT_ONCE, tries=2
        )
        self.journal = Journal(directory / "j", "ada")
        self.staging = Staging(directory / "in" / "tmp", "ada", LineEnds.LF)
        self.events = MemorySink()
        self.crash: Step | None = None
        self.steps: list[Step] = []
        quarantine = Quarantine(directory / "q")
        self.delivering = Delivering(
            self.account, self.journal, self.staging.directory, quarantine, self.events, self.step, Durable(directory)
        )

    def step(self, step: Step) -> None:
        self.steps.append(step)
        if step is self.crash:
            raise Crash

    def items(self, *numbers: int, why: Why = Why.NOTHING) -> list[Item]:
        entries = [Entry(n, len(mail(n)), b"uid%d" % n, b"") for n in numbers]
        self.journal.listed([(entry.unique_id, entry.size) for entry in entries], complete=False)
        return [Item(e, e.unique_id, self.staging.receive([mail(e.number)]), 1.5, why) for e in entries]

    def states(self) -> list[State]:
        return [known.state for _, known in sorted(self.journal.known().items())]

    def new(self) -> int:
        return len(list((self.destination.path / "new").iterdir()))


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    made = Kit(tmp_path)
    yield made
    made.journal.close()
    made.destination.close()


def test_intent_comes_before_delivery_and_the_record_after_it(kit: Kit) -> None:
    outcomes = kit.delivering.batch(kit.items(1, 2))
    assert kit.steps == [Step.DURABLE, Step.STAGED, Step.HANDED_ON, Step.DELIVERED, Step.CLEARED]
    assert [(o.key, o.delivered, o.octets) for o in outcomes] == [(b"uid%d" % n, True, len(mail(n))) for n in (1, 2)]
    assert kit.states() == [State.PENDING] * 2
    assert kit.new() == 2


@pytest.mark.parametrize(
    ("crash", "recovered"),
    [(Step.DURABLE, 0), (Step.STAGED, 2), (Step.HANDED_ON, 2), (Step.DELIVERED, 0), (Step.CLEARED, 0)],
)
def test_after_a_crash_everything_is_there_once(kit: Kit, crash: Step, recovered: int) -> None:
    kit.crash = crash
    with pytest.raises(Crash):
        kit.delivering.batch(kit.items(1, 2))
    kit.crash = None
    assert len(kit.delivering.recover()) == recovered
    if crash is Step.DURABLE:  # no intent: fetched again
        assert kit.states() == [State.SEEN] * 2
        kit.delivering.batch(kit.items(1, 2))
    assert kit.states() == [State.PENDING] * 2
    assert kit.new() == 2


def test_a_staged_file_that_was_lost_is_fetched_again(kit: Kit) -> None:
    kit.crash = Step.STAGED
    items = kit.items(1)
    with pytest.raises(Crash):
        kit.delivering.batch(items)
    items[0].part.path.write_bytes(b"half of i")
    kit.crash = None
    assert not kit.delivering.recover()
    assert kit.states() == [State.SEEN]
    assert kit.new() == 0


def test_one_bad_message_never_fails_the_others(kit: Kit) -> None:
    kit.destination.moods = {b"uid2": (False, True)}
    kit.delivering.batch(kit.items(1, 2, 3))
    assert kit.states() == [State.PENDING, State.SEEN, State.PENDING]
    assert kit.events.of(MessageFailed)[0].tries == 1
    outcomes = kit.delivering.batch(kit.items(2))
    assert outcomes[0].quarantined
    assert kit.states()[1] is State.QUARANTINED
    assert Path(kit.events.of(MessageQuarantined)[0].kept).read_bytes() == mail(2)
    assert not list(kit.staging.directory.iterdir())


def test_a_failure_that_may_pass_is_not_counted(kit: Kit) -> None:
    kit.destination.moods = {b"uid2": (True, False)}
    for _ in range(5):
        kit.delivering.batch(kit.items(1, 2))
    assert not kit.events.of(MessageQuarantined)
    assert kit.journal.known()[b"uid2"].tries == 0


def test_a_destination_that_takes_nothing_stops_the_run(kit: Kit) -> None:
    kit.destination.moods = {b"uid1": (True, False), b"uid2": (True, False)}
    with pytest.raises(DestinationError, match="moody") as caught:
        kit.delivering.batch(kit.items(1, 2))
    assert caught.value.temporary
    assert kit.states() == [State.SEEN] * 2


def test_what_stands_for_a_message_has_another_name_than_the_message(kit: Kit) -> None:
    kit.crash = Step.HANDED_ON
    with pytest.raises(Crash):
        kit.delivering.batch(kit.items(1, why=Why.SIZE))
    kit.crash = None
    [outcome] = kit.delivering.recover()
    assert outcome.why is Why.SIZE
    assert kit.states() == [State.SKIPPED]
    kit.delivering.batch(kit.items(1))
    assert kit.new() == 2


def test_keys_for_people() -> None:
    assert shown_id(b"UID1-2") == "UID1-2"
    assert shown_id(b"\0content:\xff").startswith("00")
    assert shown_id(b"a\xff") == "a\\xff"
