"""AUTHORIZATION: TLS, names, secrets, and the opening of the maildrop.

Rules: secrets are refused before they are sent where the connection is in clear (P54); every refusal of credentials has
one text (P42); the maildrop's lease is taken before +OK (P48).
Elsewhere: AUTH (`exchange`).
Serves RFC 1939 §4 and §7, RFC 2595 §4, RFC 6856 §2-§3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillarbox.auth.app_password_text import parse
from pillarbox.auth.attempt import Account, Attempt, Decision, Outcome, Password, Refused
from pillarbox.events import (
    LoginFailed,
    LoginSucceeded,
    LoginUnavailable,
    MaildropFailed,
    MaildropInUse,
    Secret,
)
from pillarbox.maildrop.errors import MaildropBusy, MaildropUnavailable
from pillarbox.maildrop.newer import newer
from pillarbox.sasl import Claim, digests
from pillarbox.session.languages import LANGUAGES, matching
from pillarbox.wire.commands import Command
from pillarbox.wire.replies import Reply, ResponseCode

if TYPE_CHECKING:
    from pillarbox.session.session import Session

TLS_FIRST = Reply(False, "TLS is needed first: use STLS, or connect to the TLS port")
_USER_PASS = "USER/PASS"  # noqa: S105 - the name of a way to log in
_REFUSED = "login failed"
_TEMPORARY = "login is not possible now, please try again later"

_MISPLACED = "(an app password)"
"""Stands for what was given as a name and is meant as an app password, so that nobody writes it down. No account can
have this name."""

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
    session.name = _name(command.argument.decode("utf-8", "replace"))
    if not session.login_allowed:
        session.saw_cleartext("USER", secret_seen=False)
        return TLS_FIRST
    return Reply(True, "send PASS")


async def password(session: Session, command: Command) -> Reply:
    """PASS. The name counts for this one attempt only (P43)."""
    return await _attempt(session, Claim(session.name, "", Password(Secret(command.argument))), _USER_PASS)


async def overlong_password(session: Session) -> Reply:
    """A PASS line over the limit: a wrong password like any other (P42)."""
    return await _attempt(session, Claim(session.name, "", Password(Secret(b""))), _USER_PASS)


async def apop(session: Session, command: Command) -> Reply:
    """APOP (RFC 1939 §7), where it is switched on and the greeting had a timestamp."""
    if not session.stamp:
        return Reply(False, "APOP is not available")
    if not session.login_allowed:
        session.saw_cleartext("APOP", secret_seen=False)
        return TLS_FIRST
    claim = digests.apop(command.argument, session.stamp.encode("ascii"))
    if claim is None:
        return broken(session, "APOP", "APOP: not a name and a digest")
    # The timestamp stays good for another try: it is this connection's alone, and failures are counted.
    return await _attempt(session, claim, "APOP")


async def utf8(session: Session, command: Command) -> Reply:
    """UTF8 (RFC 6856 §2)."""
    if not session.login_allowed:
        return TLS_FIRST
    session.utf8 = True
    return Reply(True, "UTF-8 mode")


async def lang(session: Session, command: Command) -> Reply:
    """LANG (RFC 6856 §3)."""
    if not session.login_allowed:
        return TLS_FIRST
    if not command.argument:
        lines = "".join(f"{tag} {name}\r\n" for tag, name in LANGUAGES.items())
        return Reply(True, "languages follow", body=lines.encode("utf-8"))
    tag = matching(command.argument.decode("utf-8", "replace"))
    if tag is None:
        return Reply(False, "that language is not available")
    session.language = tag
    return Reply(True, f"{tag} language changed")


def _name(given: str) -> str:
    return given if parse(given.encode("utf-8", "surrogatepass")) is None else _MISPLACED


async def _attempt(session: Session, claim: Claim, mechanism: str) -> Reply:
    decision = await decide(session, claim, mechanism)
    if isinstance(decision, Refused):
        return refused(session, decision, mechanism)
    return await open_(session, decision.account, mechanism)


async def decide(session: Session, claim: Claim, mechanism: str) -> Decision:
    """Have a claim decided. What the peer is told about a refusal is `refused`'s to say."""
    authcid, authzid = _name(claim.authcid), _name(claim.authzid)
    session.name = authcid or authzid
    attempt = Attempt(authcid, claim.proof, mechanism, session.id, session.origin, authzid)
    return await session.context.authenticator.decide(attempt)


def refused(session: Session, decision: Refused, mechanism: str) -> Reply:
    """The reply to a refused attempt, and its event."""
    if decision.outcome is Outcome.TEMPORARY:
        session.context.sink.emit(
            LoginUnavailable(session=session.id, user=session.name, peer=session.origin.address, reason=decision.reason)
        )
        return Reply(False, _TEMPORARY, ResponseCode.SYS_TEMP)
    failed(session, mechanism, decision.reason)
    return Reply(False, _TEXTS[decision.outcome], _CODES[decision.outcome], close=too_many(session))


def broken(session: Session, mechanism: str, reason: str) -> Reply:
    """The reply to an exchange that broke, and its event. Nobody's credentials were refused, so no [AUTH] (P44)."""
    failed(session, mechanism, reason)
    return Reply(False, "authentication exchange failed", close=too_many(session))


def failed(session: Session, mechanism: str, reason: str) -> None:
    """Count a failed login, and tell of it."""
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


def too_many(session: Session) -> bool:
    """Whether this connection has had its last try."""
    return session.failures >= session.context.policy.login_failures


async def open_(session: Session, account: Account, mechanism: str) -> Reply:
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
        if account.only_newer_than is not None:
            maildrop = await newer(maildrop, account.only_newer_than)
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
