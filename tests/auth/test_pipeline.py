"""The pipeline: who is let in, what a refusal tells, and when it leaves."""

import asyncio
import dataclasses
import os
from collections.abc import Awaitable, Callable
from ipaddress import ip_network
from pathlib import Path

import pytest
from tests.auth.counting import CountingHasher
from tests.auth.guard.scenes import Scene

from pillarbox.auth.accounts import AccountStore
from pillarbox.auth.attempt import Accepted, Attempt, Decision, Origin, Outcome, Password, Refused
from pillarbox.auth.cache import VerificationCache
from pillarbox.auth.departures import Timing
from pillarbox.auth.guard.interface import Guard, GuardRequest, Lane, Reason, Verdict
from pillarbox.auth.hashing import HashingBusy, HashingPool, Turn
from pillarbox.auth.login_delay import LoginDelay
from pillarbox.auth.passwords import MAX_PASSWORD_OCTETS, Hasher
from pillarbox.auth.pipeline import Pipeline
from pillarbox.auth.sources import AccountsSource, Credential, Source, SourceUnavailable
from pillarbox.events import MemorySink, Secret
from pillarbox.events.types import InternalError, Warned
from pillarbox.events.types_guard import SourceBlocked

ORIGIN = Origin("192.0.2.7", 40000, "pop3s", "TLSv1.3")


class FakeSource:
    """Knows what it is given."""

    def __init__(self, *credentials: Credential, name: str = "fake") -> None:
        self.name = name
        self.known = {credential.account: credential for credential in credentials}
        self.trouble: Exception | None = None
        self.upgraded: list[str] = []
        self.asked: list[str] = []

    def lookup(self, account: str) -> Credential | Awaitable[Credential | None] | None:
        self.asked.append(account)
        if self.trouble:
            raise self.trouble
        return self.known.get(account)

    def verify(self, credential: Credential, password: bytes) -> bool:
        return credential.stored.encode() == password

    def upgrade(self, credential: Credential, password: bytes) -> None:
        self.upgraded.append(credential.account)


class SlowSource(FakeSource):
    """Answers later."""

    def lookup(self, account: str) -> Awaitable[Credential | None]:
        async def later() -> Credential | None:
            await asyncio.sleep(0)
            return self.known.get(account)

        return later()


@dataclasses.dataclass
class World:
    """A pipeline with a clock that only moves when somebody sleeps, or where a test says so."""

    sources: list[Source]
    hasher: CountingHasher = dataclasses.field(default_factory=CountingHasher)
    sink: MemorySink = dataclasses.field(default_factory=MemorySink)
    now: float = 1000.0
    hashing_takes: float = 0.0
    default_domain: str = "example.org"
    login_delay: LoginDelay | None = None
    hashing_wait: float = 5.0
    guard: Guard | None = None
    threads: int = 2

    def __post_init__(self) -> None:
        self.slept: list[float] = []
        self.turns: list[tuple[str, Turn]] = []
        self.cache = VerificationCache(os.urandom(32), seconds=60, size=100, clock=lambda: self.now)
        self.pipeline = self._pipeline()

    def _pipeline(self) -> Pipeline:
        world = self

        class Pool(HashingPool):
            async def run(self, work: Callable[[], object], turn: Turn) -> object:  # type: ignore[override]
                world.turns.append(("checked", turn))
                result = await super().run(work, turn)
                world.now += world.hashing_takes
                return result

            async def stand_in_line(self, turn: Turn) -> None:
                world.turns.append(("stood in line", turn))
                await super().stand_in_line(turn)

        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.now += seconds

        return Pipeline(
            self.sources,
            hashing=Pool(self.threads, self.hashing_wait),
            hasher=self.hasher,
            cache=self.cache,
            template_of=lambda domain: "/mail/{domain}/{user}" if domain else "/mail/{user}",
            default_domain=self.default_domain,
            timing=Timing(1.0, 0.25),
            clock=lambda: self.now,
            wall_clock=lambda: self.now,
            tag_key=b"k" * 32,
            sleep=sleep,
            shuffle=list.reverse,
            sink=self.sink,
            login_delay=self.login_delay,
            guard=self.guard,
        )

    def decide(self, *attempts: Attempt) -> list[Decision]:
        async def scenario() -> list[Decision]:
            decisions = [await self.pipeline.decide(attempt) for attempt in attempts]
            await self.pipeline.close()
            return decisions

        self.pipeline = self._pipeline()  # a pool belongs to one event loop; the cache is kept
        return asyncio.run(scenario())


def attempt(login: str = "alice", password: bytes = b"right", authzid: str = "", address: str = "") -> Attempt:
    origin = ORIGIN._replace(address=address or ORIGIN.address)
    return Attempt(login, Password(Secret(password)), "USER/PASS", "s1", origin, authzid)


ALICE = Credential("alice@example.org", "right")
CLOSED = Credential("closed@example.org", "right", enabled=False)
REFUSED_CREDENTIALS = {
    "unknown user": attempt("nobody"),
    "wrong password": attempt("alice", b"wrong"),
    "empty or over-long password": attempt("alice", b""),
    "over-long": attempt("alice", b"x" * (MAX_PASSWORD_OCTETS + 1)),
    "not a possible name": attempt("../alice"),
    "another identity was asked for": attempt("alice", authzid="bob"),
    "disabled": attempt("closed"),
    "disabled and wrong": attempt("closed", b"wrong"),
    "not allowed from this address": attempt("fenced", address="198.51.100.1"),
}


def world(**options: object) -> World:
    fenced = Credential("fenced@example.org", "right", networks=(ip_network("192.0.2.0/24"),))
    return World([FakeSource(ALICE, CLOSED, fenced)], **options)  # type: ignore[arg-type]


def only(decisions: list[Decision]) -> Decision:
    (decision,) = decisions
    return decision


def test_right_credentials_get_in_at_once() -> None:
    here = world()
    decision = only(here.decide(attempt("Alice")))
    assert isinstance(decision, Accepted)
    assert (decision.account.name, decision.account.maildrop) == ("alice@example.org", "/mail/example.org/alice")
    assert not decision.account.read_only
    assert here.slept == []


@pytest.mark.parametrize("case", REFUSED_CREDENTIALS)
def test_every_refusal_of_credentials_is_the_same_to_the_peer(case: str) -> None:
    """P42: one outcome and one moment, whatever the reason."""
    for takes in (0.0, 0.03, 0.9):
        here = world(hashing_takes=takes)
        start = here.now
        decision = only(here.decide(REFUSED_CREDENTIALS[case]))
        assert isinstance(decision, Refused)
        assert decision.outcome is Outcome.CREDENTIALS
        assert here.now - start == pytest.approx(1.0)


@pytest.mark.parametrize("case", REFUSED_CREDENTIALS)
def test_every_refusal_costs_one_verification(case: str) -> None:
    """P42: no reason is told by what it costs."""
    hasher = CountingHasher()
    store_calls: list[str] = []

    class Costed(FakeSource):
        def verify(self, credential: Credential, password: bytes) -> bool:
            store_calls.append("verify")
            return super().verify(credential, password)

    fenced = Credential("fenced@example.org", "right", networks=(ip_network("192.0.2.0/24"),))
    here = World([Costed(ALICE, CLOSED, fenced)], hasher=hasher)
    here.decide(REFUSED_CREDENTIALS[case])
    assert len(store_calls) + len(hasher.paid) == 1


def test_reasons_are_for_the_administrator() -> None:
    reasons = {}
    for case, refused in REFUSED_CREDENTIALS.items():
        decision = only(world().decide(refused))
        assert isinstance(decision, Refused)
        reasons[case] = decision.reason
    assert reasons.pop("over-long") == "empty or over-long password"
    assert reasons.pop("disabled and wrong") == "wrong password"
    assert all(case == reason for case, reason in reasons.items())


def test_a_delay_holds_up_no_one_else() -> None:
    """P50."""

    async def scenario() -> list[str]:
        order: list[str] = []
        gate = asyncio.Event()
        now = 0.0

        async def sleep(seconds: float) -> None:
            nonlocal now
            await gate.wait()
            now += seconds

        pipeline = Pipeline(
            [FakeSource(ALICE)],
            hashing=HashingPool(2, 5),
            hasher=CountingHasher(),
            cache=VerificationCache(os.urandom(32), seconds=60, size=10, clock=lambda: 0.0),
            template_of=lambda _: "/mail/{user}",
            default_domain="example.org",
            timing=Timing(1.0, 0.25),
            clock=lambda: now,
            wall_clock=lambda: 0.0,
            tag_key=b"k" * 32,
            sleep=sleep,
            shuffle=list.reverse,
            sink=MemorySink(),
        )

        async def one(name: str, wanted: Attempt) -> None:
            await pipeline.decide(wanted)
            order.append(name)

        failing = [asyncio.create_task(one("refused", attempt(password=b"wrong"))) for _ in range(20)]
        await one("accepted", attempt())
        gate.set()
        await asyncio.gather(*failing)
        return order

    assert asyncio.run(scenario()) == ["accepted"] + ["refused"] * 20


def test_nobody_can_tell_is_said_at_once() -> None:
    """P44: a backend that is down is [SYS/TEMP], never [AUTH]."""
    here = world()
    source = here.sources[0]
    assert isinstance(source, FakeSource)
    source.trouble = SourceUnavailable("/state/accounts.sqlite: the disk reports an error")
    decision = only(here.decide(attempt()))
    assert isinstance(decision, Refused)
    assert decision.outcome is Outcome.TEMPORARY
    assert "disk" in decision.reason
    assert here.slept == []


def test_a_full_hashing_queue_is_temporary() -> None:
    """P44; broken class 2: expensive hashes are bounded."""
    here = world(hashing_wait=0.0)

    async def scenario() -> list[Decision]:
        return await asyncio.gather(*(here.pipeline.decide(attempt(password=b"wrong")) for _ in range(50)))

    refused = [decision for decision in asyncio.run(scenario()) if isinstance(decision, Refused)]
    assert {decision.outcome for decision in refused} >= {Outcome.TEMPORARY}
    assert len(refused) == 50


class Ruling:
    """A guard that always says the same."""

    def __init__(self, lane: Lane, refuse: Reason | None = None) -> None:
        self.verdict = Verdict(lane, refuse, 0.0)
        self.learnt: list[str] = []

    def before(self, request: GuardRequest) -> Verdict:
        return self.verdict

    def after(self, request: GuardRequest, succeeded: bool, reason: str) -> None:
        self.learnt.append(reason)


@pytest.mark.parametrize("lane", Lane)
@pytest.mark.parametrize("login", ["alice", "nobody"])
def test_a_check_waits_in_the_lane_the_guard_says(lane: Lane, login: str) -> None:
    here = world(guard=Ruling(lane))
    here.decide(attempt(login, b"wrong", address="192.0.2.9"))
    assert [(how, turn[:2]) for how, turn in here.turns] == [("checked", (lane, "192.0.2.9"))]


def test_what_the_guard_refuses_waits_as_a_check_does_and_is_learnt_at_once() -> None:
    """P42: with full queues, too, a refusal without a check looks like one with it."""
    guard = Ruling(Lane.UNFAMILIAR, Reason.EXPOSED)
    here = world(guard=guard)
    decision = only(here.decide(attempt(password=b"right")))
    assert decision == Refused(Outcome.CREDENTIALS, Reason.EXPOSED.value)
    assert [(how, turn[:2]) for how, turn in here.turns] == [("stood in line", (Lane.UNFAMILIAR, ORIGIN.address))]
    assert guard.learnt == [Reason.EXPOSED.value]
    assert here.now == pytest.approx(1001.0)


@pytest.mark.parametrize("login", ["alice", "nobody"])
def test_many_guesses_at_once_are_no_more_guesses(login: str) -> None:
    """They all came before the first had failed, and all wait for a thread: the guard is asked again at each turn."""
    scene = Scene(penalty=0.0)
    here = world(guard=scene.engine)
    here.now = 1_800_000_000.0
    guesses = [attempt(login, f"guess-{number}".encode(), address="203.0.113.5") for number in range(60)]
    decisions = here.decide(*guesses)
    assert {type(decision) for decision in decisions} == {Refused}
    checked = [decision for decision in decisions if isinstance(decision, Refused) and "guard" not in decision.reason]
    assert 0 < len(checked) <= scene.settings.guesses_per_source + here.threads - 1
    assert scene.sink.of(SourceBlocked)


def test_a_right_guess_does_not_overtake_the_wrong_ones_before_it() -> None:
    """Its owner was let in a moment ago from elsewhere, so that it need not be hashed."""
    scene = Scene(penalty=0.0)
    here = world(guard=scene.engine)
    here.now = 1_800_000_000.0
    assert isinstance(only(here.decide(attempt(address="192.0.2.1"))), Accepted)
    words = [b"guess-%d" % number for number in range(30)]
    words.insert(20, b"right")
    decisions = here.decide(*(attempt(password=word, address="203.0.113.5") for word in words))
    assert not [decision for decision in decisions if isinstance(decision, Accepted)]
    assert isinstance(only(here.decide(attempt(address="192.0.2.1"))), Accepted)


def test_what_the_guard_refuses_is_told_to_come_later_when_a_check_would_be() -> None:
    here = world(guard=Ruling(Lane.UNFAMILIAR, Reason.SOURCE))

    class Full(HashingPool):
        async def stand_in_line(self, turn: Turn) -> None:
            raise HashingBusy

    async def scenario() -> Decision:
        here.pipeline._hashing = Full(1, 1)
        return await here.pipeline.decide(attempt())

    decision = asyncio.run(scenario())
    assert isinstance(decision, Refused)
    assert decision.outcome is Outcome.TEMPORARY


def test_a_defect_lets_nobody_in_and_tells_no_values() -> None:
    """P60."""
    here = world()
    source = here.sources[0]
    assert isinstance(source, FakeSource)
    source.trouble = ValueError("hunter2")
    assert only(here.decide(attempt())) == Refused(Outcome.TEMPORARY, "internal error")
    (event,) = here.sink.of(InternalError)
    assert event.session == "s1"
    assert event.error == "ValueError"
    assert "test_pipeline.py:" in event.where[-1]
    assert "hunter2" not in repr(event)


def test_the_first_source_that_knows_the_name_decides() -> None:
    first = FakeSource(ALICE, name="first")
    second = FakeSource(ALICE._replace(stored="other"), Credential("bob@example.org", "b"), name="second")
    here = World([first, second])
    assert isinstance(only(here.decide(attempt("alice", b"right"))), Accepted)
    assert isinstance(only(here.decide(attempt("alice", b"other"))), Refused)
    assert second.asked == []
    assert isinstance(only(here.decide(attempt("bob", b"b"))), Accepted)
    first.trouble = SourceUnavailable("down")  # bob may be unknown to the second alone
    decision = only(here.decide(attempt("bob", b"b")))
    assert isinstance(decision, Refused)
    assert decision.outcome is Outcome.TEMPORARY


def test_a_source_may_answer_later() -> None:
    here = World([SlowSource(name="empty"), SlowSource(ALICE)])
    assert isinstance(only(here.decide(attempt())), Accepted)


def test_a_source_that_answers_for_somebody_else_is_a_defect() -> None:
    """Broken class 3: identity mix-ups."""
    source = FakeSource()
    source.known["alice@example.org"] = Credential("bob@example.org", "right")
    here = World([source])
    assert only(here.decide(attempt())) == Refused(Outcome.TEMPORARY, "internal error")


def test_sources_need_names_of_their_own() -> None:
    with pytest.raises(ValueError, match="same name"):
        World([FakeSource(), FakeSource()])


@pytest.mark.parametrize("authzid", ["", "alice", "ALICE@example.org"])
def test_the_own_identity_may_be_asked_for(authzid: str) -> None:
    assert isinstance(only(world().decide(attempt(authzid=authzid))), Accepted)


@pytest.mark.parametrize("authzid", ["bob", "alice@other.example", "..", "alice\0"])
def test_no_other_identity(authzid: str) -> None:
    """Broken class 3."""
    assert isinstance(only(world().decide(attempt(authzid=authzid))), Refused)


def test_networks_of_an_account() -> None:
    for address, inside in (("192.0.2.200", True), ("198.51.100.1", False), ("2001:db8::1", False), ("?", False)):
        decision = only(world().decide(attempt("fenced", address=address)))
        assert isinstance(decision, Accepted) is inside


def test_a_path_that_does_not_work_is_permanent_and_only_for_the_owner() -> None:
    """P44: [SYS/PERM] after right credentials alone."""
    lost = Credential("lost@example.org", "right", maildir="{home}/Maildir")
    here = World([FakeSource(lost)])
    owner, stranger = here.decide(attempt("lost"), attempt("lost", b"wrong"))
    assert isinstance(owner, Refused)
    assert isinstance(stranger, Refused)
    assert (owner.outcome, stranger.outcome) == (Outcome.PERMANENT, Outcome.CREDENTIALS)


# ---- with the real account store ------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> AccountStore:
    store = AccountStore(tmp_path / "accounts.sqlite", clock=lambda: 0.0, busy_seconds=1)
    store.create()
    return store


def test_the_cache_saves_hashing_and_never_a_change(store: AccountStore) -> None:
    """Broken class 3: nothing about the account comes from the cache."""
    hasher = CountingHasher()
    store.add("alice@example.org", hasher.hash(b"right horse"))
    here = World([AccountsSource(store, hasher)], hasher=hasher)
    right, wrong = attempt(password=b"right horse"), attempt(password=b"wrong horse")

    assert all(isinstance(decision, Accepted) for decision in here.decide(right, right, right))
    assert hasher.paid == ["verify"]
    here.decide(wrong, wrong)
    assert hasher.paid == ["verify"] * 3

    store.disable("alice@example.org")
    assert isinstance(only(here.decide(right)), Refused)
    assert hasher.paid == ["verify"] * 4
    store.enable("alice@example.org")
    here.decide(right, right)
    assert hasher.paid == ["verify"] * 5  # another epoch: verified once more

    store.set_password("alice@example.org", hasher.hash(b"new horse"))
    assert isinstance(only(here.decide(right)), Refused)
    store.remove("alice@example.org")
    assert isinstance(only(here.decide(attempt(password=b"new horse"))), Refused)
    store.add("alice@example.org", hasher.hash(b"third horse"), read_only=True, maildir="/elsewhere")
    decision = only(here.decide(attempt(password=b"third horse")))
    assert isinstance(decision, Accepted)
    assert (decision.account.read_only, decision.account.maildrop) == (True, "/elsewhere")


def test_the_cache_expires(store: AccountStore) -> None:
    hasher = CountingHasher()
    store.add("alice@example.org", hasher.hash(b"right horse"))
    here = World([AccountsSource(store, hasher)], hasher=hasher)
    here.decide(attempt(password=b"right horse"))
    here.now += 61
    here.decide(attempt(password=b"right horse"))
    assert hasher.paid == ["verify", "verify"]


def test_weak_hashes_are_replaced_at_login(store: AccountStore) -> None:
    hasher = CountingHasher()
    weak = hasher.hash(b"right horse")
    strong = Hasher(memory_kib=16, time_cost=1)
    store.add("alice@example.org", weak)
    here = World([AccountsSource(store, strong)], hasher=hasher)
    here.decide(attempt(password=b"wrong horse"))
    assert store.show("alice@example.org").password_hash == weak
    here.decide(attempt(password=b"right horse"))
    assert not strong.needs_rehash(store.show("alice@example.org").password_hash)
    assert isinstance(only(here.decide(attempt(password=b"right horse"))), Accepted)


def test_a_hash_that_cannot_be_replaced_stops_no_login() -> None:
    class Full(FakeSource):
        def upgrade(self, credential: Credential, password: bytes) -> None:
            raise SourceUnavailable("the disk is full")

    class Broken(FakeSource):
        def upgrade(self, credential: Credential, password: bytes) -> None:
            raise ValueError("hunter2")

    here = World([Full(ALICE)])
    assert isinstance(only(here.decide(attempt())), Accepted)
    assert here.sink.of(Warned)[0].text == "alice@example.org: the disk is full"
    here = World([Broken(ALICE)])
    assert isinstance(only(here.decide(attempt())), Accepted)
    assert here.sink.of(InternalError)[0].error == "ValueError"


# ---- LOGIN-DELAY ----------------------------------------------------------------------------------------------


def test_login_delay_is_told_to_the_owner_alone(tmp_path: Path) -> None:
    """P44: [LOGIN-DELAY] after right credentials; a stranger learns nothing and delays nobody."""
    here = world(login_delay=LoginDelay(tmp_path / "state", seconds=60, clock=lambda: 5000.0))
    outcomes = [
        decision.outcome if isinstance(decision, Refused) else None
        for decision in here.decide(attempt(password=b"wrong"), attempt(), attempt(password=b"wrong"), attempt())
    ]
    assert outcomes == [Outcome.CREDENTIALS, None, Outcome.CREDENTIALS, Outcome.LOGIN_DELAY]


def test_a_login_delay_that_cannot_be_kept_locks_nobody_out(tmp_path: Path) -> None:
    here = world(login_delay=LoginDelay(tmp_path / "no" / "state", seconds=60, clock=lambda: 5000.0))
    assert all(isinstance(decision, Accepted) for decision in here.decide(attempt(), attempt()))
    assert here.sink.of(Warned)[0].about == "login-delay"
