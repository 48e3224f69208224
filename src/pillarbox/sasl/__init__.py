"""SASL mechanisms, both sides, pure: `step(octets)` gives a challenge, a question, a claim or a failure.

Rules: no I/O, no clock, no account look-up; a server mechanism ends in a claim that the pipeline of `auth` decides.
Imports nothing but the standard library and `pillarbox.events.Secret`.
"""

from pillarbox.sasl.digests import CramMd5Client, CramMd5Server
from pillarbox.sasl.exchange import SERVER_MECHANISMS, Factory, ServerExchange
from pillarbox.sasl.external import ExternalClient, ExternalServer
from pillarbox.sasl.login import LoginClient, LoginServer
from pillarbox.sasl.mechanism import (
    Asks,
    Challenged,
    Claim,
    Claimed,
    ClientMechanism,
    ExchangeBroken,
    Failed,
    ServerMechanism,
    Step,
    Surroundings,
)
from pillarbox.sasl.oauth import OAuthBearerClient, OAuthBearerServer, XOAuth2Client, XOAuth2Server
from pillarbox.sasl.plain import PlainClient, PlainServer
from pillarbox.sasl.proofs import Certificate, Digest, DigestKind, Password, Proof, Scram, Token
from pillarbox.sasl.scram import ScramServer
from pillarbox.sasl.scram_client import Binding, ScramClient

__all__ = [
    "SERVER_MECHANISMS",
    "Asks",
    "Binding",
    "Certificate",
    "Challenged",
    "Claim",
    "Claimed",
    "ClientMechanism",
    "CramMd5Client",
    "CramMd5Server",
    "Digest",
    "DigestKind",
    "ExchangeBroken",
    "ExternalClient",
    "ExternalServer",
    "Factory",
    "Failed",
    "LoginClient",
    "LoginServer",
    "OAuthBearerClient",
    "OAuthBearerServer",
    "Password",
    "PlainClient",
    "PlainServer",
    "Proof",
    "Scram",
    "ScramClient",
    "ScramServer",
    "ServerExchange",
    "ServerMechanism",
    "Step",
    "Surroundings",
    "Token",
    "XOAuth2Client",
    "XOAuth2Server",
]
