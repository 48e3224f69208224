"""SCRAM with another Python library, in both roles: scramp (which also checks its own messages strictly)."""

from __future__ import annotations

import base64
import importlib
from typing import Any

import pytest

from pillarbox.events import Secret
from pillarbox.sasl import Asks, Binding, Challenged, Claimed, Scram, ScramClient, ScramServer, Surroundings, scram

try:
    scramp: Any = importlib.import_module("scramp")  # `Any`: it is not installed with our development tools
except ImportError:
    scramp = None

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(scramp is None, reason="needs the Python package scramp"),
]

PLUS = [False, True]
BINDING = Binding("tls-server-end-point", b"\0\1 hash of a certificate")
SALT = b"sixteen  octets."
PASSWORDS = ["pencil", "I\u00adX", "p\u00e4ss=w,rd \u2168"]


@pytest.mark.parametrize("plus", PLUS)
@pytest.mark.parametrize("password", PASSWORDS)
def test_its_client_with_our_server(password: str, plus: bool) -> None:
    name = "SCRAM-SHA-256-PLUS" if plus else "SCRAM-SHA-256"
    client = scramp.ScramClient([name], "us,er=", password, channel_binding=tuple(BINDING) if plus else None)
    surroundings = Surroundings({BINDING.kind: BINDING.data} if plus else {}, plus, lambda: "servernonce", str)
    server = ScramServer(name, surroundings)
    asked = server.step(client.get_client_first().encode())
    assert isinstance(asked, Asks)
    assert asked.name == "us,er="
    first = asked.then(SALT, 4096)
    assert isinstance(first, Challenged)
    client.set_server_first(first.data.decode())
    claimed = server.step(client.get_client_final().encode())
    assert isinstance(claimed, Claimed)
    assert isinstance(claimed.claim.proof, Scram)
    found = scram.find(claimed.claim.proof, [scram.derive(Secret(password), SALT, 4096)])
    assert found is not None
    client.set_server_final(found[1].decode())  # raises where the signature is wrong


@pytest.mark.parametrize("plus", PLUS)
@pytest.mark.parametrize("password", PASSWORDS)
def test_our_client_with_its_server(password: str, plus: bool) -> None:
    mechanism = scramp.ScramMechanism("SCRAM-SHA-256-PLUS" if plus else "SCRAM-SHA-256")
    stored = mechanism.make_auth_info(password, iteration_count=4096, salt=SALT)
    server = mechanism.make_server(lambda _: stored, channel_binding=tuple(BINDING) if plus else None)
    client = ScramClient("user", Secret(password), nonce="clientnonce", binding=BINDING if plus else None)
    server.set_client_first(client.step(b"").decode())
    server.set_client_final(client.step(server.get_server_first().encode()).decode())
    assert client.step(server.get_server_final().encode()) == b""
    assert client.complete


@pytest.mark.parametrize("password", PASSWORDS)
def test_the_keys_are_the_same(password: str) -> None:
    salt, stored_key, server_key, iterations = scramp.ScramMechanism("SCRAM-SHA-256").make_auth_info(
        password, iteration_count=4096, salt=SALT
    )
    assert (base64.b64encode(salt), iterations) == (base64.b64encode(SALT), 4096)
    assert scram.derive(Secret(password), SALT, 4096) == (stored_key, server_key)
