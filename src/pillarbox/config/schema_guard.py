"""The section about the guard: how many guesses an attacker gets, and when places and campaigns are refused.

Rules: as in `schema_server`; each sentence of doc gives the number's reason or source. The algorithms are in
`pillarbox.auth.guard`, their description is docs/guard.md.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from pillarbox.config.fields import Networks, OptionalPath, Section, setting
from pillarbox.config.problem import Wrong

DAY = 86_400
YEAR = 366 * DAY


def _power_of_two(number: int) -> int:
    if number & (number - 1):
        raise Wrong(f"{number} is not a power of two", f"write {1 << number.bit_length()}")
    return number


def _not_below(other: str) -> AfterValidator:
    """A check that a setting is at least as large as one that stands before it."""

    def checked(number: float, info: ValidationInfo) -> float:
        least = info.data.get(other)
        if least is not None and number < least:
            raise Wrong(f"{number} is less than `{other}`, which is {least}", f"write {least} or more")
        return number

    return AfterValidator(checked)


def _not_above_rungs(number: int, info: ValidationInfo) -> int:
    rungs = info.data.get("ladder_rungs")
    if rungs is not None and number > rungs:
        raise Wrong(f"{number} is more than `ladder_rungs`, which is {rungs}", f"write {rungs} or less")
    return number


class Guard(Section):
    """Against guessing: how many wrong secrets are checked, and which places and campaigns are refused."""

    enabled: bool = setting(True, "Whether the guard is on. Off, every secret is checked.")
    state: OptionalPath = setting(
        None,
        "The file that workers share and that survives a restart; it must be on a local disk. "
        '"" means guard.sqlite in `server.state_directory`.',
        kind="the path of a file in quotes",
        example="/var/lib/pillarbox/guard.sqlite",
    )
    allow: Networks = setting(
        (),
        "Networks the guard never refuses, such as a monitoring host or a webmail server. Keep them small: "
        "guesses from them are not limited.",
        kind="a list of networks in quotes",
        example=("192.0.2.10/32",),
    )

    # ---- guesses against one account
    window: float = setting(
        DAY,
        "Seconds for which a wrong secret is remembered: the same one again from the same origin counts once within "
        "it, so that a phone with an old password, which asks 288 times a day, harms no one.",
        ge=60,
        le=30 * DAY,
    )
    guesses_per_source: int = setting(
        10,
        "Different wrong secrets for one account from one address within `window` before it is refused for that "
        "account: with ten tries nearly all people who can remember do (Brostoff & Sasse, Ten strikes and you're "
        "out, 2003).",
        ge=1,
        le=1000,
    )
    guesses_per_account: int = setting(
        50,
        "Different wrong secrets for one account within `window`, over all unfamiliar addresses, before more of them "
        "are refused: what 10,000 addresses together may try.",
        ge=1,
        le=10_000,
    )
    guesses_when_familiar: int = setting(
        50,
        "Different wrong secrets for one account within `window` from an origin that it was let in from before. "
        "Far above what an owner does, as an owner must never be locked out.",
        ge=1,
        le=10_000,
    )
    exposure: float = setting(
        0.02,
        "The share of all users' passwords that may be tried against one account within `window` from unfamiliar "
        "addresses, beside their count (DALock, PoPETs 2022): a popular guess costs more of it than a rare one.",
        ge=0.0001,
        le=1,
    )
    exposure_rare: float = setting(
        0.00001,
        "The share of users that a guess never seen elsewhere is taken to hit: about the thousandth most popular "
        "password's share and less (Bonneau 2012).",
        ge=0,
        le=0.1,
    )
    exposure_popular: Annotated[float, _not_below("exposure_rare")] = setting(
        0.002,
        "The share of users that a guess at the top of the ladder is taken to hit: that of the ten most popular "
        "passwords (Bonneau 2012: the first covers 1 %, the tenth 0.1 %).",
        ge=0,
        le=0.1,
    )
    failures_in_a_row: int = setting(
        100,
        "Different wrong secrets in a row after which an account's unfamiliar addresses are refused until it is "
        "released, or until its owner was let in from a familiar one after a quiet `window` "
        "(NIST SP 800-63B-4 §3.2.2: no more than 100).",
        ge=1,
        le=100,
    )

    # ---- familiar origins
    familiar_days: float = setting(
        60.0,
        "Days for which an origin (address and /24, or /64) stays familiar to an account after it was let in from it: "
        "longer than a holiday.",
        ge=1,
        le=3650,
    )
    familiar_origins: int = setting(
        32,
        "Origins remembered for each account, the oldest leaves first: a phone meets about a dozen networks a month, "
        "and each takes two places.",
        ge=2,
        le=1000,
    )

    # ---- addresses and networks
    half_life: float = setting(
        DAY / 2,
        "Seconds in which the score of an address or network halves: a day's pause is nearly a fresh start, an "
        "hour's is none.",
        ge=60,
        le=30 * DAY,
    )
    source_limit: float = setting(
        8.5,
        "The score at which an address (for IPv6 a /64) is blocked: a wrong secret is 1, so that guessing against one "
        "account is reported before `guesses_per_source` are used up, and spraying ends within 20 users.",
        ge=1,
        le=10_000,
    )
    network_factor: float = setting(
        4.0,
        "How many times `source_limit` a /24 (for IPv6 a /48; half of it for a /56) may score before it is blocked, "
        "as it has more than one user.",
        ge=1,
        le=1000,
    )
    weight_unknown: float = setting(
        2.0,
        "The score of a wrong secret for an account that does not exist: people mistype their password more often "
        "than their name.",
        ge=1,
        le=100,
    )
    weight_popular: float = setting(
        2.5,
        "What the score of a wrong secret is multiplied by when it is popular among failures: people's slips differ, "
        "a list's entries repeat (StopGuessing).",
        ge=1,
        le=100,
    )
    credit: float = setting(
        1.0,
        "Added to the score at which an address is blocked for each account let in from its network, once a day, and "
        "decaying as scores do: many users behind one address may also make many mistakes.",
        ge=0,
        le=100,
    )
    credit_limit: float = setting(
        24.0,
        "How far credit may raise the score at which a place is blocked: more would let an attacker behind a large "
        "carrier's address hide among its users.",
        ge=0,
        le=10_000,
    )
    block: float = setting(
        900.0,
        "Seconds of the first block of an address or network; each further one is twice as long. Short, as addresses "
        "change hands.",
        ge=1,
        le=30 * DAY,
    )
    block_longest: Annotated[float, _not_below("block"), Field(validate_default=True)] = setting(
        7 * DAY, "Seconds of the longest block. After as long without a block doubling starts anew.", ge=1, le=YEAR
    )
    penalty: float = setting(
        0.25,
        "Seconds that each different wrong secret of an address adds to the delay of its refusals, so that guessing "
        "slows down before it is refused; familiar origins are not slowed.",
        ge=0,
        le=10,
    )
    penalty_longest: float = setting(
        3.0,
        "Seconds of the longest such delay: each waiting refusal holds a connection of ours too.",
        ge=0,
        le=60,
    )

    # ---- popular secrets
    ladder_bits: Annotated[int, AfterValidator(_power_of_two)] = setting(
        65_536,
        "Bits of the filter of popular secrets, a power of two; each takes an octet of memory. A secret stays popular "
        "while it is one of about a thousand failures.",
        ge=1024,
        le=16_777_216,
    )
    ladder_rungs: int = setting(
        32, "Bits that stand for one secret in that filter; half of them are set by chance.", ge=8, le=256
    )
    ladder_popular: Annotated[int, AfterValidator(_not_above_rungs)] = setting(
        26,
        "Rungs from which a secret is popular: it is there after about 10 sightings, and by chance in 1 of 3,700.",
        ge=5,
        le=256,
    )

    # ---- campaigns from many addresses
    campaign_alarm: float = setting(
        60.0,
        "Evidence above what is usual at which failures from many new addresses are a campaign (CUSUM as Javed & "
        "Paxson, CCS 2013): one failure is 1, up to 3 for unknown users and popular secrets.",
        ge=5,
        le=100_000,
    )
    campaign_floor: float = setting(
        2.0, "Evidence an hour that is taken as usual even on the quietest server.", ge=0.01, le=100_000
    )
    campaign_slack: float = setting(
        3.0, "How many times the usual evidence is still no campaign: mornings are busier than nights.", ge=1, le=100
    )
    campaign_memory: float = setting(
        3 * DAY, "Seconds over which the usual evidence is learnt, campaigns left out.", ge=3600, le=90 * DAY
    )
    campaign_refuses: bool = setting(
        True,
        "Whether a campaign's attempts are refused, and not only reported: those from addresses where nobody was let "
        "in lately, far from where the account was, without an app password.",
    )
    learning: float = setting(
        DAY,
        "Seconds after the guard's first start in which campaigns are only reported: all addresses are new then.",
        ge=0,
        le=90 * DAY,
    )

    # ---- bounds of memory and disk
    remembered_sources: int = setting(
        25_000,
        "Addresses and networks with failures that are remembered, for each worker some 12 MB; the least interesting "
        "leave first.",
        ge=100,
        le=10_000_000,
    )
    remembered_accounts: int = setting(
        50_000,
        "Accounts that are remembered, for each worker some 1 KB of each; those that nobody was ever let in to leave "
        "first. Make it as large as the number of accounts.",
        ge=100,
        le=10_000_000,
    )
    remembered_pairs: int = setting(
        25_000, "Pairs of account and address with failures, for each worker some 15 MB.", ge=100, le=10_000_000
    )
    journal_rows: int = setting(
        2_000,
        "Batches of news in the state file before it is folded into a snapshot; a batch has at most 64 of some 60 "
        "octets each.",
        ge=10,
        le=1_000_000,
    )
