import msgspec
import pytest
from tests.auth.guard.scenes import DAY, START, Scene, bot, home, request, user

from pillarbox.auth.guard import explain
from pillarbox.auth.guard.state import Observation, What


def test_a_blocked_address_says_why_and_until_when() -> None:
    scene = Scene()
    for guess in range(12):
        scene.attempt(request(user(guess), "9.9.9.9", guess, START + guess))
    facts = explain.address(scene.engine.known, "9.9.9.9", START + 12)
    assert "9.9.9.9 is blocked" in facts.verdict
    own = facts.places[0]
    assert own.place == "9.9.9.9"
    assert own.score >= own.limit - 0.1
    assert own.blocked_until is not None
    assert own.blocked_until > START + 12
    assert "wrong secrets" in own.why
    assert set(facts.tried) == {user(guess) for guess in range(12)}  # the refused ones, too
    later = explain.address(scene.engine.known, "9.9.9.9", START + DAY + 60)
    assert later.verdict == "not refused"
    assert later.places[0].blocked_until is None
    assert not later.tried


def test_an_address_where_nothing_happened_and_one_that_is_allowed() -> None:
    scene = Scene(allow=("192.0.2.0/24",))
    assert explain.address(scene.engine.known, "9.9.9.9", START).verdict == "not refused"
    assert explain.address(scene.engine.known, "192.0.2.1", START).allowed
    with pytest.raises(ValueError):
        explain.address(scene.engine.known, "9.0.0.0/8", START)


def test_a_home_says_whose_it_is() -> None:
    scene = Scene()
    start = scene.settle(3)
    assert explain.address(scene.engine.known, home(1), start).accounts == [user(1)]
    assert home(1) in explain.user(scene.engine.known, user(1), start).homes


def test_an_account_under_attack_says_so() -> None:
    scene = Scene()
    for guess in range(60):
        scene.attempt(request(user(1), bot(guess), guess, START + guess))
    facts = explain.user(scene.engine.known, user(1), START + 60)
    assert facts.secrets == facts.row == 50
    assert "50 different wrong secrets" in facts.verdict
    assert len(facts.tried) == 60  # the refused ones, too
    assert explain.status(scene.engine.known, START + 60).attacked == [user(1)]
    nobody = explain.user(scene.engine.known, "nobody", START)
    assert nobody.verdict.startswith("let in with the right secret")


def test_the_other_reasons_an_account_is_refused_for() -> None:
    scene = Scene()
    account = scene.engine.known.memory.account("a")
    account.row = 100
    assert "100 wrong secrets in a row" in explain.user(scene.engine.known, "a", START).verdict
    account.row = 0
    account.expose(1, 0.05, START, DAY, 50)
    assert "popular secrets" in explain.user(scene.engine.known, "a", START).verdict


def test_the_status_tells_of_blocks_and_of_the_campaign() -> None:
    scene = Scene()
    start = scene.settle(50)
    for turn in range(200):
        scene.attempt(request(user(turn % 50), bot(turn), turn, start + turn))
    scene.engine.learn(Observation(What.ALLOW, start, subject="192.0.2.0/24", until=start + DAY))
    facts = explain.status(scene.engine.known, start + 200)
    assert facts.campaign
    assert facts.campaign_since is not None
    assert facts.evidence > facts.alarm / 2
    assert not facts.learning
    assert facts.allowed == {"192.0.2.0/24": start + DAY}
    assert explain.address(scene.engine.known, "200.1.1.1", start + 200).verdict.startswith("suspicious")
    assert msgspec.json.decode(msgspec.json.encode(facts))["accounts"] == facts.accounts
