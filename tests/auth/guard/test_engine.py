"""The guard's decisions: one scene for each row of its goals, on a virtual clock with fixed seeds."""

import random

import pytest
from tests.auth.guard.scenes import DAY, START, Scene, bot, home, request, user

from pillarbox.auth.guard.engine import GuardEngine
from pillarbox.auth.guard.interface import UNSEEN, Lane, Reason
from pillarbox.auth.guard.state import LocalJournal, Observation, What
from pillarbox.config.schema_guard import Guard
from pillarbox.events import (
    AccountUnderAttack,
    CampaignDetected,
    CampaignEnded,
    GuardReleased,
    InternalError,
    MemorySink,
    SourceBlocked,
)


def test_one_account_one_address_gets_ten_guesses_and_is_flagged_within_them() -> None:
    scene = Scene()
    verified = 0
    for guess in range(100):
        verified += scene.attempt(request(user(1), "9.9.9.9", guess, START + guess)).refuse is None
    assert verified <= 10
    assert [event.source for event in scene.sink.of(SourceBlocked)] == ["9.9.9.9"]


def test_one_account_from_many_addresses_gets_fifty_guesses_a_day_and_its_owner_all() -> None:
    scene = Scene()
    start = scene.settle(10)
    verified = 0
    for guess in range(5000):
        when = start + guess * 17
        verified += scene.attempt(request(user(1), bot(guess), guess, when)).refuse is None
        if guess % 10 == 0:
            owner = scene.attempt(request(user(1), home(1), "own", when), right=True)
            assert owner == (Lane.FAMILIAR, None, 0.0)
    assert verified <= 50
    (event,) = scene.sink.of(AccountUnderAttack)
    assert event.user == user(1)


def test_popular_guesses_use_up_an_account_sooner_than_rare_ones() -> None:
    scene = Scene(campaign_refuses=False, failures_in_a_row=100)
    for account in range(400):  # makes twenty secrets popular
        scene.attempt(request(user(account), bot(account), account % 20, START + account))
    tried = sum(
        scene.attempt(request("victim", bot(1000 + guess), guess, START + 500)).refuse is None for guess in range(20)
    )
    assert tried < 20
    assert scene.attempt(request("victim", bot(2000), "x", START + 501)).refuse is Reason.EXPOSED


@pytest.mark.parametrize("common", [True, False])
def test_one_password_over_many_users_from_one_address_ends_within_twenty(common: bool) -> None:
    scene = Scene()
    tried = 0
    for number in range(1000):
        asked = request(user(number), "9.9.9.9", "123456", START + number / 10, common=common)
        tried += scene.attempt(asked).refuse is None
    assert tried <= 20
    assert scene.sink.of(SourceBlocked)


@pytest.mark.parametrize("secrets", [1, 100])
def test_a_spray_of_one_attempt_an_address_is_flagged_and_its_later_sources_are_tagged(secrets: int) -> None:
    scene = Scene()
    start = scene.settle(500)
    flagged = tagged = 0
    for turn in range(2000):
        asked = request(user(turn % 500), bot(turn), turn % secrets, start + turn * 43)
        verdict = scene.attempt(asked)
        tagged += verdict.lane is Lane.SUSPICIOUS
        if not flagged and scene.sink.of(CampaignDetected):
            flagged = turn + 1
    assert 0 < flagged <= 300
    assert tagged >= 0.9 * (2000 - flagged)
    assert scene.attempt(request(user(3), home(3), "own", start + DAY), right=True) == (Lane.FAMILIAR, None, 0.0)


def test_of_leaked_pairs_nearly_none_is_let_in() -> None:
    scene = Scene()
    start = scene.settle(500)
    source = random.Random(5)
    let_in = valid = 0
    for turn in range(3000):
        right, known = source.random() < 0.01, source.random() < 0.7
        account = user(turn % 500) if right or known else f"gone{turn}"
        asked = request(account, bot(turn), "own" if right else turn, start + turn * 28, known=right or known)
        verdict = scene.attempt(asked, right)
        valid += right
        let_in += right and verdict.refuse is None
    assert valid >= 20
    assert let_in <= 0.001 * 3000


def test_a_campaign_is_told_once_and_ends_when_it_is_quiet() -> None:
    scene = Scene()
    start = scene.settle(100)
    for turn in range(300):
        scene.attempt(request(user(turn % 100), bot(turn), turn, start + turn * 10))
    assert len(scene.sink.of(CampaignDetected)) == 1
    for hour in range(24):
        scene.engine.tick(start + 3000 + hour * 3600)
    (ended,) = scene.sink.of(CampaignEnded)
    assert ended.number == scene.sink.of(CampaignDetected)[0].number
    assert scene.attempt(request(user(1), "200.1.1.1", "own", start + DAY), right=True).refuse is None


def test_a_campaign_spares_the_region_of_the_account_and_networks_where_others_are_at_home() -> None:
    scene = Scene()
    start = scene.settle(100)
    for turn in range(300):
        scene.attempt(request(user(turn % 100), bot(turn), turn, start + turn * 10))
    when = start + 3001
    assert scene.attempt(request(user(5), "81.5.77.77", "own", when), right=True).lane is Lane.UNFAMILIAR
    assert scene.attempt(request(user(5), home(9), "own", when), right=True).lane is Lane.UNFAMILIAR
    assert scene.attempt(request(user(6), "200.1.1.1", "own", when), right=True).refuse is Reason.CAMPAIGN


def test_what_cannot_be_guessed_is_never_refused() -> None:
    scene = Scene()
    start = scene.settle(100)
    for turn in range(300):
        scene.attempt(request(user(turn % 100), bot(turn), turn, start + turn * 10))
    for guess in range(30):
        scene.attempt(request(user(1), "9.9.9.9", guess, start + 4000))
    strong = request(user(1), "9.9.9.9", "app", start + 4001, strong=True)
    assert scene.attempt(strong, right=True).refuse is None
    # And it becomes familiar by that.
    assert scene.engine.before(strong).lane is Lane.FAMILIAR


@pytest.mark.parametrize("at", [home(1), "200.1.1.1"])
def test_a_client_that_tries_scram_first_uses_up_none_of_its_owners_guesses(at: str) -> None:
    """Each failed proof is another one: two days of polls must be no two days of guesses."""
    scene = Scene()
    start = scene.settle(30)
    for poll in range(2 * 288):
        when = start + poll * 300
        proof = request(user(1), at, "", when, strong=True, common=False)._replace(secret_tag=UNSEEN)
        assert scene.attempt(proof).refuse is None
        assert scene.attempt(request(user(1), at, "own", when + 1), right=True).refuse is None
    assert not scene.sink.events


def test_guesses_are_counted_behind_any_number_of_proofs_that_are_none() -> None:
    scene = Scene()
    start = scene.settle(30)
    for _ in range(100):
        scene.attempt(request(user(1), "9.9.9.9", "", start, strong=True, common=False)._replace(secret_tag=UNSEEN))
    verdicts = [scene.attempt(request(user(1), "9.9.9.9", guess, start + 1)) for guess in range(30)]
    assert sum(verdict.refuse is None for verdict in verdicts) <= scene.settings.guesses_per_source


def test_the_right_secret_works_at_home_behind_any_number_of_wrong_ones() -> None:
    scene = Scene()
    start = scene.settle(30)
    for guess in range(200):
        scene.attempt(request(user(1), home(1), guess, start))
    assert scene.attempt(request(user(1), home(1), "another", start + 1)).refuse is Reason.PAIR
    assert scene.attempt(request(user(1), home(1), "own", start + 1), right=True).refuse is None


def test_in_its_first_day_the_guard_only_marks_campaigns() -> None:
    scene = Scene()
    for turn in range(300):
        scene.attempt(request(user(turn), bot(turn), turn, START + turn * 10))
    verdict = scene.attempt(request(user(900), "200.1.1.1", "own", START + 3001), right=True)
    assert verdict.lane is Lane.SUSPICIOUS
    assert verdict.refuse is None


def test_a_phone_with_an_old_password_harms_no_one() -> None:
    scene = Scene()
    start = scene.settle(30)
    for poll in range(3 * 288):
        when = start + poll * 300
        assert scene.attempt(request(user(1), home(1), "old", when)).refuse is None
        assert scene.attempt(request(user(1), "77.1.1.1", "old", when)).refuse is None  # elsewhere too
        assert scene.attempt(request(user(2), "77.1.1.1", "own", when), right=True).refuse is None
    assert not scene.sink.events
    assert scene.engine.known.memory.accounts[user(1)].tally.tags.keys() <= {request(user(1), "", "old", 0).secret_tag}


def test_a_password_that_was_right_once_is_no_guess() -> None:
    scene = Scene()
    for number in range(40):
        scene.attempt(request(user(number), home(number), "first", START), right=True)
        scene.attempt(request(user(number), home(number), "second", START + 10), right=True)
    for number in range(40):  # all their old phones behind one new address
        assert scene.attempt(request(user(number), "77.1.1.1", "first", START + 20)).refuse is None
    assert not scene.sink.events


def test_slips_are_forgiven_when_the_right_secret_follows() -> None:
    scene = Scene()
    for number in range(40):
        for slip in range(4):
            asked = request(user(number), "77.1.1.1", f"slip{slip}", START + number * 60 + slip)
            assert scene.attempt(asked).refuse is None
        assert (
            scene.attempt(request(user(number), "77.1.1.1", "own", START + number * 60 + 9), right=True).refuse is None
        )
    assert not scene.sink.of(SourceBlocked)


def test_users_behind_a_carriers_address_are_served_beside_attackers() -> None:
    scene = Scene()
    start = scene.settle(100)
    nat = "100.64.1.1"
    for number in range(60):
        for day in range(2):
            scene.attempt(request(user(number), nat, "own", start + day * DAY), right=True)
    start += 2 * DAY
    for guess in range(500):
        scene.attempt(request(user(guess % 100), nat, guess, start + guess))
    assert scene.sink.of(SourceBlocked)
    for number in range(60):
        assert scene.attempt(request(user(number), nat, "own", start + 600), right=True).refuse is None
    # Somebody new behind it comes in with the secret that was right elsewhere; a guess does not.
    assert scene.attempt(request(user(80), nat, "own", start + 700), right=True).refuse is None
    assert scene.attempt(request(user(81), nat, "guess", start + 700)).refuse is Reason.SOURCE


def test_guessing_behind_a_carriers_address_uses_up_the_account_although_it_is_refused() -> None:
    scene = Scene()
    start = scene.settle(100)
    nat = "100.64.1.1"
    for number in range(60):
        scene.attempt(request(user(number), nat, "own", start), right=True)
    for guess in range(300):
        scene.attempt(request(user(90), nat, guess, start + guess))
    assert scene.attempt(request(user(90), nat, "own", start + 400), right=True).refuse is not None


def test_a_lucky_guess_does_not_make_the_guesser_familiar() -> None:
    scene = Scene()
    for guess in range(6):
        scene.attempt(request(user(1), "9.9.9.9", guess, START + guess))
    scene.attempt(request(user(1), "9.9.9.9", "own", START + 7), right=True)
    assert scene.engine.before(request(user(1), "9.9.9.9", "own", START + 8)).lane is Lane.UNFAMILIAR


def test_a_hundred_failures_in_a_row_stop_unfamiliar_origins_only() -> None:
    scene = Scene()
    start = scene.settle(5)
    for guess in range(300):  # three days at fifty a day
        scene.attempt(request(user(1), bot(guess), guess, start + guess * 1000))
    end = start + 300_000
    assert scene.engine.known.memory.accounts[user(1)].row == 100
    assert scene.attempt(request(user(1), bot(999), "own", end), right=True).refuse is Reason.HARD_STOP
    assert scene.attempt(request(user(1), home(1), "own", end), right=True).refuse is None
    scene.engine.learn(Observation(What.RELEASE, end, account=user(1)))
    assert scene.attempt(request(user(1), "200.1.1.1", "own", end + 1), right=True).refuse is None
    assert scene.sink.of(GuardReleased)[0].what == user(1)


def test_the_hard_stop_ends_when_the_owner_comes_after_a_quiet_day() -> None:
    scene = Scene()
    start = scene.settle(5)
    for guess in range(150):
        scene.attempt(request(user(1), bot(guess), guess, start + guess * 2000))
    scene.attempt(request(user(1), home(1), "own", start + 300_000 + 2 * DAY), right=True)
    assert scene.engine.known.memory.accounts[user(1)].row == 0


def test_familiar_origins_have_a_limit_of_their_own() -> None:
    scene = Scene()
    start = scene.settle(5)
    verdicts = [scene.attempt(request(user(1), home(1), guess, start + guess)) for guess in range(100)]
    assert sum(verdict.refuse is None for verdict in verdicts) == 50
    assert all(verdict.lane is Lane.FAMILIAR and verdict.penalty == 0.0 for verdict in verdicts)
    assert not scene.sink.events


def test_penalties_grow_with_guesses_and_tell_nothing_about_accounts() -> None:
    """P42: unknown users, popular secrets and old passwords change nothing that can be timed."""
    penalties = []
    for known in (True, False):
        scene = Scene()
        scene.attempt(request(user(0), home(0), 3, START), right=True)
        rows = [request(user(n), "9.9.9.9", n, START + n, known=known) for n in range(4)]
        rows.append(request(user(0), "9.9.9.9", 3, START + 5))
        penalties.append([scene.attempt(row).penalty for row in rows])
    assert penalties[0] == penalties[1] == [0.0, 0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize("secrets", ["different", "popular"])
@pytest.mark.parametrize("accounts", [1, 100])
def test_penalties_grow_on_when_a_place_is_blocked(accounts: int, secrets: str) -> None:
    """P42: places are blocked sooner for unknown users; the penalty must not tell when."""
    penalties = []
    for known in (True, False):
        scene = Scene()
        for number in range(40):
            scene.attempt(request(user(number), bot(number), 5000, START - 100))
        tried = [number if secrets == "different" else 5000 + number % 2 for number in range(20)]
        rows = [
            request(user(n % accounts), "9.9.9.9", secret, START + n, known=known) for n, secret in enumerate(tried)
        ]
        penalties.append([scene.attempt(row).penalty for row in rows])
    assert penalties[0] == penalties[1]
    if secrets == "different" or accounts > 1:
        assert penalties[0][:11] == [number / 4 for number in range(11)]


def test_it_knows_where_somebody_was_let_in_lately() -> None:
    scene = Scene()
    start = scene.settle(3)
    assert scene.engine.knows(home(1), start)
    assert not scene.engine.knows("9.9.9.9", start)
    assert not scene.engine.knows("not an address", start)
    assert not scene.engine.knows(home(1), start + 100 * DAY)


def test_a_flood_of_refusals_is_no_flood_of_news() -> None:
    """Once the penalty is at its longest there is nothing more to learn of a blocked address."""

    class Counting(LocalJournal):
        learnt = 0

        def append(self, observation: Observation) -> None:
            self.learnt += 1

    journal = Counting()
    scene = Scene(journal=journal)
    for number in range(1000):
        scene.attempt(request(user(number), "9.9.9.9", number, START + number / 1000))
    assert journal.learnt <= 13


def test_blocks_expire_and_double() -> None:
    scene = Scene()
    when, lasted = START, []
    for guess in range(60):
        told = len(scene.sink.of(SourceBlocked))
        scene.attempt(request(user(guess), "9.9.9.9", guess, when))
        if len(scene.sink.of(SourceBlocked)) > told:
            until = scene.sink.of(SourceBlocked)[-1].until
            assert scene.engine.before(request("x", "9.9.9.9", 0, until - 1)).refuse is Reason.SOURCE
            lasted.append(until - when)
            when = until
    assert lasted[:4] == [900.0, 1800.0, 3600.0, 7200.0]
    assert max(lasted) <= 7 * DAY
    assert scene.engine.before(request("x", "9.9.9.9", 0, when + 1)).refuse is None


def test_a_network_is_blocked_when_its_addresses_take_turns() -> None:
    scene = Scene()
    verified = sum(
        scene.attempt(request(user(n), f"9.9.9.{n % 250}", n, START + n)).refuse is None for n in range(1000)
    )
    assert verified <= 40
    assert scene.sink.of(SourceBlocked)[-1].source == "9.9.9.0/24"


@pytest.mark.parametrize(("step", "blocked"), [(0, "2a00:1::"), (1, "2a00:1::/56"), (1 << 8, "2a00:1::/48")])
def test_ipv6_is_counted_by_64_then_56_then_48(step: int, blocked: str) -> None:
    scene = Scene()
    for number in range(100):
        address = f"2a00:1:0:{number * step & 0xFFFF:x}::{number + 1:x}"
        scene.attempt(request(user(number), address, number, START + number))
    assert scene.sink.of(SourceBlocked)[0].source.startswith(blocked)


@pytest.mark.parametrize("jump", [-366 * DAY, 366 * DAY])
def test_a_clock_that_jumps_and_comes_back_locks_nobody_out(jump: float) -> None:
    scene = Scene()
    start = scene.settle(20)
    attack = [request(user(n % 20), bot(n), n, start + jump + n) for n in range(300)]
    for asked in attack:
        scene.attempt(asked)
    for guess in range(30):
        scene.attempt(request(user(1), home(2), f"b{guess}", start + jump + 400))
    for number in range(20):
        asked = request(user(number), home(number), "own", start + 500)
        assert scene.attempt(asked, right=True).refuse is None, number
    # What was blocked by the wrong clock is not blocked by the right one.
    assert scene.engine.before(request(user(3), home(2), "own", start + 600)).refuse is None


def test_allowed_networks_are_never_refused_and_allowing_expires() -> None:
    scene = Scene(allow=("192.0.2.0/28",))
    for guess in range(50):
        assert scene.attempt(request(user(guess), "192.0.2.3", guess, START)).refuse is None
        scene.attempt(request(user(guess), "9.9.9.9", guess, START))
    assert scene.engine.before(request(user(1), "9.9.9.9", 1, START + 1)).refuse is not None
    scene.engine.learn(Observation(What.ALLOW, START + 2, subject="9.9.9.0/24", until=START + 100))
    assert scene.engine.before(request(user(1), "9.9.9.9", "y", START + 3)).refuse is None
    assert scene.engine.before(request(user(1), "9.9.9.9", "y", START + 101)).refuse is not None


def test_a_released_address_starts_afresh() -> None:
    scene = Scene()
    for guess in range(50):
        scene.attempt(request(user(guess), "9.9.9.9", guess, START))
    scene.engine.learn(Observation(What.RELEASE, START + 1, subject="9.9.9.9"))
    assert scene.engine.before(request(user(1), "9.9.9.9", "z", START + 2)).refuse is None


def test_proofs_without_a_visible_secret_are_counted_one_by_one() -> None:
    scene = Scene(source_limit=100)
    asked = request(user(1), "9.9.9.9", "", START)._replace(secret_tag=UNSEEN, common_tag=None)
    verified = sum(scene.attempt(asked._replace(when=START + n)).refuse is None for n in range(50))
    assert verified == 10


def test_tables_stay_within_their_limits_and_homes_outlast_invented_names() -> None:
    scene = Scene(remembered_sources=200, remembered_accounts=200, remembered_pairs=200)
    start = scene.settle(50)
    for turn in range(5000):
        scene.attempt(request(f"invented{turn}", bot(turn), turn, start + turn, known=False))
    memory = scene.engine.known.memory
    assert len(memory.sources) <= 200
    assert len(memory.accounts) <= 200
    assert len(memory.pairs) <= 200
    for number in range(50):
        assert scene.engine.before(request(user(number), home(number), "own", start + 6000)).lane is Lane.FAMILIAR


def test_a_familiar_success_is_no_news() -> None:
    class Counting(LocalJournal):
        appended = 0

        def append(self, observation: Observation) -> None:
            self.appended += 1

    journal = Counting()
    scene = Scene(journal=journal)
    scene.settle(1)
    before = journal.appended
    for poll in range(288):
        scene.attempt(request(user(1 - 1), home(0), "own", START + DAY + poll * 100), right=True)
    assert journal.appended <= before + 1  # at most once a day


@pytest.mark.parametrize("address", ["", "unix", "300.1.1.1", "::ffff:9.9.9.9", "fe80::1%eth0", "\udc80"])
def test_odd_addresses_are_places_too(address: str) -> None:
    scene = Scene()
    for guess in range(20):
        scene.attempt(request(user(1), address, guess, START))
    assert scene.engine.before(request(user(2), address, "x", START)).refuse is Reason.SOURCE
    assert not scene.sink.of(InternalError)


def test_over_long_names_are_cut() -> None:
    scene = Scene()
    for guess in range(20):
        scene.attempt(request("x" * 100_000, "9.9.9.9", guess, START))
    assert max(len(name) for name in scene.engine.known.memory.accounts) == 320


def test_a_defect_refuses_nobody_and_is_told() -> None:
    class Broken(LocalJournal):
        def news(self, when: float) -> list[Observation]:
            raise ZeroDivisionError

        def beat(self, when: float) -> None:
            raise ZeroDivisionError

    sink = MemorySink()
    engine = GuardEngine(Guard(), Broken(), below=random.Random(1).randrange, sink=sink)
    asked = request(user(1), "9.9.9.9", "x", START)
    assert engine.before(asked) == (Lane.UNFAMILIAR, None, 0.0)
    engine.after(asked, False, "wrong password")
    engine.tick(START)
    assert len(sink.of(InternalError)) == 3
