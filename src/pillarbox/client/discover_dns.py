"""DNS as discovery needs it: services (SRV) and mail exchangers (MX), with dnspython (the extra `fetch`).

Rules: no such name and no such record are empty answers; a resolver that does not answer, or answers nonsense, is a
`LookupFailed`. Nothing here decides what to trust.
Serves RFC 2782, RFC 6186 §3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from dns.rdtypes.ANY.MX import MX
    from dns.rdtypes.IN.SRV import SRV
    from dns.resolver import Resolver as Stub

__all__ = ["DnsResolver", "LookupFailed", "Resolver", "Service"]

LIFETIME = 5.0
"""Seconds for one question, all tries together."""


class LookupFailed(Exception):
    """DNS did not answer. The text says why, for people."""


class Service(NamedTuple):
    """One SRV record. `target` is "." where the service is not offered."""

    priority: int
    weight: int
    port: int
    target: str


class Resolver(Protocol):
    """Asks DNS. It is called in several threads at once."""

    def services(self, name: str) -> Sequence[Service]:
        """The SRV records of a name, in any order; empty when there are none.

        Raises:
            LookupFailed: nobody can tell.
        """
        ...

    def exchangers(self, name: str) -> Sequence[str]:
        """The hosts of the MX records of a name, best first; empty when there are none.

        Raises:
            LookupFailed: nobody can tell.
        """
        ...


class DnsResolver:
    """A `Resolver` with dnspython.

    Args:
        stub: a configured dnspython resolver; by default the one of the system's settings.
        lifetime: seconds for one question.

    Raises:
        LookupFailed: dnspython is not installed, or the system has no resolver.
    """

    def __init__(self, stub: Stub | None = None, *, lifetime: float = LIFETIME) -> None:
        try:
            # Only discovery needs it: everything else works without the extra.
            import dns.resolver
        except ImportError:
            raise LookupFailed("dnspython is not installed: pip install 'pillarbox[fetch]'") from None
        try:
            self._stub = stub or dns.resolver.Resolver()
        except dns.resolver.NoResolverConfiguration:
            raise LookupFailed("this system names no DNS resolver") from None
        self._lifetime = lifetime

    def services(self, name: str) -> Sequence[Service]:
        """As the protocol says."""
        records: Iterable[SRV] = self._records(name, "SRV")
        return [Service(one.priority, one.weight, one.port, one.target.to_text()) for one in records]

    def exchangers(self, name: str) -> Sequence[str]:
        """As the protocol says."""
        records: Iterable[MX] = self._records(name, "MX")
        return [one.exchange.to_text() for one in sorted(records, key=lambda one: one.preference)]

    def _records(self, name: str, kind: str) -> Any:  # an iterable of records of that kind, which is not in its type
        from dns.exception import DNSException, Timeout
        from dns.resolver import NXDOMAIN, NoAnswer

        try:
            return self._stub.resolve(name, kind, lifetime=self._lifetime, search=False)
        except (NXDOMAIN, NoAnswer):
            return []
        except Timeout:
            raise LookupFailed("DNS does not answer in time") from None
        except (DNSException, OSError):
            # The library's own texts hold server addresses and a stranger's octets.
            raise LookupFailed("DNS gives no usable answer") from None
