"""What the pipeline asks the guard, and what it is told. Plain data and one Protocol; the engine is `engine`.

Rules: the guard sees tags of secrets, never secrets; a refusal of the guard must look to the peer exactly like a wrong
password (P42), so a `Reason` is for events and people only; `before` and `after` return at once and never raise.
"""

from __future__ import annotations

import enum
from typing import NamedTuple, Protocol

UNSEEN = -1
"""The `secret_tag` of a proof that shows no secret (SCRAM, APOP, CRAM-MD5): no two such failures can be told apart."""


class GuardRequest(NamedTuple):
    """One attempt, as the guard sees it. The same value goes to `before` and to `after`.

    Attributes:
        account: the canonical account name; where a login has none, what was typed (shortened).
        known: whether there is such an account; None where that has not been looked up. `after` wants to know.
        address: the client's address, canonical text.
        secret_tag: a keyed 16-bit tag of account and secret together, or `UNSEEN`.
        session: the session's id, for events.
        when: UTC seconds.
        common_tag: a keyed 24-bit tag of the secret alone, by which the same secret tried on many accounts is
            recognised; None where no secret is seen.
        strong: what is presented cannot be guessed (app password of right form, token, certificate): the guard never
            refuses it, however bad the place it comes from.
    """

    account: str
    known: bool | None
    address: str
    secret_tag: int
    session: str
    when: float
    common_tag: int | None = None
    strong: bool = False


class Lane(enum.Enum):
    """Whose queue an attempt belongs to. The pool of hashing threads keeps slots for the first."""

    FAMILIAR = "familiar"  # the account was let in from here before
    UNFAMILIAR = "unfamiliar"
    SUSPICIOUS = "suspicious"  # looks like a part of a campaign


class Reason(enum.Enum):
    """Why the guard refuses. The values go to events and to `after`; never to the peer."""

    SOURCE = "guard: address blocked"
    SUBNET = "guard: network blocked"
    PAIR = "guard: too many secrets for this account from this address"
    EXPOSED = "guard: too many secrets for this account"
    HARD_STOP = "guard: too many failures in a row for this account"
    CAMPAIGN = "guard: part of a campaign"


REASONS = frozenset(reason.value for reason in Reason)


class Verdict(NamedTuple):
    """What the guard says before a secret is checked.

    Attributes:
        lane: whose queue the check belongs to.
        refuse: refuse without checking, as a wrong password is refused; None to go on.
        penalty: seconds to add to the delay of a refusal. It depends on the place alone, never on whether an account
            exists, so that it tells nothing.
    """

    lane: Lane
    refuse: Reason | None
    penalty: float


class Guard(Protocol):
    """Decides whether attempts may be checked."""

    def before(self, request: GuardRequest) -> Verdict:
        """Whether the secret may be checked. Called once for each attempt; some microseconds; never raises."""
        ...

    def after(self, request: GuardRequest, succeeded: bool, reason: str) -> None:
        """Learn how an attempt ended; never raises.

        Called for each attempt that was decided: with the reason of the refusal, which is the value of the `Reason`
        where the guard refused. Not called where nobody could tell (a backend is down, the queue is full).
        """
        ...


_OPEN = Verdict(Lane.UNFAMILIAR, None, 0.0)


class NoGuard:
    """The guard switched off: nothing is refused, nothing is learnt."""

    def before(self, request: GuardRequest) -> Verdict:
        """Go on."""
        return _OPEN

    def after(self, request: GuardRequest, succeeded: bool, reason: str) -> None:
        """Forget it."""
