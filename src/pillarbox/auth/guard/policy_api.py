"""What another server asks the guard, in Weakforced's words: `allow`, `report`, `reset` and `ping`.

Rules: pure, JSON in and JSON out; a malformed question is answered as one and changes nothing; "msg" is always empty,
because Dovecot shows it to whoever logs in, and a refusal must look like a wrong password (P42); an attempt that comes
without an address is let through and not counted, as there is nothing it could be held against.

What the other server sends of a secret is a short hash over nonce, login and password ("pwhash"). Keyed once more and
together with the account it is the guard's tag of that secret. As the login is in it, nothing can be known of which
secrets are popular over many accounts: those questions have no `common_tag`. Whether there is such an account only
Dovecot 2.4 says ("fail_type").

Elsewhere: HTTP, keys and limits (`server.policy_api`); the decision (`engine`). Sources: Weakforced's README.md,
"Spec"; Dovecot's documentation, "Authentication Policy".
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from pillarbox.auth.guard.engine import GuardEngine
from pillarbox.auth.guard.interface import UNSEEN, GuardRequest
from pillarbox.auth.guard.places import address_of, keys_of
from pillarbox.auth.guard.state import Observation, What
from pillarbox.auth.names import canonical_or_typed
from pillarbox.events import PolicyRefused, Sink

_SHOWING = frozenset({"", "PLAIN", "LOGIN"})
"""Mechanisms that show the password, so that its hash says something; "" is a client that names none."""

_STRONG = frozenset({"OAUTHBEARER", "XOAUTH2", "EXTERNAL", "GSSAPI"})
"""Mechanisms whose proofs cannot be guessed."""

_NOT_JUDGED = "internal"
_UNKNOWN_ACCOUNT = "account"
_BY_POLICY = "policy"
_FAILED = "another server refused it"

_LONGEST = 320
"""Characters of what was sent that go into an event: RFC 5321 §4.5.3.1 allows no longer a name."""


class Answer(NamedTuple):
    """An HTTP status and a JSON body."""

    status: int
    body: bytes


class _Attempt(msgspec.Struct, kw_only=True):
    """A log-in at the other server. Fields that are not here are ignored, as Weakforced does with those unknown to it.

    Attributes:
        mech: the SASL mechanism, where the other server is configured to name it.
        fail_type: why a log-in failed, since Dovecot 2.4.
    """

    login: str
    remote: str
    pwhash: str = ""
    protocol: str = ""
    session_id: str = ""
    mech: str = ""
    fail_type: str = ""


class _Report(_Attempt, kw_only=True):
    """How it ended. `policy_reject`: it was refused because we said so."""

    success: bool
    policy_reject: bool = False


class _Reset(msgspec.Struct, kw_only=True):
    """What is to be forgotten: everything held against an account, an address, or both."""

    login: str = ""
    ip: str = ""


class _Allowed(msgspec.Struct, kw_only=True):
    """The answer to `allow`: -1 refuses, 0 lets through, more are seconds to wait first."""

    status: int
    msg: str = ""
    r_attrs: dict[str, str] = {}


OK = Answer(200, b'{"status":"ok"}')
_LET_THROUGH = Answer(200, msgspec.json.encode(_Allowed(status=0)))


def failure(status: int, reason: str) -> Answer:
    """A question that cannot be answered."""
    return Answer(status, msgspec.json.encode({"status": "failure", "reason": reason}))


class PolicyApi:
    """Answers questions. For one thread, the guard's.

    Args:
        guard: knows the answers.
        tag_key: for tags of secrets; 16 to 64 octets, the same for as long as possible.
        default_domain: added to a login that has no domain.
        tarpit: the most seconds that a check is asked to wait.
        clock: UTC seconds.
        sink: is told of refusals.
    """

    def __init__(
        self,
        guard: GuardEngine,
        *,
        tag_key: bytes,
        default_domain: str,
        tarpit: int,
        clock: Callable[[], float],
        sink: Sink,
    ) -> None:
        self._guard = guard
        self._tag_key = tag_key
        self._default_domain = default_domain
        self._tarpit = tarpit
        self._clock = clock
        self._sink = sink
        # Not strict: the examples of Weakforced send "success":"false".
        self._attempt = msgspec.json.Decoder(_Attempt, strict=False).decode
        self._report = msgspec.json.Decoder(_Report, strict=False).decode
        self._reset = msgspec.json.Decoder(_Reset, strict=False).decode
        self._by_command = {"allow": self._allow, "report": self._learn, "reset": self._forget}

    def answer(self, method: str, command: str, body: bytes) -> Answer:
        """Answer one question. `command` is from the URL, `method` that of HTTP."""
        if command == "ping" and method in ("GET", "POST"):
            return OK
        handle = self._by_command.get(command)
        if handle is None and command != "ping":
            return failure(404, "there is no such command; there are allow, report, reset and ping")
        if handle is None or method != "POST":
            return failure(405, "use POST")
        try:
            return handle(body)
        except msgspec.ValidationError as error:
            return failure(400, str(error))  # names a field and a type, never a value
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return failure(400, "the body is no JSON")

    def _allow(self, body: bytes) -> Answer:
        asked = self._attempt(body)
        request = self._request(asked)
        if not isinstance(request, GuardRequest):
            return request or _LET_THROUGH
        verdict = self._guard.before(request)
        if verdict.refuse is not None:
            reason = verdict.refuse.value
            self._tell(request, asked, reason)
            return Answer(200, msgspec.json.encode(_Allowed(status=-1, r_attrs={"reason": reason})))
        # Whole seconds, and rather too few: they also delay those who are right.
        return Answer(200, msgspec.json.encode(_Allowed(status=min(self._tarpit, int(verdict.penalty)))))

    def _learn(self, body: bytes) -> Answer:
        told = self._report(body)
        request = self._request(told)
        if not isinstance(request, GuardRequest):
            return request or OK
        if told.success:
            self._guard.after(request, True, "")
        elif told.policy_reject or told.fail_type == _BY_POLICY:
            # The protocol carries no reason back. One that no longer holds has nothing to teach.
            verdict = self._guard.before(request)
            if verdict.refuse is not None:
                self._guard.after(request, False, verdict.refuse.value)
        elif told.fail_type != _NOT_JUDGED:
            self._guard.after(request, False, _FAILED)
        return OK

    def _forget(self, body: bytes) -> Answer:
        told = self._reset(body)
        if not told.login and not told.ip:
            return failure(400, "name a login, an ip, or both")
        now = self._clock()
        if told.ip:
            try:
                keys_of(told.ip)
            except ValueError:
                return failure(400, "ip is no address, and no network that is scored")
            self._guard.learn(Observation(What.RELEASE, now, subject=told.ip))
        if told.login:
            self._guard.learn(Observation(What.RELEASE, now, account=self._account(told.login)))
        return OK

    # ---- from their words to ours ---------------------------------------------------------------------------------

    def _request(self, told: _Attempt) -> GuardRequest | Answer | None:
        """The attempt as the guard sees it; a failure; or None for one that comes from nowhere."""
        if not told.remote:
            return None
        address = address_of(told.remote.partition("%")[0])
        if address is None:
            return failure(400, "remote is no address")
        account = self._account(told.login)
        mechanism = told.mech.upper()
        tag = self._tag(account, told.pwhash) if told.pwhash and mechanism in _SHOWING else UNSEEN
        known = False if told.fail_type == _UNKNOWN_ACCOUNT else None
        return GuardRequest(
            account, known, str(address), tag, told.session_id, self._clock(), strong=mechanism in _STRONG
        )

    def _account(self, login: str) -> str:
        return canonical_or_typed(login, self._default_domain)

    def _tag(self, account: str, pwhash: str) -> int:
        text = f"{account}\0{pwhash}".encode("utf-8", "replace")
        return int.from_bytes(blake2b(text, key=self._tag_key, digest_size=2).digest())

    def _tell(self, request: GuardRequest, asked: _Attempt, reason: str) -> None:
        self._sink.emit(
            PolicyRefused(
                user=request.account[:_LONGEST],
                peer=request.address,
                protocol=asked.protocol[:_LONGEST],
                session=asked.session_id[:_LONGEST],
                reason=reason,
            )
        )
