"""What the guard knows, and the questions that both its decisions and its learning ask of it.

Rules: a question changes nothing. Tables are in `memory`; `engine` decides, `learning` changes what is
known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network

from pillarbox.auth.guard.accounts import DAY, Account
from pillarbox.auth.guard.blocks import factor_of
from pillarbox.auth.guard.interface import GuardRequest, Reason
from pillarbox.auth.guard.ladder import Ladder
from pillarbox.auth.guard.memory import Chunk, Memory, chunks_of, take_chunk
from pillarbox.auth.guard.places import Key, Place, address_of, network_around
from pillarbox.auth.guard.spray import Campaign, Kind, SprayDetector
from pillarbox.config.schema_guard import Guard as Settings


class Knowledge:
    """Memory, site-wide evidence and popular secrets, with the settings they are judged by.

    Attributes:
        lasting: seconds for which a place stays familiar, and a network good.
    """

    def __init__(self, settings: Settings, below: Callable[[int], int], chunks: Iterable[Chunk]) -> None:
        self.settings = settings
        self.memory = Memory(settings)
        self.ladder = Ladder(settings.ladder_bits, settings.ladder_rungs, below)
        self.spray = SprayDetector(settings, self.is_popular)
        self.lasting = settings.familiar_days * DAY
        self._allowed: list[tuple[IPv4Network | IPv6Network, float]] = []
        for chunk in chunks:
            take_chunk(self.memory, chunk)
            if chunk.spray is not None:
                self.spray.state = chunk.spray
            if chunk.ladder:
                self.ladder.load(chunk.ladder)
        self.list_allowed()

    def chunks(self) -> Iterator[Chunk]:
        """A snapshot of everything, in pieces."""
        return chunks_of(self.memory, self.spray.state, self.ladder.dump())

    def is_fresh(self, spot: Place, when: float) -> bool:
        """Whether nobody was let in from this network lately."""
        credit = self.memory.good.get(spot.network)
        return credit is None or when - credit.at >= self.lasting

    def is_allowed(self, address: str, when: float) -> bool:
        """Whether the configuration or a command allows the address."""
        if not self._allowed:
            return False
        parsed = address_of(address)
        return parsed is not None and any(when < until and parsed in network for network, until in self._allowed)

    def has_learnt(self, when: float) -> bool:
        """Whether the guard has run long enough to refuse what looks like a campaign."""
        started = self.memory.started
        return started is not None and not 0 <= when - started < self.settings.learning

    def limit(self, key: Key, when: float) -> float:
        """The score at which a place is blocked now: its share of the limit, and the credit of its network."""
        settings = self.settings
        good = self.memory.good.get(network_around(key))
        credit = 0.0 if good is None else min(settings.credit_limit, good.now(when, settings.half_life))
        return settings.source_limit * factor_of(key, settings.network_factor) + credit

    def refuses(self, account: Account, when: float) -> Reason | None:
        """Why an account's unfamiliar addresses are refused; None if they are not."""
        settings = self.settings
        if account.row >= settings.failures_in_a_row:
            return Reason.HARD_STOP
        count, mass = account.exposed(when, settings.window)
        # Also one that was tried before: with 16 bits for a tag, every 65,536th guess looks like a given one.
        return Reason.EXPOSED if count >= settings.guesses_per_account or mass >= settings.exposure else None

    def is_popular(self, common_tag: int | None) -> bool:
        """Whether a secret is popular among failures; False where it is not seen."""
        return common_tag is not None and self.ladder.height(common_tag) >= self.settings.ladder_popular

    def takes_part(self, campaign: Campaign, request: GuardRequest, spot: Place, account: Account | None) -> bool:
        """Whether an attempt looks like a part of the campaign."""
        if not self.is_fresh(spot, request.when):
            return False
        if account is not None and account.near(spot, request.when, self.lasting):
            return False
        if campaign.kind is Kind.ACCOUNT:
            return request.account == campaign.target
        if campaign.kind is Kind.SPRAY and request.common_tag is not None:
            return request.known is False or self.is_popular(request.common_tag)
        return True

    def list_allowed(self) -> None:
        """Take note of what the memory says is allowed."""
        self._allowed = [(network, float("inf")) for network in self.settings.allow]
        self._allowed += [(ip_network(text), until) for text, until in self.memory.allowed.items()]
