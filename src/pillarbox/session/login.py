"""AUTHORIZATION: TLS, names, secrets, and the opening of the maildrop.

Rules: secrets are refused before they are sent where the connection is in clear (P54); every refusal of credentials has
one text (P42); the maildrop's lease is taken before +OK (P48).
Serves RFC 1939 §4 and §7, RFC 2595 §4, RFC 5034, RFC 6856 §2-§3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pillarbox.auth.attempt import Accepted, Account, Attempt, Outcome, Refused
from pillarbox.events import (
    LoginFailed,
    LoginSucceeded,
    LoginUnavailable,
    MaildropFailed,
    MaildropInUse,
    Secret,
)
from pillarbox.maildrop.errors import MaildropBusy, MaildropUnavailable
from pillarbox.sasl import Challenged, Claimed, Failed, ServerExchange, ServerMechanism, Step
from pillarbox.session.languages import LANGUAGES, matching
from pillarbox.wire.commands import Command
from pillarbox.wire.replies import Challenge, Reply, ResponseCode

if TYPE_CHECKING:
    from pillarbox.session.session import Answer, Session

_TLS_FIRST = Reply(False, "TLS is needed first: use STLS, or connect to the TLS port")
_REFUSED = "login failed"
_TEMPORARY = "login is not possible now, please try again later"

_CODES = {
    Outcome.CREDENTIALS: ResponseCode.AUTH,
    Outcome.TEMPORARY: ResponseCode.SYS_TEMP,
    Outcome.PERMANENT: ResponseCode.SYS_PERM,
    Outcome.LOGIN_DELAY: ResponseCode.LOGIN_DELAY,
}
_TEXTS = {
    Outcome.CREDENTIALS: _REFUSED,
    Outcome.TEMPORARY: _TEMPORARY,
    Outcome.PERMANENT: "this account cannot be used, please ask your administrator",
    Outcome.LOGIN_DELAY: "too soon after the last login, please wait",
}


async def stls(session: Session, command: Command) -> Reply:
    """STLS (RFC 2595 §4); P52."""
    if session.origin.tls:
        return Reply(False, "TLS is active already")
    if not session.door.stls:
        return Reply(False, "TLS is not available here")
    return Reply(True, "begin TLS now")


async def user(session: Session, command: Command) -> Reply:
    """USER: always +OK where a login is allowed at all (P42)."""
    # Octets that are no UTF-8 cannot be a name; marked as such, they are refused like any unknown one.
    session.name = command.argument.decode("utf-8", "replace")
    if not session.login_allowed:
        session.saw_cleartext("USER", secret_seen=False)
        return _TLS_FIRST
    return Reply(True, "send PASS")


async def password(session: Session, command: Command) -> Reply:
    """PASS. The name counts for this one attempt only (P43)."""
    return await _attempt(session, session.name, Secret(command.argument), "USER/PASS")


async def overlong_password(session: Session) -> Reply:
    """A PASS line over the limit: a wrong password like any other (P42)."""
    return await _attempt(session, session.name, Secret(b""), "USER/PASS")


async def apop(session: Session, command: Command) -> Reply:
    """APOP (RFC 1939 §7) is not offered: it needs the password in clear on the server."""
    return Reply(False, "APOP is not available")


async def utf8(session: Session, command: Command) -> Reply:
    """UTF8 (RFC 6856 §2)."""
    if not session.login_allowed:
        return _TLS_FIRST
    session.utf8 = True
    return Reply(True, "UTF-8 mode")


async def lang(session: Session, command: Command) -> Reply:
    """LANG (RFC 6856 §3)."""
    if not session.login_allowed:
        return _TLS_FIRST
    if not command.argument:
        lines = "".join(f"{tag} {name}\r\n" for tag, name in LANGUAGES.items())
        return Reply(True, "languages follow", body=lines.encode("utf-8"))
    tag = matching(command.argument.decode("utf-8", "replace"))
    if tag is None:
        return Reply(False, "that language is not available")
    session.language = tag
    return Reply(True, f"{tag} language changed")


async def auth(session: Session, command: Command) -> Answer:
    """AUTH (RFC 5034 §4); without an argument it lists the mechanisms (P45)."""
    mechanisms = session.context.mechanisms
    if not command.argument:
        if not session.login_allowed:
            return _TLS_FIRST
        return Reply(True, "mechanisms follow", body="".join(f"{name}\r\n" for name in mechanisms).encode("ascii"))
    name, _, initial = command.argument.partition(b" ")
    if not session.login_allowed:
        session.name = _named_in_clear(mechanisms.get(name.decode("ascii", "replace").upper()), initial)
        session.saw_cleartext("AUTH", secret_seen=bool(initial))
        return _TLS_FIRST
    factory = mechanisms.get(name.decode("ascii", "replace").upper())
    if factory is None:
        return Reply(False, "that mechanism is not available")
    session.name = ""
    session.exchange = ServerExchange(factory())
    return await _advance(session, session.exchange.begin(initial))


def _named_in_clear(factory: Callable[[], ServerMechanism] | None, initial: bytes) -> str:
    """Whose secret was sent where anybody could read it, so that it can be changed (P54); "" if it cannot be told."""
    if factory is None or not initial:
        return ""
    step = ServerExchange(factory()).begin(initial)
    return step.claim.authcid if isinstance(step, Claimed) else ""


async def respond(session: Session, line: bytes) -> Answer:
    """A line inside a SASL exchange."""
    if line == b"*":  # RFC 5034 §4: the client thought better of it, which is no failure
        session.exchange = session.pending = None
        return Reply(False, "exchange cancelled")
    if session.pending is not None:
        account, session.pending = session.pending, None
        mechanism = session.exchange.mechanism if session.exchange is not None else ""
        session.exchange = None
        # P46: the client acknowledges the final data with an empty line; anything else takes the login back.
        return await _open(session, account, mechanism) if not line else Reply(False, "exchange cancelled")
    assert session.exchange is not None
    return await _advance(session, session.exchange.respond(line))


async def _advance(session: Session, step: Step) -> Answer:
    if isinstance(step, Challenged):
        return Challenge(step.data)
    if isinstance(step, Failed):
        return fail_exchange(session, step.reason)
    assert session.exchange is not None
    mechanism = session.exchange.mechanism
    claim = step.claim
    if step.final is None:
        session.exchange = None
        return await _attempt(session, claim.authcid, claim.password, mechanism, claim.authzid)
    decided = await _decide(session, claim.authcid, claim.password, mechanism, claim.authzid)
    if isinstance(decided, Reply):
        session.exchange = None
        return decided
    session.pending = decided
    return Challenge(step.final)


def fail_exchange(session: Session, reason: str) -> Reply:
    """End the exchange: broken or over-long. Nobody's credentials were refused, so no [AUTH] (P44)."""
    mechanism = session.exchange.mechanism if session.exchange is not None else ""
    session.exchange = None
    session.pending = None
    _failed(session, mechanism, reason)
    return Reply(False, "authentication exchange failed", close=_too_many(session))


async def _attempt(session: Session, name: str, secret: Secret, mechanism: str, authzid: str = "") -> Reply:
    decided = await _decide(session, name, secret, mechanism, authzid)
    return decided if isinstance(decided, Reply) else await _open(session, decided, mechanism)


async def _decide(session: Session, name: str, secret: Secret, mechanism: str, authzid: str) -> Account | Reply:
    context = session.context
    session.name = name
    decision = await context.authenticator.decide(Attempt(name, secret, mechanism, session.id, session.origin, authzid))
    if isinstance(decision, Refused):
        if decision.outcome is Outcome.TEMPORARY:
            context.sink.emit(
                LoginUnavailable(
                    session=session.id, user=session.name, peer=session.origin.address, reason=decision.reason
                )
            )
            return Reply(False, _TEMPORARY, ResponseCode.SYS_TEMP)
        _failed(session, mechanism, decision.reason)
        return Reply(False, _TEXTS[decision.outcome], _CODES[decision.outcome], close=_too_many(session))
    assert isinstance(decision, Accepted)
    return decision.account


def _failed(session: Session, mechanism: str, reason: str) -> None:
    session.failures += 1
    session.context.sink.emit(
        LoginFailed(
            session=session.id,
            user=session.name,
            peer=session.origin.address,
            mechanism=mechanism,
            tls=session.origin.tls,
            reason=reason,
        )
    )


def _too_many(session: Session) -> bool:
    return session.failures >= session.context.policy.login_failures


async def _open(session: Session, account: Account, mechanism: str) -> Reply:
    """Take the lease and enter TRANSACTION (P48)."""
    context = session.context
    emit = context.sink.emit
    peer = session.origin.address
    limit = context.admit_account(account.name)
    if limit is not None:
        emit(LoginUnavailable(session=session.id, user=account.name, peer=peer, reason=f"limit {limit} reached"))
        return Reply(False, "too many sessions of this account", ResponseCode.SYS_TEMP)
    try:
        maildrop = await context.store.open(
            account.maildrop, session.id, utf8=session.utf8, read_only=account.read_only
        )
        snapshot = await maildrop.list()
    except MaildropBusy as busy:
        context.leave_account(account.name)
        emit(MaildropInUse(session=session.id, user=account.name, peer=peer, holder=busy.holder, since=busy.since))
        return Reply(False, "your maildrop is in use by another session", ResponseCode.IN_USE)
    except MaildropUnavailable as error:
        context.leave_account(account.name)
        emit(MaildropFailed(session=session.id, user=account.name, reason=error.reason, permanent=error.permanent))
        code = ResponseCode.SYS_PERM if error.permanent else ResponseCode.SYS_TEMP
        return Reply(False, "your maildrop cannot be opened", code)
    except BaseException:
        context.leave_account(account.name)
        raise
    session.account = account
    session.maildrop = maildrop
    session.snapshot = snapshot
    emit(
        LoginSucceeded(
            session=session.id,
            user=account.name,
            peer=peer,
            mechanism=mechanism,
            tls=session.origin.tls or f"cleartext until {session.door.cleartext_until}",
            messages=snapshot.count,
            octets=snapshot.total,
        )
    )
    return Reply(True, f"{snapshot.count} messages ({snapshot.total} octets)")
