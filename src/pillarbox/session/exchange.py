"""AUTH: which mechanisms are offered here and now, and the exchange from its first line to the decision.

Rules: what is offered is what works on this connection, and CAPA says exactly that (P40); a broken exchange refuses
nobody's credentials (P44, P45); a mechanism's last word, in success or refusal, is one more challenge, and the login is
only complete when the client has answered it (P46, P47); no line of an exchange reaches an event (P60).
Elsewhere: the mechanisms (`pillarbox.sasl`), the decision and the maildrop (`login`).
Serves RFC 5034 §4, RFC 4422 §3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pillarbox.auth.attempt import Accepted, Refused
from pillarbox.sasl import SERVER_MECHANISMS, Asks, Challenged, Claimed, Failed, ServerExchange, Step, Surroundings
from pillarbox.sasl.scram import SHA_256_PLUS
from pillarbox.session import login
from pillarbox.wire.commands import Command
from pillarbox.wire.replies import Challenge, Reply

if TYPE_CHECKING:
    from pillarbox.session.session import Answer, Session

# What a mechanism needs of the connection, beyond a login being allowed on it at all.
_NEEDS: Mapping[str, Callable[[Session], bool]] = {
    SHA_256_PLUS: lambda session: bool(session.bindings),
    "EXTERNAL": lambda session: bool(session.origin.certificate),
    # RFC 6750 §5.2: a bearer token is for TLS only; no dated exception changes that.
    "OAUTHBEARER": lambda session: bool(session.origin.tls),
    "XOAUTH2": lambda session: bool(session.origin.tls),
}

# Mechanisms whose initial response gives no secret away (P54).
_HARMLESS = frozenset({"LOGIN", "EXTERNAL", "SCRAM-SHA-256", SHA_256_PLUS})


def offered(session: Session) -> tuple[str, ...]:
    """The mechanisms of this connection as it is now, in the order of the settings."""
    if not session.login_allowed:
        return ()
    return tuple(
        name
        for name in session.context.mechanisms
        if name in SERVER_MECHANISMS and (name not in _NEEDS or _NEEDS[name](session))
    )


async def auth(session: Session, command: Command) -> Answer:
    """AUTH (RFC 5034 §4); without an argument it lists the mechanisms (P45)."""
    names = offered(session)
    if not command.argument:
        if not session.login_allowed:
            return login.TLS_FIRST
        return Reply(True, "mechanisms follow", body="".join(f"{name}\r\n" for name in names).encode("ascii"))
    first, _, initial = command.argument.partition(b" ")
    name = first.decode("ascii", "replace").upper()
    if not session.login_allowed:
        session.name = _named_in_clear(session, name, initial)
        session.saw_cleartext("AUTH", secret_seen=bool(initial) and name not in _HARMLESS)
        return login.TLS_FIRST
    if name not in names:
        return Reply(False, "that mechanism is not available")
    session.name = ""
    context = session.context
    surroundings = Surroundings(session.bindings, SHA_256_PLUS in names, context.nonce, context.stamp)
    exchange = session.exchange = ServerExchange(SERVER_MECHANISMS[name](surroundings))
    return await _advance(session, exchange, exchange.begin(initial))


def _named_in_clear(session: Session, mechanism: str, initial: bytes) -> str:
    """Whose secret was sent where anybody could read it, so that it can be changed (P54); "" if it cannot be told."""
    if mechanism not in SERVER_MECHANISMS or not initial:
        return ""
    surroundings = Surroundings({}, False, session.context.nonce, session.context.stamp)
    step = ServerExchange(SERVER_MECHANISMS[mechanism](surroundings)).begin(initial)
    return step.claim.authcid if isinstance(step, Claimed) else ""


async def respond(session: Session, line: bytes) -> Answer:
    """A line inside an exchange."""
    exchange = session.exchange
    assert exchange is not None
    pending = session.pending
    if line == b"*" and not isinstance(pending, Reply):
        # RFC 5034 §4: the client thought better of it, which is no failure.
        session.exchange = session.pending = None
        return Reply(False, "exchange cancelled")
    if pending is None:
        return await _advance(session, exchange, exchange.respond(line))
    session.exchange = session.pending = None
    if isinstance(pending, Reply):
        return pending  # P47: whatever the client says to the error, the refusal stands
    # P46: the client acknowledges the final data with an empty line; anything else takes the login back.
    return Reply(False, "exchange cancelled") if line else await login.open_(session, pending, exchange.mechanism)


def fail(session: Session, reason: str) -> Reply:
    """End the exchange: broken, over-long or cancelled."""
    exchange, pending = session.exchange, session.pending
    session.exchange = session.pending = None
    if isinstance(pending, Reply):
        return pending
    return login.broken(session, exchange.mechanism if exchange is not None else "", reason)


async def _advance(session: Session, exchange: ServerExchange, step: Step) -> Answer:
    if isinstance(step, Asks):
        session.name = step.name
        told = await session.context.authenticator.salt(step.name)
        if isinstance(told, Refused):
            session.exchange = None
            return login.refused(session, told, exchange.mechanism)
        step = step.then(told.salt, told.iterations)
    if isinstance(step, Challenged):
        return Challenge(step.data)
    if isinstance(step, Failed):
        return fail(session, step.reason)
    assert not isinstance(step, Asks)  # a mechanism asks once
    decision = await login.decide(session, step.claim, exchange.mechanism)
    if isinstance(decision, Accepted):
        if decision.final is None:
            session.exchange = None
            return await login.open_(session, decision.account, exchange.mechanism)
        session.pending = decision.account
        return Challenge(decision.final)
    reply = login.refused(session, decision, exchange.mechanism)
    if decision.challenge is None:
        session.exchange = None
        return reply
    session.pending = reply
    return Challenge(decision.challenge)
