"""A whole server whose credentials change beside it, and a client that says just what it is told to."""

from __future__ import annotations

import base64
import hashlib
import secrets
import socket
import ssl
import time
from contextlib import closing
from pathlib import Path

from pillarbox.auth.accounts import AccountStore
from pillarbox.auth.app_passwords import AppPasswordStore, Grant
from pillarbox.auth.keys import KeyFile
from pillarbox.auth.totp import TotpStore, code_at, new_secret, step_at
from pillarbox.events import Secret
from pillarbox.sasl import Binding, ClientMechanism, ScramClient
from pillarbox.testing.live import LiveServer


class Client:
    """Speaks POP3 over a TLS socket of its own, octet by octet as the server sends it."""

    def __init__(
        self, server: LiveServer, address: str = "127.0.0.1", certificate: tuple[Path, Path] | None = None
    ) -> None:
        plain = socket.create_connection(("127.0.0.1", server.pop3s_port), timeout=30, source_address=(address, 0))
        context = server.client_context()
        if certificate is not None:
            context.load_cert_chain(*certificate)
        self.tls = context.wrap_socket(plain, server_hostname="localhost")
        self._reader = self.tls.makefile("rb")
        self.greeting = self.line()

    def line(self) -> bytes:
        """One line as it came; b"" at the end of the connection."""
        return self._reader.readline()

    def say(self, text: str) -> bytes:
        self.tls.sendall(text.encode() + b"\r\n")
        return self.line()

    def user_pass(self, name: str, secret: str) -> bytes:
        assert self.say(f"USER {name}").startswith(b"+OK")
        return self.say(f"PASS {secret}")

    def auth(self, mechanism: ClientMechanism) -> bytes:
        """The reply that ends the exchange; each challenge before it is answered by the mechanism."""
        command = f"AUTH {mechanism.name}"
        response = encoded(mechanism.step(b"")) or "=" if mechanism.initial else None
        if response is not None and len(command) + len(response) <= 250:
            command, response = f"{command} {response}", None
        reply = self.say(command)
        if response is not None:  # RFC 5034 §4: too long for the command's line
            reply = self.say(response)
        while reply.startswith(b"+ "):
            reply = self.say(encoded(mechanism.step(base64.b64decode(reply[2:]))))
        return reply

    def close(self) -> None:
        self._reader.close()
        self.tls.close()


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Installation:
    """A server with accounts whose credentials are changed beside it, as the commands do."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        state = server.directory / "state"
        keys = KeyFile(state / "secret.key")
        # One moment for all that is stored here: an enrolment must not fall between two steps.
        self.now = time.time()
        self.accounts = AccountStore(state / "accounts.sqlite", clock=lambda: self.now)
        self.app_passwords = AppPasswordStore(self.accounts, keys)
        self.totp = TotpStore(self.accounts, keys, clock=lambda: self.now)

    def mint(self, account: str, *, read_only: bool = False, recoverable: bool = False) -> tuple[str, str]:
        """Id and text of a new app password; `recoverable` serves APOP and CRAM-MD5 as well."""
        grant = Grant("phone", "mfa", read_only=read_only)
        made, secret = self.app_passwords.add(account, grant, recoverable=recoverable)
        return made.id, secret.reveal().decode()

    def enrol(self, account: str) -> bytes:
        """The secret of a new enrolment; the code of the present step is still unused."""
        secret = new_secret()
        self.totp.enrol(account, secret, code_at(secret, step_at(self.now) - 1))
        return secret

    def client(self, address: str = "127.0.0.1", certificate: tuple[Path, Path] | None = None) -> closing[Client]:
        return closing(Client(self.server, address, certificate))


def scram(name: str, text: str, bound: ssl.SSLSocket | None = None) -> ScramClient:
    binding = None
    if bound is not None:
        certificate = bound.getpeercert(binary_form=True)
        assert certificate is not None
        binding = Binding("tls-server-end-point", hashlib.sha256(certificate).digest())
    return ScramClient(name, Secret(text), nonce=secrets.token_urlsafe(24), binding=binding)
