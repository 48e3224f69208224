"""Proves who we are, with the best that the server offers and the caller allows.

Rules: SCRAM before anything that shows the server the password; an exchange that breaks is cancelled, and a server
that claims success without having proved itself is not believed; a refused token is replaced once. What can only be
answered after an empty challenge (a long token, Microsoft's XOAUTH2) waits for it.
Serves RFC 1939 §7 (USER, PASS, APOP), RFC 5034 §4, RFC 5802 §6 (which binding), RFC 3206.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, assert_never

from pillarbox.client.auth import Auth, ClientCertificate, Password, TokenSource, secret
from pillarbox.client.errors import (
    AuthenticationFailed,
    ProtocolError,
    Refused,
    UsageError,
    refusal,
)
from pillarbox.client.exchange import Exchange, Ticket
from pillarbox.client.values import ServerCapabilities
from pillarbox.client.wants import Call, Work
from pillarbox.events import Secret
from pillarbox.sasl import (
    Binding,
    ClientMechanism,
    CramMd5Client,
    DigestKind,
    ExchangeBroken,
    ExternalClient,
    LoginClient,
    OAuthBearerClient,
    PlainClient,
    ScramClient,
    XOAuth2Client,
)
from pillarbox.sasl.digests import compute
from pillarbox.wire.commands import Verb
from pillarbox.wire.replies import Status

PREFERRED = ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN", "USER")
"""Mechanisms for a password, the best first. USER/PASS needs no announcement (RFC 2449 §6.3 came later)."""

_SHOWING = frozenset({"PLAIN", "LOGIN", "USER"})  # these show the server the password

_STAMP = re.compile(r"<[^<>@\s]+@[^<>@\s]+>")  # RFC 1939 §7: in the form of a Message-ID; anything else helps attacks


class Scene(NamedTuple):
    """What a login depends on.

    Attributes:
        bindings: channel bindings of the connection, the best first; empty without TLS.
        nonce: makes printable ASCII without a comma, with 120 bits of randomness or more.
    """

    user: str
    host: str
    port: int
    greeting: str
    capabilities: ServerCapabilities
    bindings: tuple[Binding, ...]
    nonce: Callable[[], str]


def login(exchange: Exchange, auth: Auth, scene: Scene) -> Work[str]:
    """Log in; returns the mechanism that let us in.

    Raises:
        Refused: by its code; `AuthenticationFailed` where the credentials are wrong.
        UsageError: nothing that the caller allows is offered, or a name or secret cannot be sent.
        ProtocolError: the server broke an exchange, or does not know the password it says yes to.
    """
    if isinstance(auth, Password):
        given = yield from _called(auth.source)
        return (yield from _with_password(exchange, secret(given), auth, scene))
    elif isinstance(auth, ClientCertificate):
        status = yield from _sasl(exchange, ExternalClient(scene.user))
        _accepted(status, scene)
        return "EXTERNAL"
    elif isinstance(auth, TokenSource):
        return (yield from _with_token(exchange, auth, scene))
    else:
        assert_never(auth)


def _called(source: object) -> Work[str | bytes | Secret]:
    given = (yield Call(source)) if callable(source) else source
    if not isinstance(given, (str, bytes, Secret)):
        raise UsageError("a password is text, octets or a Secret, or a function that returns one of these")
    return given


# ---- passwords ----------------------------------------------------------------------------------------------------


def _with_password(exchange: Exchange, password: Secret, auth: Password, scene: Scene) -> Work[str]:
    if not scene.user:
        raise UsageError("a password needs a user name: pops://ada@mail.example.org, or user=")
    allowed = auth.mechanisms
    candidates = list(_candidates(allowed, scene))
    if auth.first in candidates and scene.bindings:
        candidates.insert(0, candidates.pop(candidates.index(auth.first)))
    if not candidates:
        offered = ", ".join(scene.capabilities.sasl) or "none"
        raise UsageError(f"the server offers no mechanism that is allowed; its SASL mechanisms are: {offered[:200]}")
    used, *others = candidates
    status = yield from _one(exchange, used, password, scene)
    if not status.ok and used not in _SHOWING and allowed is None and _doubtful(status):
        # Some servers offer SCRAM, but know only some passwords in a form that SCRAM can use. Whoever could gain from
        # seeing the password could as well take the offer of SCRAM away, so that refusing to go on protects nothing.
        second = next((name for name in others if name in _SHOWING), None)
        if second is not None:
            used, status = second, (yield from _one(exchange, second, password, scene))
    _accepted(status, scene)
    return used


def _doubtful(status: Status) -> bool:
    """Whether a refusal may be about the mechanism, or the password, and not about the maildrop or the server."""
    return status.code in ("", "AUTH")


def _candidates(allowed: tuple[str, ...] | None, scene: Scene) -> Iterable[str]:
    offered = scene.capabilities.sasl
    for name in (word.upper() for word in (allowed or PREFERRED)):
        if name == "USER":
            # Whoever announces no USER but SASL means it; where nothing is announced, it is all there is.
            if allowed is not None or scene.capabilities.user or not offered:
                yield name
        elif name == "APOP":
            if _STAMP.search(scene.greeting):
                yield name
        elif name == "SCRAM-SHA-256-PLUS":
            if name in offered and scene.bindings:
                yield name
        elif name in offered and name in (*_PASSWORD_MECHANISMS, "SCRAM-SHA-256"):
            yield name


_PASSWORD_MECHANISMS: Mapping[str, Callable[[str, Secret], ClientMechanism]] = {
    "PLAIN": PlainClient,
    "LOGIN": LoginClient,
    "CRAM-MD5": CramMd5Client,
}


def _one(exchange: Exchange, name: str, password: Secret, scene: Scene) -> Work[Status]:
    """Try one mechanism."""
    if name == "USER":
        return (yield from _user_pass(exchange, password, scene.user))
    if name == "APOP":
        return (yield from _apop(exchange, password, scene))
    try:
        mechanism = _mechanism(name, password, scene)
    except ValueError:
        # Without the cause: it might show what the name or the password holds.
        raise UsageError(f"the user name or the password has characters that {name} cannot carry") from None
    return (yield from _sasl(exchange, mechanism))


def _mechanism(name: str, password: Secret, scene: Scene) -> ClientMechanism:
    if name == "SCRAM-SHA-256-PLUS":
        return ScramClient(scene.user, password, nonce=scene.nonce(), binding=scene.bindings[0])
    if name == "SCRAM-SHA-256":
        # RFC 5802 §6: "y" says that we could bind and saw no offer; whoever took the offer away is found out by it.
        could = bool(scene.bindings) and "SCRAM-SHA-256-PLUS" not in scene.capabilities.sasl
        return ScramClient(scene.user, password, nonce=scene.nonce(), could_bind=could)
    return _PASSWORD_MECHANISMS[name](scene.user, password)


def _user_pass(exchange: Exchange, password: Secret, user: str) -> Work[Status]:
    ticket = yield from exchange.post(Verb.USER, argument=user.encode("utf-8"))
    status = yield from exchange.status(ticket)
    if not status.ok:
        return status
    ticket = yield from exchange.post(Verb.PASS, argument=password.reveal())
    return (yield from exchange.status(ticket))


def _apop(exchange: Exchange, password: Secret, scene: Scene) -> Work[Status]:
    stamp = _STAMP.search(scene.greeting)
    if stamp is None:
        raise UsageError("APOP is not possible: the server's greeting has no timestamp")
    digest = compute(DigestKind.APOP, stamp.group().encode("utf-8"), password)
    argument = f"{scene.user} {digest.hex()}".encode()
    return (yield from exchange.status((yield from exchange.post(Verb.APOP, argument=argument))))


# ---- tokens -------------------------------------------------------------------------------------------------------


def _with_token(exchange: Exchange, source: TokenSource, scene: Scene) -> Work[str]:
    status = yield from _one_token(exchange, source, scene)
    if not status.ok and _doubtful(status):
        yield Call(source.rejected)
        status = yield from _one_token(exchange, source, scene)
    _accepted(status, scene)
    return "OAUTHBEARER" if "OAUTHBEARER" in scene.capabilities.sasl else "XOAUTH2"


def _one_token(exchange: Exchange, source: TokenSource, scene: Scene) -> Work[Status]:
    token = yield Call(source.access_token)
    offered = scene.capabilities.sasl
    try:
        if "OAUTHBEARER" in offered:
            mechanism: ClientMechanism = OAuthBearerClient(scene.user, token, host=scene.host, port=scene.port)
        elif "XOAUTH2" in offered or not scene.capabilities.known:
            mechanism = XOAuth2Client(scene.user, token)
        else:
            raise UsageError("the server offers neither OAUTHBEARER nor XOAUTH2")
    except ValueError:
        raise UsageError("the user name or the token has characters that a bearer mechanism cannot carry") from None
    return (yield from _sasl(exchange, mechanism))


# ---- SASL ---------------------------------------------------------------------------------------------------------


def _sasl(exchange: Exchange, mechanism: ClientMechanism) -> Work[Status]:
    """One exchange; returns how the server ended it."""
    name = mechanism.name
    initial = None
    # Microsoft's servers take XOAUTH2 only after their "+", and any server may have it so (RFC 5034 §4).
    if mechanism.initial and name != "XOAUTH2":
        initial = mechanism.step(b"")
    try:
        ticket = exchange.auth(name, initial)
        waiting = None
    except UsageError:
        if initial is None:
            raise
        ticket = exchange.auth(name, None)  # too long for a command line: it has to wait
        waiting = initial
    while (challenge := (yield from exchange.challenge(ticket))) is not None:
        broken = ""
        try:
            exchange.respond(mechanism.step(challenge) if waiting is None else waiting)
        except ExchangeBroken as error:
            broken = str(error)
        if broken:
            return (yield from _give_up(exchange, ticket, broken, refused=challenge.startswith(b"e=")))
        waiting = None
    status = yield from exchange.status(ticket)
    if status.ok and not mechanism.complete:
        raise (
            yield from exchange.line.abort(
                ProtocolError(f"{name}: the server did not prove that it knows the password"), "AUTH"
            )
        )
    return status


def _give_up(exchange: Exchange, ticket: Ticket, reason: str, *, refused: bool) -> Work[Status]:
    """Cancel an exchange that broke; where the server only refused in it (SCRAM's "e="), its -ERR counts."""
    exchange.respond(None)
    status = yield from exchange.status(ticket)
    if refused and not status.ok:
        return status
    raise (yield from exchange.line.abort(ProtocolError(reason), "AUTH"))


def _accepted(status: Status, scene: Scene) -> None:
    if status.ok:
        return
    # RFC 3206 §6: whoever announces AUTH-RESP-CODE says [AUTH] when it is about the credentials.
    certain = scene.capabilities.auth_resp_code
    raise refusal(status, "login", Refused if certain else AuthenticationFailed)
