"""The attacks of the goals table: each a number of generators that guess, and hear what becomes of it.

Rules: an attacker is as good as the table says and no better: knows names, the order in which passwords are popular,
and what a reply shows. A refusal that looks like a wrong password (`Heard.WRONG`) is taken for one, so that guess is
lost; a dropped connection (`Heard.DROPPED`) is seen, and the guess is made again later. All follows from the seed.

A generator yields `Guess` in order of time and is sent what it heard and when; when it returns, it has given up.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

from pillarbox.lab.parameters import Parameters
from pillarbox.lab.population import Population
from pillarbox.lab.traffic import DAY, HOUR, Guess, account_name, attacker_addresses


class Heard(enum.Enum):
    """What an attacker sees of the answer."""

    IN = "in"
    WRONG = "wrong"
    DROPPED = "dropped"


Attacker = Generator[Guess, tuple[Heard, float], None]
"""Yields guesses; is sent what was heard, and when."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What an attack is played on.

    Attributes:
        seed: everything follows from it.
        start: the first moment, seconds of the epoch.
        population: the users, as they are at the start.
        target: the account that attacks on one account are aimed at.
    """

    seed: int
    start: float
    parameters: Parameters
    population: Population
    target: int

    def source(self, name: str) -> random.Random:
        """The random numbers of one attack."""
        return random.Random(f"{self.seed}/attack/{name}")

    def guess(self, when: float, account: int, address: str, secret: int) -> Guess:
        """A guess at an account that exists."""
        right = self.population.accounts[account].secret == secret
        return Guess(when, account_name(account), account, address, secret, right)

    def stranger(self, when: float, number: int, address: str, secret: int) -> Guess:
        """A guess at a name nobody has."""
        return Guess(when, f"gone{number:06d}@example.org", -1, address, secret, False)


def _patient(stage: Stage, guesses: Iterator[Guess]) -> Attacker:
    """Makes guesses at their times, later when replies are late; one that was dropped is made again."""
    again = stage.parameters.number("rules.retry_banned")
    end, ready = stage.start + DAY, 0.0
    for guess in guesses:
        while True:
            moment = max(guess.when, ready)
            if moment >= end:
                return
            heard, ready = yield guess._replace(when=moment)
            if heard is not Heard.DROPPED:
                break
            ready += again


def single(stage: Stage) -> list[Attacker]:
    """One account from one address: a tool with parallel connections, down the list of popular passwords."""
    numbers = stage.parameters
    (address,) = attacker_addresses(stage.source("single"), 1)
    ranks = iter(range(1, 10**9))
    pause, hours = numbers.number("attack.single.pause"), numbers.number("attack.single.hours")
    again = numbers.number("rules.retry_banned")

    def connection(number: int) -> Attacker:
        when, end = stage.start + number * pause, stage.start + hours * HOUR
        for secret in ranks:
            while True:
                if when >= end:
                    return
                heard, when = yield stage.guess(when, stage.target, address, secret)
                when += pause
                if heard is not Heard.DROPPED:
                    break
                when += again

    return [connection(number) for number in range(numbers.count("attack.single.connections"))]


def distributed(stage: Stage) -> list[Attacker]:
    """One account from 10,000 addresses in turn. Dropped addresses cost him nothing: the next one makes the guess."""
    numbers = stage.parameters
    addresses = attacker_addresses(stage.source("distributed"), numbers.count("attack.distributed.addresses"))
    interval = numbers.number("attack.distributed.interval")

    def botnet() -> Attacker:
        secret = 1
        for turn in range(int(DAY / interval)):
            address = addresses[turn % len(addresses)]
            heard, _ = yield stage.guess(stage.start + turn * interval, stage.target, address, secret)
            secret += heard is not Heard.DROPPED

    return [botnet()]


def spray(stage: Stage) -> list[Attacker]:
    """One popular password against every account, quickly, from one address."""
    source, rate = stage.source("spray"), stage.parameters.number("attack.spray.rate")
    (address,) = attacker_addresses(source, 1)
    accounts = list(range(len(stage.population.accounts)))
    source.shuffle(accounts)
    # All connections take their guesses from one list.
    guesses = (stage.guess(stage.start + turn / rate, account, address, 1) for turn, account in enumerate(accounts))
    return [_patient(stage, guesses) for _ in range(stage.parameters.count("attack.spray.connections"))]


def slow_spray(stage: Stage) -> list[Attacker]:
    """One popular password against every account, one attempt from each address in the day."""
    source = stage.source("slow_spray")
    addresses = attacker_addresses(source, stage.parameters.count("attack.slow_spray.addresses"))
    count = len(stage.population.accounts)
    accounts = [source.randrange(count) for _ in addresses]
    step = DAY / len(addresses)

    def campaign() -> Attacker:
        for turn, (address, account) in enumerate(zip(addresses, accounts, strict=True)):
            yield stage.guess(stage.start + (turn + source.random()) * step, account, address, 1)

    return [campaign()]


def stuffing(stage: Stage) -> list[Attacker]:
    """Leaked pairs, one from each address: some right, some wrong, some of names nobody has."""
    return _stuffing(stage, stage.parameters.number("attack.stuffing.valid"))


def stuffing_app_passwords(stage: Stage) -> list[Attacker]:
    """The same where POP3 takes app passwords only: what leaked elsewhere is never right here."""
    return _stuffing(stage, 0.0)


def _stuffing(stage: Stage, valid: float) -> list[Attacker]:
    numbers, source = stage.parameters, stage.source("stuffing")
    pairs = numbers.count("attack.stuffing.pairs")
    unknown = numbers.number("attack.stuffing.unknown")
    addresses = attacker_addresses(source, pairs)
    accounts = stage.population.accounts
    step = DAY / pairs

    def list_of_pairs() -> Attacker:
        for turn, address in enumerate(addresses):
            when, dice = stage.start + turn * step, source.random()
            account, leaked = source.randrange(len(accounts)), 10**13 + turn
            if dice < valid:
                yield stage.guess(when, account, address, accounts[account].secret)
            elif dice < valid + unknown:
                yield stage.stranger(when, turn, address, leaked)
            else:
                yield stage.guess(when, account, address, leaked)

    return [list_of_pairs()]


def carrier_nat(stage: Stage) -> list[Attacker]:
    """Infected phones behind the outside addresses of one carrier, which a tenth of the users share."""
    numbers = stage.parameters
    interval = numbers.number("attack.carrier_nat.interval")
    pool = stage.population.carrier_pool(0)
    stay = numbers.number("population.carrier_hours") * HOUR
    count = len(stage.population.accounts)

    def phone(number: int) -> Attacker:
        source = stage.source(f"carrier_nat/{number}")

        def guesses() -> Iterator[Guess]:
            offset = source.random()
            for turn in range(int(DAY / interval)):
                when = stage.start + (turn + offset) * interval
                address = pool[(number * 7 + int(when / stay) * 5) % len(pool)]
                yield stage.guess(when, source.randrange(count), address, 1 + source.randrange(1000))

        return _patient(stage, guesses())

    return [phone(number) for number in range(numbers.count("attack.carrier_nat.hosts"))]


def flood(stage: Stage) -> list[Attacker]:
    """Bogus sign-ins by the thousand each second, to exhaust the hashing."""
    numbers, source = stage.parameters, stage.source("flood")
    rate, unknown = numbers.number("attack.flood.rate"), numbers.number("attack.flood.unknown")
    addresses = attacker_addresses(source, numbers.count("attack.flood.addresses"))
    count = len(stage.population.accounts)
    noon = stage.start + DAY / 2

    def storm() -> Attacker:
        for turn in range(int(rate * numbers.number("attack.flood.seconds"))):
            when, address = noon + turn / rate, addresses[turn % len(addresses)]
            if source.random() < unknown:
                yield stage.stranger(when, turn, address, 10**13 + turn)
            else:
                yield stage.guess(when, source.randrange(count), address, 10**13 + turn)

    return [storm()]


def none(stage: Stage) -> list[Attacker]:
    """Nobody attacks."""
    return []


ATTACKS: dict[str, Callable[[Stage], list[Attacker]]] = {
    "single": single,
    "distributed": distributed,
    "spray": spray,
    "slow-spray": slow_spray,
    "stuffing": stuffing,
    "stuffing-app": stuffing_app_passwords,
    "carrier-nat": carrier_nat,
    "flood": flood,
    "none": none,
}
"""Every attack by its name on the command line."""
