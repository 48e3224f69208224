import msgspec

from pillarbox.auth.guard.state import LocalJournal, Observation, What


def test_a_local_journal_keeps_nothing() -> None:
    journal = LocalJournal()
    assert list(journal.load()) == []
    journal.append(Observation(What.FAILED, 1.0))
    journal.beat(2.0)
    journal.tick(3.0, lambda: iter(()))
    assert journal.flush(4.0)
    assert list(journal.news(5.0)) == []
    journal.close()


def test_an_observation_comes_back_the_same() -> None:
    seen = Observation(What.REFUSED, 1.5, "a@example.org", "9.9.9.9", 7, 9, True, False, True, 3.0)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(seen), type=Observation) == seen
    assert len(msgspec.msgpack.encode(seen)) < 64
