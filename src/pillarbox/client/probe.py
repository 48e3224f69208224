"""Finds out whether a server that does not say so can be sent commands ahead (pipelining), without risk.

How: STAT and, in the same segment, a LIST of a message that cannot exist: the first is answered +OK, the second -ERR.
A server that throws away what it has not read answers only the first. After a while without a second reply another
STAT is sent, alone: the reply +OK is then its own (the LIST was thrown away), and -ERR is the LIST's, which was only
late. So a reply cannot be taken for another one's, and nothing waits for a reply that never comes.
What it proves: this server, on this connection, reads on. It costs one round trip, and the patience once for a server
that does not; the result is the caller's to keep.
Serves RFC 2449 §6.8.
"""

from __future__ import annotations

from pillarbox.client.errors import ProtocolError
from pillarbox.client.exchange import Exchange, Ticket
from pillarbox.client.settings import PROBE_PATIENCE
from pillarbox.client.wants import Work
from pillarbox.wire.commands import Verb
from pillarbox.wire.replies import Status

NOWHERE = 999_999_999
"""The number of a message that no maildrop has, and that every server can read."""


def probe(exchange: Exchange) -> Work[None]:
    """Find out, and set `exchange.pipelining`. Nothing may be unanswered.

    Raises:
        Refused: to STAT.
        ProtocolError: the replies fit neither kind of server.
    """
    began = exchange.line.clock()
    first = exchange.overlap(Verb.STAT)
    second = exchange.overlap(Verb.LIST, NOWHERE)
    status = yield from exchange.status(first)
    patience = max(PROBE_PATIENCE, 4 * (exchange.line.clock() - began))
    try:
        yield from exchange.status(second, patience)
    except TimeoutError:
        exchange.pipelining = yield from _late(exchange, second, status)
    else:
        exchange.pipelining = True
    yield from exchange.demand(first)


def _late(exchange: Exchange, second: Ticket, first: Status) -> Work[bool]:
    """Ask again, so that there is a reply to wait for; returns whether `second` was only late."""
    third = exchange.overlap(Verb.STAT)
    status = yield from exchange.status(second)
    if not status.ok:
        yield from exchange.status(third)
        return True
    # The only reply that could be is that of the second STAT, and nothing has changed in between.
    if status != first:
        raise (yield from exchange.line.abort(ProtocolError("replies do not fit their commands"), "STAT"))
    exchange.forget()
    return False
