"""CAPA: exactly what is done, in this state and on this connection (P40). Serves RFC 2449 §5-§6."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillarbox.session.exchange import offered
from pillarbox.wire.capabilities import Capabilities
from pillarbox.wire.commands import Command
from pillarbox.wire.replies import Reply

if TYPE_CHECKING:
    from pillarbox.session.session import Session


def capabilities(session: Session) -> Capabilities:
    """The capabilities of a session as it stands."""
    policy = session.context.policy
    logged_in = session.account is not None
    # RFC 2449 §6: TOP, UIDL, USER and SASL do not differ between the states.
    entries: list[tuple[str, tuple[str, ...]]] = [("TOP", ()), ("UIDL", ())]
    if session.login_allowed:
        entries.append(("USER", ()))
        if mechanisms := offered(session):
            entries.append(("SASL", mechanisms))
        entries.append(("UTF8", ("USER",)))  # RFC 6856 §2.1: names and passwords may be UTF-8
        entries.append(("LANG", ()))
    entries += [("RESP-CODES", ()), ("AUTH-RESP-CODE", ()), ("PIPELINING", ())]
    if session.door.stls and not session.origin.tls and not logged_in:
        entries.append(("STLS", ()))
    if policy.login_delay:
        entries.append(("LOGIN-DELAY", (str(policy.login_delay),)))
    if policy.implementation and logged_in:
        entries.append(("IMPLEMENTATION", (policy.implementation,)))
    return Capabilities(entries)


async def capa(session: Session, command: Command) -> Reply:
    """CAPA (RFC 2449 §5)."""
    return Reply(True, "capabilities follow", body=capabilities(session).encode())
