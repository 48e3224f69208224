"""Who may log in to a scripted server, by every mechanism; and who did.

Rules: one secret per user serves all mechanisms; nothing here is fit for anything but tests: secrets are kept in clear,
and a refusal takes no time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pillarbox.auth.attempt import (
    Accepted,
    Account,
    Attempt,
    Certificate,
    Decision,
    Digest,
    Outcome,
    Password,
    Refused,
    Salt,
    Scram,
    Token,
)
from pillarbox.events import Secret
from pillarbox.sasl import digests, oauth, scram
from pillarbox.testing.certificates import common_name

_SALT = Salt(b"not a secret one", 4096)


@dataclass(frozen=True, slots=True)
class Login:
    """One attempt to log in.

    Attributes:
        user: the name that was tried; of a certificate, the one in it.
        mechanism: "USER/PASS", or what AUTH named, or "APOP".
        accepted: whether it was let in.
        tls: the version of TLS, or "" in clear.
        session: which connection of the server, from 1.
    """

    user: str
    mechanism: str
    accepted: bool
    tls: str
    session: int


class Users:
    """See `Authenticator`. `tokens` are access tokens and whose they are."""

    def __init__(self, passwords: Mapping[str, str], tokens: Mapping[str, str], recent_prefix: str) -> None:
        self.passwords = dict(passwords)
        self.tokens = dict(tokens)
        self.logins: list[Login] = []
        self._recent = recent_prefix
        self._keys: dict[str, scram.Keys] = {}

    async def salt(self, login: str) -> Salt | Refused:
        """See `Authenticator.salt`."""
        return _SALT

    async def decide(self, attempt: Attempt) -> Decision:
        """See `Authenticator.decide`."""
        name, accepted, final = self._judge(attempt)
        bare = name.removeprefix(self._recent) if self._recent else name
        accepted = accepted and bare in self.passwords and attempt.authzid in ("", name)
        self.logins.append(Login(name, attempt.mechanism, accepted, attempt.origin.tls, int(attempt.session)))
        if accepted:
            return Accepted(Account(bare, name), final=final)
        challenge = oauth.error() if isinstance(attempt.proof, Token) else None
        return Refused(Outcome.CREDENTIALS, "wrong name or secret", challenge)

    def _judge(self, attempt: Attempt) -> tuple[str, bool, bytes | None]:
        name = attempt.login
        password = self.passwords.get(name.removeprefix(self._recent) if self._recent else name)
        match attempt.proof:
            case Password(secret):
                return name, password is not None and secret == Secret(password), None
            case Scram() as proof:
                if password is None:
                    return name, False, None
                if password not in self._keys:
                    self._keys[password] = scram.derive(Secret(password), *_SALT)
                found = scram.find(proof, [self._keys[password]])
                return name, found is not None, found[1] if found is not None else None
            case Digest() as digest:
                return name, password is not None and digests.matches(digest, Secret(password)), None
            case Token(secret):
                owner = self.tokens.get(secret.reveal().decode("utf-8", "replace"))
                return name or owner or "", owner is not None and name in ("", owner), None
            case Certificate():
                return common_name(attempt.origin.certificate), True, None
