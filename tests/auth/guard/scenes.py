"""Small scenes for the guard's tests: an engine on a virtual clock, users at home, and attempts."""

import random
import zlib

from pillarbox.auth.guard.engine import GuardEngine
from pillarbox.auth.guard.interface import GuardRequest, Verdict
from pillarbox.auth.guard.state import Journal, LocalJournal
from pillarbox.config.schema_guard import Guard
from pillarbox.events import MemorySink

DAY = 86_400.0
START = 1_767_571_200.0  # 2026-01-05, a Monday


def request(account: str, address: str, secret: object, when: float, *, known: bool = True, strong: bool = False,
            common: bool = True) -> GuardRequest:  # fmt: skip
    tag = zlib.crc32(f"{account}\0{secret}".encode()) & 0xFFFF
    shared = zlib.crc32(f"{secret}".encode()) & 0xFFFFFF if common else None
    return GuardRequest(account, known, address, tag, "s-1", when, shared, strong)


def user(number: int) -> str:
    return f"user{number}@example.org"


def home(number: int) -> str:
    return f"81.{number % 200}.{number // 200 % 250}.{number % 250 + 1}"


def bot(number: int) -> str:
    """A different address, each in a /24 of its own."""
    return f"{30 + number // 62500}.{number // 250 % 250}.{number % 250}.7"


class Scene:
    """An engine, and what it told."""

    def __init__(self, seed: int = 1, journal: Journal | None = None, **settings: object) -> None:
        self.sink = MemorySink()
        self.settings = Guard.model_validate(settings)
        below = random.Random(seed).randrange
        self.engine = GuardEngine(self.settings, journal or LocalJournal(), below=below, sink=self.sink)

    def attempt(self, asked: GuardRequest, right: bool = False) -> Verdict:
        """One attempt as the pipeline makes it."""
        verdict = self.engine.before(asked)
        if verdict.refuse is not None:
            self.engine.after(asked, False, verdict.refuse.value)
        else:
            self.engine.after(asked, right, "" if right else "wrong password")
        return verdict

    def settle(self, users: int, days: int = 2) -> float:
        """Users log in from home once a day; the time after it."""
        for day in range(days):
            for number in range(users):
                when = START + day * DAY + number * DAY / users
                assert self.attempt(request(user(number), home(number), "own", when), right=True).refuse is None
        return START + days * DAY
