from tests.auth.guard.scenes import DAY, START, bot

from pillarbox.auth.guard.knowledge import Knowledge
from pillarbox.auth.guard.learning import EVIDENCE_OF_ONE, Learner
from pillarbox.auth.guard.places import place
from pillarbox.auth.guard.state import Observation, What
from pillarbox.config.schema_guard import Guard
from pillarbox.events import GuardReleased, MemorySink, SourceBlocked


class Lesson:
    def __init__(self, **settings: object) -> None:
        self.sink = MemorySink()
        self.known = Knowledge(Guard.model_validate(settings), lambda most: most // 2, ())
        self.learner = Learner(self.known, self.sink)
        self.memory = self.known.memory

    def learn(self, what: What, *, here: bool = True, **fields: object) -> None:
        values = {"when": START, "account": "a", "subject": "9.9.9.9"} | fields
        self.learner.apply(Observation(what, **values), here=here)  # type: ignore[arg-type]  # fields of several types


def test_the_same_observation_twice_counts_once() -> None:
    lesson = Lesson()
    for _ in range(2):
        lesson.learn(What.FAILED, tag=1)
    assert lesson.memory.sources[place("9.9.9.9").address].score.value == 1.0
    assert lesson.memory.accounts["a"].row == 1


def test_unknown_users_weigh_more() -> None:
    lesson = Lesson(weight_unknown=2.0)
    lesson.learn(What.FAILED, tag=1, unknown=True)
    assert lesson.memory.sources[place("9.9.9.9").address].score.value == 2.0


def test_popular_secrets_weigh_more() -> None:
    lesson = Lesson(weight_popular=2.5)
    for number in range(40):
        lesson.learn(What.FAILED, account=f"u{number}", subject=bot(number), tag=1, common=7)
    lesson.learn(What.FAILED, tag=1, common=7)
    source = lesson.memory.sources[place("9.9.9.9").address]
    assert (source.score.value, source.popular) == (2.5, 1)


def test_a_success_gives_back_what_the_account_was_charged_there() -> None:
    lesson = Lesson()
    for tag in range(3):
        lesson.learn(What.FAILED, tag=tag)
    lesson.learn(What.FAILED, account="b", tag=9)
    lesson.learn(What.SUCCEEDED, tag=5, flag=True)
    assert lesson.memory.sources[place("9.9.9.9").address].score.value == 1.0
    assert lesson.memory.accounts["a"].row == 0
    assert lesson.known.spray.state.sum == 0.0 or lesson.known.spray.state.sum <= 1.0


def test_familiar_failures_are_charged_to_nothing_else() -> None:
    lesson = Lesson()
    lesson.learn(What.SUCCEEDED, tag=5, flag=True)
    for tag in range(20):
        lesson.learn(What.FAILED, tag=tag + 10)
    assert not lesson.memory.sources
    assert lesson.memory.accounts["a"].row == 0


def test_a_success_that_is_not_trusted_makes_nothing_familiar() -> None:
    lesson = Lesson()
    lesson.learn(What.SUCCEEDED, tag=5, flag=False)
    assert not lesson.memory.accounts["a"].homes
    assert not lesson.memory.good


def test_guesses_at_what_cannot_be_guessed_do_not_expose_the_account() -> None:
    lesson = Lesson()
    for tag in range(60):
        lesson.learn(What.FAILED, subject=bot(tag), tag=tag, strong=True)
    assert "a" not in lesson.memory.accounts


def test_one_source_gives_little_evidence() -> None:
    lesson = Lesson()
    for number in range(40):
        lesson.learn(What.FAILED, account=f"u{number}", tag=number, unknown=True)
    assert lesson.known.spray.state.sum <= EVIDENCE_OF_ONE


def test_only_the_worker_that_saw_it_tells() -> None:
    lesson = Lesson()
    for tag in range(20):
        lesson.learn(What.FAILED, here=False, account=f"u{tag}", tag=tag)
    lesson.learn(What.RELEASE, here=False, account="")
    assert not lesson.sink.events


def test_a_limit_crossed_by_several_workers_together_is_told_though_none_of_them_crossed_it_alone() -> None:
    """Each hears of what the other saw only after it has seen its own part: the maker of the last tells."""
    lessons = [Lesson(), Lesson()]
    for tag in range(10):
        lessons[tag % 2].learn(What.FAILED, when=START + tag, account=f"u{tag}", tag=tag)
    assert not any(lesson.sink.of(SourceBlocked) for lesson in lessons)
    for tag in range(10):
        lessons[1 - tag % 2].learn(What.FAILED, here=False, when=START + tag, account=f"u{tag}", tag=tag)
    assert any(lesson.sink.of(SourceBlocked) for lesson in lessons)
    assert all(lesson.memory.sources[place("9.9.9.9").address].block for lesson in lessons)


def test_an_address_is_released_with_the_networks_around_it() -> None:
    lesson = Lesson()
    for tag in range(20):
        lesson.learn(What.FAILED, account=f"u{tag}", tag=tag)
    assert lesson.sink.of(SourceBlocked)
    lesson.learn(What.RELEASE, account="")
    assert not lesson.memory.sources
    assert lesson.sink.of(GuardReleased)[0].what == "9.9.9.9"
    lesson.learn(What.RELEASE, account="", subject="nonsense")


def test_the_first_observation_is_when_the_guard_started() -> None:
    lesson = Lesson()
    lesson.learn(What.FAILED, when=START + DAY)
    lesson.learn(What.FAILED, when=START)
    assert lesson.memory.started == START
