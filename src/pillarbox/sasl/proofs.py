"""What may prove who a client is: one small type for each kind, and what no proof ever does is print itself (P60).

A proof is only carried here, from a mechanism (or from PASS and APOP) to the pipeline of `auth`, which decides it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from pillarbox.events.secret import Secret


@dataclass(frozen=True, slots=True)
class Password:
    """The secret itself: USER/PASS, PLAIN, LOGIN."""

    secret: Secret


@dataclass(frozen=True, slots=True)
class Scram:
    """What a SCRAM client computed; `scram.find` compares it with an account's keys (RFC 5802 §3).

    Attributes:
        mechanism: "SCRAM-SHA-256" or "SCRAM-SHA-256-PLUS".
        auth_message: what both sides sign.
        client_proof: the client's answer, 32 octets.
        salt, iterations: what the client was told; keys that were made with others cannot match.
    """

    mechanism: str
    auth_message: bytes = field(repr=False)
    client_proof: bytes = field(repr=False)
    salt: bytes = field(repr=False)
    iterations: int


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token (RFC 6750): OAUTHBEARER, XOAUTH2. Empty when the client only asks what it would need."""

    secret: Secret


@dataclass(frozen=True, slots=True)
class Certificate:
    """The client certificate of the TLS connection, which TLS has verified: EXTERNAL. It is in `Origin.certificate`."""


class DigestKind(enum.Enum):
    """How a digest was made. Both need the secret in clear on the server, and are off unless switched on."""

    APOP = "APOP"  # RFC 1939 §7: MD5 of the challenge and the secret
    CRAM_MD5 = "CRAM-MD5"  # RFC 2195 §2: HMAC-MD5 of the challenge, keyed with the secret


@dataclass(frozen=True, slots=True)
class Digest:
    """The digest of a challenge with a secret; `digests.matches` compares it. `digest` is 16 octets."""

    kind: DigestKind
    challenge: bytes = field(repr=False)
    digest: bytes = field(repr=False)


Proof = Password | Scram | Token | Certificate | Digest
