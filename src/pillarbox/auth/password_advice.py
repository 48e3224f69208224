"""Looks again at a password that has just let somebody in: it may have become known since it was set.

Rules: after success only, beside the login and never in its way; each account at most once in so many seconds, as far
as this process remembers; the result is an event and nothing else. What a password must be like is in
`password_policy`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from pillarbox.auth.password_policy import Context, PasswordPolicy, PolicyUnavailable
from pillarbox.events import Event, Secret, Warned, internal_error

ABOUT = "password-policy"
"""The word by which these events are filtered."""

_REMEMBERED = 65_536


class PasswordAdvice:
    """Re-checks passwords.

    Args:
        policy: what they are checked against.
        seconds: between two checks of one account; 0 for never.
        clock: monotonic seconds.
        remembered: accounts whose last check is known; the oldest is forgotten first.
    """

    def __init__(
        self, policy: PasswordPolicy, *, seconds: float, clock: Callable[[], float], remembered: int = _REMEMBERED
    ) -> None:
        self._policy = policy
        self._seconds = seconds
        self._clock = clock
        self._remembered = remembered
        self._checked: OrderedDict[str, float] = OrderedDict()

    def due(self, account: str) -> bool:
        """Whether the account's password should be looked at now; if so, it will not be due again for a while.

        Takes a microsecond; ask it on the event loop, after each login with a plain password.
        """
        if not self._seconds:
            return False
        now = self._clock()
        last = self._checked.get(account)
        if last is not None and now - last < self._seconds:
            return False
        self._checked[account] = now
        self._checked.move_to_end(account)
        if len(self._checked) > self._remembered:
            self._checked.popitem(last=False)
        return True

    def advice_after_login(self, password: Secret, context: Context) -> list[Event]:
        """The events to emit about a password that was right. Blocks for milliseconds: run it in a thread.

        Never raises. The events name the account and the faults, and nothing of the password.
        """
        try:
            objections = self._policy.check(password.reveal(), context)
        except PolicyUnavailable as error:
            return [Warned(about=ABOUT, text=f"{context.account}: not checked: {error}")]
        except Exception as error:
            return [internal_error(error)]
        if not objections:
            return []
        faults = ", ".join(objection.fault.value for objection in objections)
        text = f"{context.account}: the password is {faults}; ask for a new one"
        return [Warned(about=ABOUT, text=text)]
