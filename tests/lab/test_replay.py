"""Replay: planned on loopback only, sent from an address for each client, and compared decision by decision."""

from __future__ import annotations

import asyncio
import ipaddress
import json

import pytest
from tests.lab.small import Fixed, small

from pillarbox.lab.counters import NoDefence, Strikes
from pillarbox.lab.policy import HIDE
from pillarbox.lab.replay import Answer, Planned, ReplayError, Server, compare, plan, read_accounts, refusals, replay

ACCOUNTS = {f"user{number:02d}": f"secret-{number}" for number in range(20)}


class FakeServer:
    """Speaks enough POP3 to be signed in to; remembers who came from where."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str]] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"+OK ready\r\n")
        name = ""
        while line := (await reader.readline()).decode().strip():
            word, _, rest = line.partition(" ")
            if word == "USER":
                name = rest
                writer.write(b"+OK\r\n")
            elif word == "PASS":
                self.seen.append((writer.get_extra_info("peername")[0], name, rest))
                if name == "user03":
                    writer.write(b"-ERR [SYS/TEMP] later\r\n")
                elif name == "user04":
                    writer.write(b"-ERR [IN-USE] held\r\n")
                else:
                    writer.write(b"+OK\r\n" if ACCOUNTS.get(name) == rest else b"-ERR [AUTH] no\r\n")
            else:
                break
        writer.close()


def served(planned: list[Planned]) -> tuple[list[Answer], list[tuple[str, str, str]]]:
    async def main() -> tuple[list[Answer], list[tuple[str, str, str]]]:
        fake = FakeServer()
        server = await asyncio.start_server(fake, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await replay(Server("127.0.0.1", port), planned), fake.seen

    return asyncio.run(main())


def attempt(name: str, password: str, *, secret: int = 1, right: bool = True, address: str = "127.1.2.3") -> Planned:
    return Planned(0.0, name, True, address, secret, password, right, False)


def test_a_plan_is_bounded_and_stays_on_loopback() -> None:
    planned = plan(small(), ACCOUNTS, "slow-spray", seed=1, attempts=40, seconds=2.0)
    guesses = [one for one in planned if not one.rightful]
    assert len(guesses) == 40
    assert len(planned) < 40 * 2 + len(ACCOUNTS) * 3 + 1
    assert [one.at for one in planned] == sorted(one.at for one in planned)
    assert planned[-1].at < 2.0
    assert all(ipaddress.ip_address(one.address) in ipaddress.ip_network("127.0.0.0/8") for one in planned)
    assert len({one.address for one in guesses}) == 40
    assert all((one.password == ACCOUNTS.get(one.name)) == one.right for one in planned)
    assert planned == plan(small(), ACCOUNTS, "slow-spray", seed=1, attempts=40, seconds=2.0)


def test_it_is_sent_from_each_clients_own_address() -> None:
    planned = plan(small(), ACCOUNTS, "single", seed=1, attempts=20, seconds=0.5)
    answers, seen = served(planned)
    assert sorted(seen) == sorted((one.address, one.name, one.password) for one in planned)
    for planned_one, _, let_in in answers:
        if planned_one.name == "user03":
            assert let_in is None
        elif planned_one.name != "user04":
            assert let_in == planned_one.right


def test_replies_are_read_for_what_they_say_of_the_credentials() -> None:
    answers, _ = served([attempt("user01", "secret-1"), attempt("user03", "x"), attempt("user04", "secret-4")])
    by_name = {answer.planned.name: answer.let_in for answer in answers}
    assert by_name == {"user01": True, "user03": None, "user04": True}


def test_a_server_that_is_not_there_is_unanswered() -> None:
    answers = asyncio.run(replay(Server("127.0.0.1", 1), [attempt("user01", "secret-1")]))
    assert [answer.let_in for answer in answers] == [None]
    assert compare(NoDefence(2.0), answers).unanswered == 1


def test_nothing_but_loopback_is_contacted() -> None:
    with pytest.raises(ReplayError, match="not a loopback address"):
        asyncio.run(replay(Server("192.0.2.1", 110), [attempt("user01", "x")]))


def test_agreement_is_counted_for_right_secrets_and_with_events_for_all() -> None:
    wrong = [Answer(attempt("anna", "x", right=False, secret=number), float(number), False) for number in range(1, 5)]
    owner = Answer(attempt("anna", "y"), 5.0, True)
    found = compare(Strikes(2.0, strikes=3, lock=60), [*wrong, owner])
    assert (found.compared, found.agreed) == (1, 0)
    assert found.differences == ("anna from 127.1.2.3: the simulator refuses, the server checked",)
    reasons = ["wrong", "wrong", "wrong", "guard: x"]
    lines = [{"event": "LoginFailed", "peer": "127.1.2.3", "user": "anna", "reason": reason} for reason in reasons]
    events = "\n".join(json.dumps(line, separators=(",", ":")) for line in [*lines, {"event": "SessionEnded"}])
    assert list(refusals(events)["127.1.2.3", "anna"]) == reasons
    found = compare(Strikes(2.0, strikes=3, lock=60), [*wrong, owner], events)
    assert (found.compared, found.agreed, found.share) == (5, 4, 0.8)


def test_a_policy_learns_only_of_what_it_let_pass() -> None:
    policy = Fixed(HIDE)
    compare(policy, [Answer(attempt("anna", "y"), 1.0, False)])
    assert policy.told == []


def test_accounts_are_lines_of_name_and_password() -> None:
    assert read_accounts("# ours\nanna:a:b\n\nben:c\n") == {"anna": "a:b", "ben": "c"}
    for wrong in ("anna\n", "anna:\n", "", ":x\n"):
        with pytest.raises(ReplayError):
            read_accounts(wrong)
    with pytest.raises(ReplayError, match="at least 10"):
        plan(small(), {"anna": "x"}, "single", seed=1, attempts=1, seconds=1.0)
