"""An authenticator with one account, for every mechanism: "ada", whose one secret all her proofs are made with."""

from __future__ import annotations

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

USER = "ada"
SECRET = "abcdefgh-0123-app-password"
SALT = Salt(b"sixteen  octets.", 4096)
KEYS = [scram.derive(Secret(secret), *SALT) for secret in ("another app password", SECRET)]


class OneAccount:
    """Lets "ada" in, whatever she proves it with.

    Attributes:
        certificate: the one bound to her, in DER.
        attempts: what was tried.
    """

    def __init__(self, certificate: bytes = b"none") -> None:
        self.certificate = certificate
        self.attempts: list[Attempt] = []

    async def salt(self, login: str) -> Salt | Refused:
        return SALT

    async def decide(self, attempt: Attempt) -> Decision:
        self.attempts.append(attempt)
        secret = Secret(SECRET)
        final, challenge, right = None, None, attempt.login == USER
        match attempt.proof:
            case Password():
                right &= attempt.proof == Password(secret)
            case Digest() as digest:
                right &= digests.matches(digest, secret)
            case Token():
                right &= attempt.proof == Token(secret)
                challenge = oauth.error(scope="mail")
            case Scram() as proof:
                found = scram.find(proof, KEYS)
                right &= found is not None
                final = found[1] if found is not None else None
            case Certificate():
                right = attempt.origin.certificate == self.certificate and attempt.authzid in ("", USER)
        if not right:
            return Refused(Outcome.CREDENTIALS, "wrong", challenge)
        return Accepted(Account(USER, USER), final=final)
