import msgspec
from tests.auth.guard.scenes import START, bot

from pillarbox.auth.guard.memory import Chunk, Memory, chunks_of, take_chunk
from pillarbox.auth.guard.places import place
from pillarbox.auth.guard.spray import Campaign, Kind, SprayState
from pillarbox.config.schema_guard import Guard

SMALL = Guard(remembered_sources=100, remembered_accounts=100, remembered_pairs=100)


def test_what_is_least_interesting_leaves_first() -> None:
    memory = Memory(SMALL)
    worst = memory.source(place("9.9.9.9").address)
    worst.score.add(50.0, START, 10.0)
    for number in range(1000):
        memory.source(place(bot(number)).address)
    assert len(memory.sources) <= 100
    assert memory.sources[place("9.9.9.9").address] is worst


def test_an_account_with_a_home_outlasts_those_without() -> None:
    memory = Memory(SMALL)
    memory.account("owner").settle(place("192.0.2.1"), START, 32)
    for number in range(1000):
        memory.account(f"invented{number}").row = 100
    assert "owner" in memory.accounts


def test_networks_with_credit_are_bounded_too() -> None:
    memory = Memory(SMALL)
    for number in range(1000):
        memory.welcome(place(bot(number)).network, 1.0, START + number, 10.0)
    assert len(memory.good) <= 200


def test_forgetting_an_account_keeps_its_homes() -> None:
    memory = Memory(SMALL)
    account = memory.account("owner")
    account.settle(place("192.0.2.1"), START, 32)
    account.row = 100
    memory.pair(("owner", place("9.9.9.9").address))
    memory.pair(("other", place("9.9.9.9").address))
    memory.forget_account("owner")
    memory.forget_account("nobody")
    assert memory.accounts["owner"].row == 0
    assert memory.accounts["owner"].homes
    assert [name for name, _ in memory.pairs] == ["other"]


def test_a_snapshot_comes_back_the_same() -> None:
    memory = Memory(Guard())
    for number in range(2500):
        spot = place(bot(number))
        memory.source(spot.address).score.add(1.0, START, 10.0)
        memory.account(f"u{number}").settle(spot, START, 32)
        memory.pair((f"u{number}", spot.address)).tally.add(number, START, 10)
        memory.welcome(spot.network, 1.0, START, 10.0)
    memory.allowed["192.0.2.0/24"] = START
    memory.started = START
    spray = SprayState(sum=5.0, at=START, campaign=Campaign(3, START, Kind.SPRAY, ""))
    chunks = [msgspec.msgpack.encode(chunk) for chunk in chunks_of(memory, spray, b"ladder")]
    assert max(map(len, chunks)) < 200_000
    again = Memory(Guard())
    decoded = [msgspec.msgpack.decode(chunk, type=Chunk) for chunk in chunks]
    for chunk in decoded:
        take_chunk(again, chunk)
    assert (again.sources, again.accounts, again.pairs) == (memory.sources, memory.accounts, memory.pairs)
    assert (again.good, again.allowed, again.started) == (memory.good, memory.allowed, memory.started)
    assert (decoded[0].spray, decoded[0].ladder) == (spray, b"ladder")
