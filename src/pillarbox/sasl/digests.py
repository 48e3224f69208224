"""CRAM-MD5, both sides (RFC 2195), and APOP's digest (RFC 1939 §7): a secret and a fresh challenge under MD5.

Rules: both are off unless switched on by name: they ask the server to know the secret in clear, and MD5 lets whoever
sees the exchange guess offline. They are for clients that know nothing better, inside TLS.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from pillarbox.events.secret import Secret
from pillarbox.sasl.mechanism import Claim, Claimed, ExchangeBroken, Failed, Step
from pillarbox.sasl.proofs import Digest, DigestKind

_HEX = re.compile(rb"[0-9a-f]{32}\Z")  # RFC 2195 §2, RFC 1939 §7: lower case, and nothing else


def compute(kind: DigestKind, challenge: bytes, secret: Secret) -> bytes:
    """The 16 octets that answer a challenge."""
    if kind is DigestKind.CRAM_MD5:
        return hmac.new(secret.reveal(), challenge, "md5").digest()
    return hashlib.md5(challenge + secret.reveal(), usedforsecurity=False).digest()


def matches(proof: Digest, secret: Secret) -> bool:
    """Whether a digest was made with this secret; in constant time."""
    return hmac.compare_digest(compute(proof.kind, proof.challenge, secret), proof.digest)


def apop(argument: bytes, stamp: bytes) -> Claim | None:
    """The claim in APOP's argument, "name digest"; None when it is none (RFC 1939 §7)."""
    return _claim(DigestKind.APOP, argument, stamp)


def _claim(kind: DigestKind, text: bytes, challenge: bytes) -> Claim | None:
    # RFC 2195 §2: the name may hold spaces, the digest does not.
    name, _, digest = text.rpartition(b" ")
    if not name or _HEX.match(digest) is None:
        return None
    try:
        user = name.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return Claim(user, "", Digest(kind, challenge, bytes.fromhex(digest.decode("ascii"))))


class CramMd5Server:
    """The server's side: a challenge, a response. `stamp` is in the form of a Message-ID and never the same twice."""

    name = "CRAM-MD5"

    def __init__(self, stamp: str) -> None:
        self._challenge = stamp.encode("ascii")
        self._said = False

    def opening(self) -> bytes:
        """The challenge."""
        self._said = True
        return self._challenge

    def step(self, response: bytes) -> Step:
        """Take the response; there is no initial one, since the server speaks first."""
        if not self._said:
            return Failed("CRAM-MD5: a response before the challenge")
        claim = _claim(DigestKind.CRAM_MD5, response, self._challenge)
        return Claimed(claim) if claim is not None else Failed("CRAM-MD5: not a name and a digest")


class CramMd5Client:
    """The client's side."""

    name = "CRAM-MD5"
    initial = False
    complete = True

    def __init__(self, authcid: str, password: Secret) -> None:
        self._authcid = authcid
        self._password: Secret | None = password

    def step(self, challenge: bytes) -> bytes:
        """The name and the digest, once."""
        password, self._password = self._password, None
        if password is None:
            raise ExchangeBroken("CRAM-MD5: a second challenge")
        digest = compute(DigestKind.CRAM_MD5, challenge, password)
        return f"{self._authcid} {digest.hex()}".encode()
