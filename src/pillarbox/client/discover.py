"""From a mail address to the POP3 server: what DNS, the domain's own settings, a public list and habit say.

    found = discover("ada@example.org", resolver=DnsResolver(), fetch=https_get)
    for proposal in found.proposals: ...

Rules: only TLS is ever proposed, inside it before STLS; nothing is tried here, and no password is needed. Whoever says
that the server is outside the address's domain must be doubted: DNS is not signed for most (RFC 6186 §6), so such a
proposal needs the user's confirmation; so does a mere guess. All sources are asked at the same time, each in its own
bounded time; a source that fails is a trouble, and the others go on. The address itself is shown to the domain's own
servers only; the public list gets the domain.

Elsewhere: DNS (`discover_dns`), HTTP (`discover_fetch`), the XML of the settings (`discover_autoconfig`), addresses and
what all sources share (`discover_proposal`). Serves RFC 6186 §3.3, §4 and §6.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import quote

from pillarbox.client.discover_autoconfig import BadSettings, pop3_servers
from pillarbox.client.discover_dns import DnsResolver, LookupFailed, Resolver, Service
from pillarbox.client.discover_fetch import Fetch, FetchFailed, https_get
from pillarbox.client.discover_proposal import Address, AuthKind, Proposal, Source, host_name, server_url
from pillarbox.client.oauth_providers import GOOGLE, Provider, microsoft

__all__ = [
    "AuthKind",
    "Discovery",
    "DnsResolver",
    "FetchFailed",
    "LookupFailed",
    "Proposal",
    "Source",
    "Trouble",
    "discover",
    "https_get",
]

_MAX_SERVICES = 20
"""Records of one kind that are looked at: nobody has as many servers for POP3."""

_PRESETS: dict[str, Provider] = {
    **dict.fromkeys(("gmail.com", "googlemail.com"), GOOGLE),
    **dict.fromkeys(("outlook.com", "hotmail.com", "live.com", "msn.com", "passport.com"), microsoft("consumers")),
}
_EXCHANGERS: tuple[tuple[str, Provider], ...] = (
    # Where the mail of domains goes that have their mailboxes there.
    ("google.com", GOOGLE),
    ("googlemail.com", GOOGLE),
    ("mail.protection.outlook.com", microsoft("organizations")),
    ("mx.microsoft", microsoft("organizations")),
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A source that could not be asked. `reason` is for people, one line."""

    source: Source
    reason: str


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found, best first, and what could not be asked."""

    proposals: tuple[Proposal, ...]
    troubles: tuple[Trouble, ...]


_Ask = Callable[[], "list[Proposal]"]
_NOT_OFFERED = "."  # RFC 6186 §3.4: the target of a service that the domain says it does not have


def discover(
    address: str,
    *,
    resolver: Resolver,
    fetch: Fetch,
    ispdb: str = "",
    draw: random.Random | None = None,
) -> Discovery:
    """Look for the POP3 server of a mail address.

    Args:
        address: "ada@example.org".
        resolver: asks DNS.
        fetch: gets a URL.
        ispdb: the address of a public list of settings, to which "/DOMAIN" is added; "" to ask none.
        draw: chooses among servers of the same priority by their weight (RFC 2782); by default, at random.

    Raises:
        ValueError: it is not a mail address.
    """
    asked = Address.of(address)
    preset = _PRESETS.get(asked.domain)
    if preset is not None:
        return Discovery(tuple(_preset(preset, asked, Source.PRESET, doubtful=False)), ())
    draw = draw or random.SystemRandom()
    sources: list[tuple[Source, _Ask]] = [
        (Source.SRV, lambda: _services(asked, resolver, draw)),
        (Source.AUTOCONFIG, lambda: _autoconfig(asked, fetch, Source.AUTOCONFIG, _own_addresses(asked))),
        (Source.MX, lambda: _exchangers(asked, resolver)),
    ]
    if ispdb:
        listed = [f"{ispdb.rstrip('/')}/{asked.domain}"]
        sources.insert(2, (Source.ISPDB, lambda: _autoconfig(asked, fetch, Source.ISPDB, listed)))
    proposals: list[Proposal] = []
    troubles: list[Trouble] = []
    with ThreadPoolExecutor(len(sources), thread_name_prefix="discover") as threads:
        jobs = [(source, threads.submit(ask)) for source, ask in sources]
        for source, job in jobs:
            try:
                proposals += job.result()
            except (LookupFailed, FetchFailed, BadSettings) as problem:
                troubles.append(Trouble(source, str(problem)))
            except _NoPop3:
                # The domain itself says that there is no POP3: others would only guess.
                return Discovery((), (*troubles, Trouble(source, f"{asked.domain} says that it has no POP3")))
    return Discovery(tuple(_ordered([*proposals, *_guesses(asked)])), tuple(troubles))


def _ordered(proposals: list[Proposal]) -> Iterator[Proposal]:
    """Each server once, as its best source has it; in each source TLS from the first octet before STLS."""
    ranks = list(Source)
    seen = set()
    for proposal in sorted(proposals, key=lambda one: (ranks.index(one.source), not one.url.startswith("pops:"))):
        if proposal.url not in seen:
            seen.add(proposal.url)
            yield proposal


# ---- sources ----------------------------------------------------------------------------------------------------


class _NoPop3(Exception):
    """The domain says that it has no POP3 server."""


def _services(asked: Address, resolver: Resolver, draw: random.Random) -> list[Proposal]:
    within = resolver.services(f"_pop3s._tcp.{asked.domain}")
    after = resolver.services(f"_pop3._tcp.{asked.domain}")
    offered = [*within, *after]
    if offered and all(service.target == _NOT_OFFERED for service in offered):
        raise _NoPop3
    found = []
    for scheme, services in (("pops", within), ("pop3", after)):
        for service in _drawn(services[:_MAX_SERVICES], draw):
            host = host_name(service.target)
            if host and 0 < service.port < 65536:
                url = server_url(scheme, host, service.port)
                found.append(Proposal(url, asked.text, AuthKind.PASSWORD, Source.SRV, not asked.has(host)))
    return found


def _drawn(services: Sequence[Service], draw: random.Random) -> Iterator[Service]:
    """In the order of RFC 2782: by priority, and by weighted lot among equals."""
    for _, equals in groupby(sorted(services, key=lambda one: one.priority), key=lambda one: one.priority):
        rest = list(equals)
        while rest:
            # A weight of 0 is to have a very small chance, not none.
            chosen = draw.choices(range(len(rest)), [one.weight or 0.01 for one in rest])[0]
            yield rest.pop(chosen)


def _own_addresses(asked: Address) -> list[str]:
    """Where a domain keeps its settings, in the order in which Thunderbird looks."""
    return [
        f"https://autoconfig.{asked.domain}/mail/config-v1.1.xml?emailaddress={quote(asked.text, safe='')}",
        f"https://{asked.domain}/.well-known/autoconfig/mail/config-v1.1.xml",
    ]


def _autoconfig(asked: Address, fetch: Fetch, source: Source, addresses: list[str]) -> list[Proposal]:
    """The first settings that are there. One that fails is told only when no other is good."""
    problem: FetchFailed | BadSettings | None = None
    for url in addresses:
        try:
            document = fetch(url)
            if document is not None and (servers := pop3_servers(document, asked)):
                return [
                    Proposal(
                        server_url("pops" if server.implicit_tls else "pop3", server.host, server.port),
                        server.user,
                        server.auth,
                        source,
                        not asked.has(server.host),
                    )
                    for server in servers
                ]
        except (FetchFailed, BadSettings) as failed:
            problem = problem or failed
    if problem is not None:
        raise problem
    return []


def _exchangers(asked: Address, resolver: Resolver) -> list[Proposal]:
    for exchanger in resolver.exchangers(asked.domain)[:_MAX_SERVICES]:
        host = host_name(exchanger)
        for suffix, provider in _EXCHANGERS:
            if host == suffix or host.endswith(f".{suffix}"):
                return _preset(provider, asked, Source.MX, doubtful=True)
    return []


def _preset(provider: Provider, asked: Address, source: Source, *, doubtful: bool) -> list[Proposal]:
    url = f"{provider.url}:995"
    # Both providers have app passwords for some accounts only, and tokens for all.
    return [Proposal(url, asked.text, AuthKind.OAUTH2, source, doubtful, provider.name)]


def _guesses(asked: Address) -> list[Proposal]:
    return [
        Proposal(server_url("pops", f"{name}.{asked.domain}", 995), asked.text, AuthKind.PASSWORD, Source.GUESS, True)
        for name in ("pop", "mail")
    ]
