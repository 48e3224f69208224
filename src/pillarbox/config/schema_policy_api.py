"""The section about other servers that ask the guard: policy_api.

Rules: as in `schema_server`. What is asked and answered is in `pillarbox.auth.guard.policy_api`, how it is used with a
Dovecot in docs/guard.md.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from pillarbox.config.fields import (
    ANY_ADDRESS,
    ListenAddresses,
    Network,
    Networks,
    OptionalPath,
    Section,
    not_empty,
    setting,
)
from pillarbox.config.problem import Wrong
from pillarbox.config.schema_listener import Listener

PORT = 8084
"""Weakforced's own port, which its clients have in their examples."""

NAME = "policy-api"
"""The name of its listener, where listeners have names."""

_LOOPBACK: tuple[Network, ...] = (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128"))


def _is_loopback(address: str) -> bool:
    return address != ANY_ADDRESS and ipaddress.ip_address(address).is_loopback


def _needed_beyond_loopback(tls: bool, info: ValidationInfo) -> bool:
    far = [address for address in info.data.get("address", ()) if not _is_loopback(address)]
    if far and not tls:
        raise Wrong(
            f'without TLS the key would cross the network in clear to "{far[0]}"',
            'write tls = true, or address = "127.0.0.1"',
        )
    return tls


class PolicyApi(Section):
    """HTTP with which another server, such as a Dovecot, asks the guard. Compatible with Weakforced."""

    enabled: bool = setting(False, "Whether other servers can ask the guard.")
    address: ListenAddresses = setting(
        ("127.0.0.1",),
        "The IP address to listen on, or a list of them. Those beyond this machine need `policy_api.tls`.",
        kind="an IP address in quotes, or a list of them",
    )
    port: int = setting(PORT, "The TCP port; by default that of Weakforced.", ge=1, le=65_535)
    tls: Annotated[bool, AfterValidator(_needed_beyond_loopback), Field(validate_default=True)] = setting(
        False, "Whether it speaks HTTPS, with the certificate of [tls]."
    )
    key: OptionalPath = setting(
        None,
        "The file with the key that other servers have to show; readable by its owner only, and made by "
        '`pillarbox guard dovecot`. "" means policy-api.key in `server.state_directory`.',
        kind="the path of a file in quotes",
        example="/etc/pillarbox/policy-api.key",
    )
    networks: Annotated[Networks, AfterValidator(not_empty)] = setting(
        _LOOPBACK,
        "Networks that may connect; all others are refused before they are read.",
        kind="a list of networks in quotes",
        example=("127.0.0.0/8", "::1"),
    )
    tarpit: int = setting(
        0,
        "The most seconds that another server is asked to wait before it checks a secret, by what `guard.penalty` says "
        "of the address. 0 asks for none: only checks can be made to wait, not refusals, so that waiting would tell "
        "one from the other, and it delays those who are right, too.",
        ge=0,
        le=60,
    )
    connections: int = setting(
        256,
        "Connections at once: each authentication process of Dovecot opens up to 100.",
        ge=1,
        le=10_000,
    )

    def listeners(self) -> tuple[Listener, ...]:
        """What has to be bound for it: nothing, or one listener. Only name, address and port of it mean anything."""
        return (Listener(name=NAME, address=self.address, port=self.port),) if self.enabled else ()
