"""What is raced: a policy rules on each sign-in before the password is looked at, and learns what became of it.

Rules: a policy sees what a server sees: name, whether it exists, address, a tag of account and secret, the time. It is
told of every attempt that it let pass (`after`), and of none that it refused.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Ruling(NamedTuple):
    """What a policy says of a sign-in.

    Attributes:
        refused: the password is not looked at.
        visible: the refusal does not look like a wrong password: the connection is dropped.
        penalty: seconds the reply is held back, beyond the usual delay of failures.
        tagged: the policy holds this attempt, or its source, to be hostile.
    """

    refused: bool = False
    visible: bool = False
    penalty: float = 0.0
    tagged: bool = False


PASS = Ruling()
DROP = Ruling(refused=True, visible=True, tagged=True)
HIDE = Ruling(refused=True, tagged=True)


class Asked(NamedTuple):
    """One sign-in as a policy sees it. `tag` is 16 bits of account and secret, `common` 24 bits of the secret alone."""

    name: str
    known: bool
    address: str
    tag: int
    common: int
    when: float


class Policy(Protocol):
    """A policy under test. It is copied (`copy.deepcopy`) after its warm-up, once for each attack."""

    failure_delay: float
    """Seconds that a server with this policy takes to say no."""

    def before(self, asked: Asked) -> Ruling:
        """Rule on a sign-in before the password is looked at."""
        ...

    def after(self, asked: Asked, succeeded: bool) -> None:
        """Learn what became of a sign-in that was let pass."""
        ...
