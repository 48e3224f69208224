"""A session without sockets: what a client would read, as text; accounts and mail in memory."""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import Sequence

from pillarbox.auth.attempt import (
    Accepted,
    Account,
    Attempt,
    Certificate,
    Decision,
    Digest,
    Origin,
    Outcome,
    Password,
    Refused,
    Salt,
    Scram,
    Token,
)
from pillarbox.events import MemorySink, Secret
from pillarbox.maildrop.maildrop import Store
from pillarbox.maildrop.stores.memory import MemoryStore
from pillarbox.sasl import digests, oauth, scram
from pillarbox.session.context import Context, Door, Policy
from pillarbox.session.session import Session
from pillarbox.wire.peer import ServerPeer
from pillarbox.wire.replies import END, Challenge, Reply
from pillarbox.wire.states import State

PASSWORD = b"open sesame"
MESSAGES = (b"Subject: one\r\n\r\nfirst\r\n", b"Subject: two\n\n.dot\nsecond", b"Subject: three\r\n\r\n1\r\n2\r\n3\r\n")


OUTCOMES = {"down": Outcome.TEMPORARY, "broken": Outcome.PERMANENT, "hasty": Outcome.LOGIN_DELAY}


NAMES = ("ada", "bob", "readonly")
SALT = Salt(b"sixteen  octets.", 4096)
KEYS = [scram.derive(Secret(secret), *SALT) for secret in (b"another app password", PASSWORD)]
CERTIFICATE = b"DER of ada's certificate"
TOKEN = b"token.of.ada"
BINDINGS = {"tls-server-end-point": b"e" * 32, "tls-exporter": b"x" * 32}


class Accounts:
    """An authenticator: "ada", "bob" and "readonly" with one secret for all proofs; other names give each outcome.

    The certificate and the token are ada's.
    """

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []

    async def salt(self, login: str) -> Salt | Refused:
        """The same for all names, but for the down."""
        return Refused(Outcome.TEMPORARY, "down") if login == "down" else SALT

    async def decide(self, attempt: Attempt) -> Decision:
        """Decide by the name."""
        self.attempts.append(attempt)
        if attempt.login == "defect":
            raise RuntimeError("secret text")
        if attempt.login in OUTCOMES:
            return Refused(OUTCOMES[attempt.login], "the reason for the log")
        challenge = oauth.error(scope="mail") if isinstance(attempt.proof, Token) else None
        name, final, right = _judged(attempt)
        if name not in NAMES or attempt.authzid not in ("", name):
            return Refused(Outcome.CREDENTIALS, "unknown user", challenge)
        if not right:
            return Refused(Outcome.CREDENTIALS, "wrong password", challenge)
        return Accepted(Account(name, name, read_only=name == "readonly"), final=final)


def _judged(attempt: Attempt) -> tuple[str, bytes | None, bool]:
    match attempt.proof:
        case Password(secret):
            return attempt.login, None, secret.reveal() == PASSWORD
        case Scram() as proof:
            found = scram.find(proof, KEYS)
            return attempt.login, found[1] if found else None, found is not None
        case Digest() as digest:
            return attempt.login, None, digests.matches(digest, Secret(PASSWORD))
        case Token(secret):
            return attempt.login or "ada", None, secret.reveal() == TOKEN and attempt.login in ("", "ada")
        case Certificate():
            return "ada", None, attempt.origin.certificate == CERTIFICATE


class World:
    """What the sessions of one test share."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.runner = runner
        self.memory = MemoryStore(clock=lambda: 1000.0)
        self.store: Store = self.memory
        self.sink = MemorySink()
        self.accounts = Accounts()
        self.mechanisms: Sequence[str] = ("PLAIN", "LOGIN")
        self.policy = Policy()
        self.ids = itertools.count(1)
        self.admitted: list[str] = []
        self.limit: str | None = None
        for message in MESSAGES:
            self.memory.deliver("ada", message)

    def _admit(self, name: str) -> str | None:
        if self.limit is None:
            self.admitted.append(name)
        return self.limit

    def talk(self, *, tls: str = "TLSv1.3", door: Door | None = None, user: str = "", certificate: bytes = b"") -> Talk:
        """A new connection; logged in when a user is given."""
        context = Context(
            authenticator=self.accounts,
            store=self.store,
            sink=self.sink,
            now=lambda: 5.0,
            policy=self.policy,
            admit_account=self._admit,
            leave_account=self.admitted.remove,
            mechanisms=self.mechanisms,
            hostname="pop.example.org",
        )
        origin = Origin("192.0.2.1", 4000, "pop3s")
        session = Session(context, f"s{next(self.ids)}", origin, door or Door())
        if tls:
            session.secured(origin._replace(tls=tls, certificate=certificate), BINDINGS)
        talk = Talk(self.runner, session)
        if user:
            talk.login(user)
        return talk

    def messages(self, user: str = "ada") -> int:
        """How many messages a new session would see."""
        talk = self.talk(user=user)
        count = int(talk.say("STAT").split()[1])
        talk.end("closed")
        return count


class Talk:
    """One connection, driven by hand."""

    def __init__(self, runner: asyncio.Runner, session: Session) -> None:
        self._runner = runner
        self.session = session
        self.peer = ServerPeer()
        self.peer.greet(Reply(True, "ready"))

    @property
    def state(self) -> State:
        """Where it stands."""
        return self.peer.state

    def say(self, line: str | bytes) -> str:
        """Send a line, or several; return all that comes back, decoded as UTF-8 (Latin-1 where it is none)."""
        self.peer.receive((line.encode() if isinstance(line, str) else line) + b"\r\n")
        data = self._runner.run(self._answers())
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return data.decode("latin-1")

    async def _answers(self) -> bytes:
        out = b""
        while (received := self.peer.next()) is not None:
            answer = await self.session.handle(received)
            if isinstance(answer, Challenge):
                out += self.peer.challenge(answer)
                continue
            out += self.peer.reply(answer)
            if isinstance(answer.body, (bytes, bytearray)):
                out += bytes(answer.body) + END
            elif answer.body is not None:
                out += b"".join([bytes(part) async for part in answer.body]) + END
        return out

    def login(self, user: str = "ada") -> str:
        """USER and PASS; must succeed."""
        reply = self.say(b"USER %s\r\nPASS %s" % (user.encode(), PASSWORD)).splitlines()[1]
        assert reply.startswith("+OK"), reply
        return reply

    def secure(self) -> None:
        """What the connection does after an accepted STLS."""
        assert self.peer.leftover() == 0
        self.session.secured(Origin("192.0.2.1", 4000, "pop3", "TLSv1.3"), BINDINGS)
        self.peer.secured()

    def end(self, how: str = "closed") -> None:
        """The connection is over."""
        self._runner.run(self.session.end(how))


def plain(user: str, password: bytes = PASSWORD, authzid: str = "") -> str:
    """PLAIN's message in base64."""
    return base64.b64encode(b"\0".join((authzid.encode(), user.encode(), password))).decode()
