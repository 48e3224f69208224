"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the server's side, and the keys both sides compute (RFC 5802, RFC 7677).

Rules: the server never sees the password, and never needs more than two keys of it; which salt a name has is asked
(`Asks`) for every name alike; the proof is compared by whoever holds the keys (`find`), over all keys of an account, in
constant time. A channel binding ties the exchange to this TLS connection; a client that could have used one, and was
led to believe that we offer none, is refused (RFC 5802 §6).

Elsewhere: the client (`scram_client`), the bindings' octets (the server's TLS), the salts, also of names that nobody
has (`auth`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import NamedTuple

from pillarbox.events.secret import Secret
from pillarbox.sasl import saslname
from pillarbox.sasl.mechanism import Asks, Challenged, Claim, Claimed, Failed, Step, Surroundings
from pillarbox.sasl.proofs import Scram
from pillarbox.sasl.saslprep import saslprep

SHA_256 = "SCRAM-SHA-256"
SHA_256_PLUS = "SCRAM-SHA-256-PLUS"

KEY = 32
"""Octets of a key, a proof and a signature: those of SHA-256."""

MINIMUM_ITERATIONS = 4_096
"""Of PBKDF2, at least (RFC 7677 §4)."""

_NONCE = re.compile(r"[\x21-\x2b\x2d-\x7e]+\Z")  # RFC 5802 §7: printable
_EXTENSION = re.compile(r"[A-Za-z]=[^\0]+\Z")  # RFC 5802 §7: attr-val


class Keys(NamedTuple):
    """What a server keeps of one secret with one salt: enough to check a proof, not to make one (RFC 5802 §3)."""

    stored: bytes
    server: bytes

    def __repr__(self) -> str:
        return "<Keys>"


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left) ^ int.from_bytes(right)).to_bytes(len(left))


def salted(password: Secret, salt: bytes, iterations: int, *, stored: bool = False) -> bytes:
    """SaltedPassword; slow on purpose.

    Raises:
        ValueError: the password is not UTF-8, or SASLprep prohibits it.
    """
    prepared = saslprep(password.reveal().decode("utf-8"), stored=stored)
    return hashlib.pbkdf2_hmac("sha256", prepared.encode("utf-8"), salt, iterations)


def derive(password: Secret, salt: bytes, iterations: int) -> Keys:
    """The keys to keep for a secret. Blocks for the time that so many iterations take.

    Raises:
        ValueError: as `salted`.
    """
    key = salted(password, salt, iterations, stored=True)
    return Keys(hashlib.sha256(_hmac(key, b"Client Key")).digest(), _hmac(key, b"Server Key"))


def client_proof(salted_password: bytes, auth_message: bytes) -> bytes:
    """ClientProof (RFC 5802 §3)."""
    key = _hmac(salted_password, b"Client Key")
    return _xor(key, _hmac(hashlib.sha256(key).digest(), auth_message))


def signature(salted_password: bytes, auth_message: bytes) -> bytes:
    """ServerSignature, as the client expects it (RFC 5802 §3)."""
    return _hmac(_hmac(salted_password, b"Server Key"), auth_message)


def find(proof: Scram, candidates: Iterable[Keys]) -> tuple[int, bytes] | None:
    """Which keys a proof was made with, and the server's last message (`Accepted.final`); None for none of them.

    All candidates are looked at, whichever fits. They have the salt and the iterations that the proof names.
    """
    found: tuple[int, bytes] | None = None
    for index, keys in enumerate(candidates):
        key = _xor(proof.client_proof, _hmac(keys.stored, proof.auth_message))
        final = f"v={encode64(_hmac(keys.server, proof.auth_message))}".encode("ascii")
        if hmac.compare_digest(hashlib.sha256(key).digest(), keys.stored):
            found = index, final
    return found


def encode64(data: bytes) -> str:
    """Base64 as text."""
    return base64.b64encode(data).decode("ascii")


def decode64(text: str | bytes) -> bytes | None:
    """Strict base64 (RFC 4648 §4), or None."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


class ScramServer:
    """The server's side of one exchange.

    Args:
        name: `SHA_256` or `SHA_256_PLUS`.
        surroundings: the bindings of this connection, whether -PLUS is offered on it, and nonces.
    """

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        self.name = name
        self._surroundings = surroundings
        self._user = self._authzid = ""
        self._header = self._binding = b""  # what the client has to repeat
        self._bare = self._nonce = self._first = ""
        self._salt, self._iterations = b"", 0

    def opening(self) -> bytes:
        """Nothing: the client speaks first."""
        return b""

    def step(self, response: bytes) -> Step:
        """Take the client's first message, then its final one."""
        try:
            text = response.decode("utf-8")
        except UnicodeDecodeError:
            return Failed("SCRAM: not UTF-8")
        return self._client_final(text) if self._first else self._client_first(text)

    # ---- client-first-message ---------------------------------------------------------------------------------

    def _client_first(self, text: str) -> Step:
        flag, _, rest = text.partition(",")
        authzid, comma, bare = rest.partition(",")
        problem = self._wrong_flag(flag)
        if problem or not comma:
            return Failed(problem or "SCRAM: no gs2 header")
        asked = saslname.authzid(authzid)
        if asked is None:
            return Failed("SCRAM: not an identity")
        self._authzid = asked
        self._header = text[: len(text) - len(bare)].encode("utf-8")
        self._bare = bare
        fields = bare.split(",")
        if fields[0].startswith("m="):
            return Failed("SCRAM: an extension that is not known")  # RFC 5802 §5.1: it must be refused
        if len(fields) < 2 or not all(_EXTENSION.match(field) for field in fields):
            return Failed("SCRAM: not a first message")
        user = saslname.decode(fields[0][2:]) if fields[0].startswith("n=") else None
        nonce = fields[1][2:] if fields[1].startswith("r=") else ""
        if user is None or _NONCE.match(nonce) is None:
            return Failed("SCRAM: no user name, or no nonce")
        self._user = user
        self._nonce = nonce + self._surroundings.nonce()
        return Asks(user, self._server_first)

    def _wrong_flag(self, flag: str) -> str:
        """Why the channel binding flag of the gs2 header cannot stand here; "" when it can (RFC 5802 §6)."""
        if self.name == SHA_256_PLUS:
            if not flag.startswith("p="):
                return "SCRAM: no channel binding"
            binding = self._surroundings.bindings.get(flag[2:])
            if binding is None:
                return "SCRAM: a channel binding that is not available"
            self._binding = binding
            return ""
        if flag == "y":
            # The client could bind and has not seen our offer: somebody in between has taken it away.
            return "SCRAM: the offer of channel binding was hidden from the client" if self._surroundings.plus else ""
        return "" if flag == "n" else "SCRAM: channel binding without -PLUS"

    def _server_first(self, salt: bytes, iterations: int) -> Step:
        self._salt, self._iterations = salt, iterations
        self._first = f"r={self._nonce},s={encode64(salt)},i={iterations}"
        return Challenged(self._first.encode("ascii"))

    # ---- client-final-message ---------------------------------------------------------------------------------

    def _client_final(self, text: str) -> Step:
        unproved, mark, proof64 = text.rpartition(",p=")
        fields = unproved.split(",")
        if not mark or len(fields) < 2 or not all(_EXTENSION.match(field) for field in fields):
            return Failed("SCRAM: not a final message")
        repeated = decode64(fields[0][2:]) if fields[0].startswith("c=") else None
        if repeated is None or not hmac.compare_digest(repeated, self._header + self._binding):
            # Either another TLS connection than ours, or the header was changed on the way.
            return Failed("SCRAM: the channel binding does not match")
        if not hmac.compare_digest(fields[1].encode("utf-8"), f"r={self._nonce}".encode("ascii")):
            return Failed("SCRAM: not our nonce")
        proof = decode64(proof64)
        if proof is None or len(proof) != KEY:
            return Failed("SCRAM: no proof")
        message = f"{self._bare},{self._first},{unproved}".encode()
        told = Scram(self.name, message, proof, self._salt, self._iterations)
        return Claimed(Claim(self._user, self._authzid, told))
