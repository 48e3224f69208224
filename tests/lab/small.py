"""A population small enough for tests, and policies that do one thing."""

from __future__ import annotations

from pillarbox.lab.parameters import Parameters, load, quick
from pillarbox.lab.policy import Asked, Ruling


def small(**changes: float) -> Parameters:
    """Two hundred accounts, short attacks."""
    few = {
        "population__accounts": 200,
        "population__warm_days": 2,
        "attack__none__days": 2,
        "attack__single__hours": 0.05,
        "attack__distributed__addresses": 300,
        "attack__distributed__interval": 60.0,
        "attack__slow_spray__addresses": 300,
        "attack__stuffing__pairs": 300,
        "attack__flood__rate": 300.0,
    }
    return quick(load()).replaced(**few).replaced(**changes)


def asked(name: str = "anna", address: str = "23.0.0.1", tag: int = 1, when: float = 0.0) -> Asked:
    """A sign-in as a policy sees it."""
    return Asked(name, True, address, tag, tag, when)


class Fixed:
    """A policy that always says the same."""

    failure_delay = 1.0

    def __init__(self, ruling: Ruling) -> None:
        self.ruling = ruling
        self.told: list[tuple[Asked, bool]] = []

    def before(self, asked: Asked) -> Ruling:
        return self.ruling

    def after(self, asked: Asked, succeeded: bool) -> None:
        self.told.append((asked, succeeded))
