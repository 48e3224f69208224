"""What holds for an account's logins over POP3, once the account, its domain and the server have been asked.

Rules: the account's own word counts, then its domain's, then the server's; there is one place that says so, for every
source of accounts. Times are in days, as people set them. Who switches idle accounts off is `cli.account_rules`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pillarbox.auth.mfa import Policy

if TYPE_CHECKING:
    from pillarbox.auth.accounts import StoredAccount
    from pillarbox.auth.sources import Credential
    from pillarbox.config.schema import Settings

T = TypeVar("T")


class Rules(NamedTuple):
    """What holds.

    Attributes:
        mfa: whether a second factor is needed.
        pop3: False refuses every login over POP3, exactly as a wrong password is refused.
        primary_over_pop3: False refuses the account's own password over POP3; app passwords and the rest work.
        pop3_idle_days: POP3 may be switched off after so many days without a login; 0 for never.
    """

    mfa: Policy = Policy.OPTIONAL
    pop3: bool = True
    primary_over_pop3: bool = True
    pop3_idle_days: int = 0

    def of(self, account: Credential | StoredAccount) -> Rules:
        """The rules of one account of the domain whose rules these are."""
        return Rules(
            mfa=_own(account.mfa, self.mfa),
            pop3=_own(account.pop3, self.pop3),
            primary_over_pop3=_own(account.primary_over_pop3, self.primary_over_pop3),
            pop3_idle_days=_own(account.pop3_idle_days, self.pop3_idle_days),
        )


RulesOf = Callable[[str], Rules]
"""The rules of a domain, in canonical form; "" for accounts without one."""


def rules_from(settings: Settings) -> RulesOf:
    """The rules that a configuration sets."""
    auth = settings.auth
    everywhere = Rules(
        mfa=Policy(auth.mfa.policy),
        pop3=auth.pop3.default == "on",
        primary_over_pop3=auth.pop3.primary == "yes",
        pop3_idle_days=auth.pop3.idle_days,
    )
    of_domain = {
        name: Rules(
            mfa=everywhere.mfa if domain.mfa == "inherit" else Policy(domain.mfa),
            pop3=_switch(domain.pop3, everywhere.pop3),
            primary_over_pop3=_switch(domain.primary_over_pop3, everywhere.primary_over_pop3),
            pop3_idle_days=everywhere.pop3_idle_days if domain.pop3_idle_days < 0 else domain.pop3_idle_days,
        )
        for name, domain in settings.domains.items()
    }
    return lambda domain: of_domain.get(domain, everywhere)


def _own(own: T | None, inherited: T) -> T:
    return inherited if own is None else own


def _switch(own: str, inherited: bool) -> bool:
    return inherited if own == "inherit" else own in {"on", "yes"}
