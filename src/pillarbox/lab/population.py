"""The rightful users: 10,000 accounts whose clients poll, day by day, on a virtual clock.

Rules: everything follows from the seed. Clients store their password, so mistakes happen where one is typed: at a typed
sign-in, on a new device, after a change. A device left with the old password polls on until somebody mends it. Polls
are sampled: one stands for many (`SignIn.weight`), while every wrong attempt is simulated for itself.

Elsewhere: the numbers and their sources (parameters.toml); attackers (`attackers`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import NamedTuple

from pillarbox.lab.parameters import Parameters
from pillarbox.lab.traffic import DAY, HOUR, Popularity, SignIn, ipv4, ipv6

_HOME_NETS = 80 << 24  # 80.0.0.0 to 85.255.255.255
_HOME_BLOCK = 1 << 14  # a provider gives another address out of the same /18
_CARRIER_NET = 91 << 24
_OFFICE_NET = 93 << 24
_HOTEL_NET = 95 << 24
_WRONG = 10**12  # secrets nobody has: typos and forgotten passwords

_DESKTOP_HOURS, _OFFICE_HOURS, _MOBILE_HOURS = (8, 23), (9, 17), (8, 18)


class Device(NamedTuple):
    """One client of an account: "desktop", "phone" or "office", and how often it polls."""

    kind: str
    minutes: float


@dataclass(slots=True)
class Home:
    """Where somebody lives: an IPv4 address or an IPv6 /64, renumbered now and then."""

    block: int
    daily: bool
    ipv6: bool
    number: int = 0

    def address(self, host: int) -> str:
        """The address a host in it has today."""
        if self.ipv6:
            return ipv6(self.block << 16 | self.number & 0xFFFF, host)
        return ipv4(_HOME_NETS + self.block * _HOME_BLOCK % (6 << 24) + self.number * 2654435761 % _HOME_BLOCK)


@dataclass(slots=True)
class Account:
    """One account and its clients. `secret` is what it has now; `carrier` and `office` are -1 for none."""

    secret: int
    home: int
    carrier: int
    office: int
    devices: list[Device]
    away_until: float = 0.0
    hotel: str = ""
    silent_until: float = 0.0


@dataclass(slots=True)
class LeftBehind:
    """A device that still has an old password."""

    account: int
    device: Device
    secret: int
    until: float


@dataclass(slots=True)
class Population:
    """All accounts; `day` brings them one day further and says who signed in.

    Args:
        seed: everything follows from it.
        parameters: the numbers.
    """

    seed: int
    parameters: Parameters
    accounts: list[Account] = field(default_factory=list)
    homes: list[Home] = field(default_factory=list)
    left_behind: list[LeftBehind] = field(default_factory=list)
    today: int = 0
    _fresh: int = 0

    def __post_init__(self) -> None:
        numbers = self.parameters
        source = random.Random(f"{self.seed}/population")
        popularity = Popularity(
            numbers.number("passwords.zipf_c"), numbers.number("passwords.zipf_s"), numbers.count("passwords.popular")
        )
        count = numbers.count("population.accounts")
        minutes, shares = numbers.numbers("population.poll_minutes"), numbers.numbers("population.poll_shares")
        offices = max(1, round(count * numbers.number("population.office") / numbers.count("population.office_size")))
        self._fresh = numbers.count("passwords.popular") + count + 1
        self.today = -numbers.count("population.warm_days")
        for index in range(count):
            if not self.homes or source.random() >= numbers.number("population.household"):
                daily = source.random() < numbers.number("population.daily_renumbered")
                self.homes.append(
                    Home(len(self.homes), daily, source.random() < numbers.number("population.ipv6_homes"))
                )
            phone = source.random() < numbers.number("population.phone")
            office = source.random() < numbers.number("population.office")
            kinds = ["phone" if phone else "desktop"]
            if source.random() < numbers.number("population.second_device"):
                kinds.append("desktop")
            if source.random() < numbers.number("population.third_device"):
                kinds.append("desktop")
            if office:
                kinds.append("office")
            self.accounts.append(
                Account(
                    secret=popularity.draw(source, index),
                    home=len(self.homes) - 1,
                    carrier=source.randrange(numbers.count("population.carriers")) if phone else -1,
                    office=source.randrange(offices) if office else -1,
                    devices=[Device(kind, source.choices(minutes, shares)[0]) for kind in kinds],
                )
            )

    # ---- where and when ---------------------------------------------------------------------------------------------

    def carrier_address(self, index: int, when: float) -> str:
        """The outside address that the account's phone has at that time, in its carrier's pool."""
        turn = int(when / (self.parameters.number("population.carrier_hours") * HOUR) + index * 0.618)
        slot = (index * 2654435761 + turn * 40503) % 4294967291 % self.parameters.count("population.carrier_addresses")
        return ipv4(_CARRIER_NET + (self.accounts[index].carrier << 8) + slot)

    def carrier_pool(self, carrier: int) -> list[str]:
        """All outside addresses of a carrier."""
        return [
            ipv4(_CARRIER_NET + (carrier << 8) + slot)
            for slot in range(self.parameters.count("population.carrier_addresses"))
        ]

    def _place(self, index: int, kind: str, when: float) -> str:
        account = self.accounts[index]
        if account.away_until > when:
            return account.hotel
        if kind == "office":
            return ipv4(_OFFICE_NET + account.office * 256 + 7)
        hour = when % DAY / HOUR
        if kind == "phone" and _MOBILE_HOURS[0] <= hour < _MOBILE_HOURS[1]:
            return self.carrier_address(index, when)
        # A host takes a new IPv6 address every day (RFC 8981), in the same /64.
        return self.homes[account.home].address(index << 24 ^ self.today << 4 ^ len(kind))

    @staticmethod
    def _hours(kind: str, weekday: int) -> tuple[int, int]:
        if kind == "office":
            return _OFFICE_HOURS if weekday < 5 else (0, 0)
        return _DESKTOP_HOURS if kind == "desktop" else (0, 24)

    # ---- one day ----------------------------------------------------------------------------------------------------

    def day(self, samples: float, *, often: frozenset[int] = frozenset()) -> list[SignIn]:
        """The sign-ins of the next day, in order of time.

        Args:
            samples: polls simulated for each device; below 1, the chance that there is one.
            often: accounts whose devices get more (`population.samples_owner`).
        """
        numbers = self.parameters
        source = random.Random(f"{self.seed}/day/{self.today}")
        start = numbers.number("population.unix_start") + self.today * DAY
        weekday = self.today % 7
        rate, busy = numbers.number, numbers.count("population.samples_owner")
        daily, seldom = 1.0, rate("population.other_renumbered")
        typed, change = rate("population.typed"), rate("population.password_change")
        travel, vacation, device = rate("population.travel"), rate("population.vacation"), rate("population.new_device")
        out: list[SignIn] = []
        for home in self.homes:
            if source.random() < (daily if home.daily else seldom):
                home.number += 1
        for index, account in enumerate(self.accounts):
            # One draw decides for all the rare things: at most one of them happens to an account in a day.
            dice = source.random()
            if dice < typed:
                self._type(out, source, index, start, "population.typo")
            elif (dice := dice - typed) < change:
                self._change(out, source, index, start)
            elif (dice := dice - change) < travel:
                account.away_until = start + source.expovariate(1 / rate("population.travel_days")) * DAY
                account.hotel = ipv4(_HOTEL_NET + source.randrange(1 << 24))
            elif (dice := dice - travel) < vacation:
                account.silent_until = start + source.expovariate(1 / rate("population.vacation_days")) * DAY
            elif dice - vacation < device:
                self._type(out, source, index, start, "population.new_device_typo")
            if account.silent_until <= start:
                self._polls(out, source, index, start, weekday, busy if index in often else samples)
        self._stale(out, source, start)
        out.sort()
        self.today += 1
        return out

    def _polls(
        self, out: list[SignIn], source: random.Random, index: int, start: float, weekday: int, samples: float
    ) -> None:
        secret = self.accounts[index].secret
        for device in self.accounts[index].devices:
            first, last = self._hours(device.kind, weekday)
            polls = (last - first) * 60 / device.minutes
            if samples < 1:
                count, weight = int(polls > 0 and source.random() < samples), polls / samples
            else:
                count = min(int(samples), int(polls))
                weight = polls / max(count, 1)
            if not count:
                continue
            slot, when = (last - first) * HOUR / count, start + first * HOUR
            for _ in range(count):
                at = when + source.random() * slot
                out.append(SignIn(at, index, self._place(index, device.kind, at), secret, True, weight))
                when += slot

    def _type(self, out: list[SignIn], source: random.Random, index: int, start: float, typo: str) -> None:
        """Somebody types the password: mistakes first, then perhaps the right one."""
        numbers, account = self.parameters, self.accounts[index]
        when = start + (7 + source.random() * 16) * HOUR
        place = self._place(index, source.choice(account.devices).kind, when)
        wrong = 0
        if source.random() < numbers.number("population.forgets"):
            wrong = source.randint(2, numbers.count("population.forgets_most"))
        while source.random() < numbers.number(typo):
            wrong += 1
        for _ in range(wrong):
            out.append(SignIn(when, index, place, _WRONG + source.randrange(10**9), False, 1.0))
            when += source.uniform(5, 30)
        out.append(SignIn(when, index, place, account.secret, True, 1.0))

    def _change(self, out: list[SignIn], source: random.Random, index: int, start: float) -> None:
        """A new password; one device may be left with the old one."""
        numbers, account = self.parameters, self.accounts[index]
        old, account.secret = account.secret, self._fresh
        self._fresh += 1
        if source.random() < numbers.number("population.left_behind"):
            until = start + source.expovariate(1 / numbers.number("population.left_behind_days")) * DAY
            self.left_behind.append(LeftBehind(index, source.choice(account.devices), old, until))
        self._type(out, source, index, start, "population.typo")

    def _stale(self, out: list[SignIn], source: random.Random, start: float) -> None:
        """Devices with an old password: every poll is a wrong attempt, always with the same secret."""
        step = DAY / self.parameters.count("population.left_behind_polls")
        for one in self.left_behind:
            when, end = start + source.random() * step, min(one.until, start + DAY)
            while when < end:
                place = self._place(one.account, one.device.kind, when)
                out.append(SignIn(when, one.account, place, one.secret, False, 1.0))
                when += step
        self.left_behind = [one for one in self.left_behind if one.until > start + DAY]
