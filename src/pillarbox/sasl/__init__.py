"""SASL mechanisms, both sides, pure: `step(octets)` gives a challenge, a result or a failure.

Rules: no I/O, no clock, no account look-up; a server mechanism ends in a claim that the pipeline of `auth` decides.
Imports nothing but the standard library and `pillarbox.events.Secret`.
"""

from pillarbox.sasl.exchange import SERVER_MECHANISMS, ServerExchange
from pillarbox.sasl.mechanism import Challenged, Claim, Claimed, ClientMechanism, Failed, ServerMechanism, Step
from pillarbox.sasl.plain import PlainClient, PlainServer

__all__ = [
    "SERVER_MECHANISMS",
    "Challenged",
    "Claim",
    "Claimed",
    "ClientMechanism",
    "Failed",
    "PlainClient",
    "PlainServer",
    "ServerExchange",
    "ServerMechanism",
    "Step",
]
