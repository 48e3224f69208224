"""A mail server that messages are handed on to, one by one: where it is, how it is reached safely, who we are there.

Rules: TLS with a verified certificate unless the server is on this machine or cleartext was allowed by name; a password
or token is shown only on such a connection; secrets are got anew at each login and kept nowhere.

Serves RFC 8314 §3, RFC 4616 (PLAIN), RFC 7628 §3.1 and the XOAUTH2 that large providers speak.
"""

from __future__ import annotations

import enum
import ipaddress
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pillarbox.client.auth import SecretSource, TokenSource, secret
from pillarbox.client.errors import ClientError, TlsError
from pillarbox.client.tls_rules import TlsRules
from pillarbox.events.secret import Secret
from pillarbox.fetch.destination import Delivered, DestinationError, Failed, Staged
from pillarbox.fetch.destinations.problems import connection_problem
from pillarbox.watch.clean import clean


class Security(enum.Enum):
    """How a connection gets its TLS. Values are what the configuration says."""

    TLS = "tls"  # from the first octet
    STARTTLS = "starttls"  # after a command, which has to succeed
    NONE = "none"


@dataclass(frozen=True, slots=True)
class MailServer:
    """One server.

    Attributes:
        host: its name or address, or the path of a Unix socket ("/run/…", LMTP only).
        port: of it.
        security: where TLS begins.
        user: for the login; "" for none.
        password, token: one of them, with `user`.
        tls: whom to trust; `cleartext` allows `Security.NONE` with a host that is not this machine.
        timeout: seconds for each answer.
    """

    host: str
    port: int
    security: Security = Security.TLS
    user: str = ""
    password: SecretSource | None = field(default=None, repr=False)
    token: TokenSource | None = field(default=None, repr=False)
    tls: TlsRules = field(default_factory=TlsRules)
    timeout: float = 60.0

    def __post_init__(self) -> None:
        if not self.host or any(character.isspace() or character in "\0<>" for character in self.host):
            raise ValueError(f'"{self.host}" is no host')
        if self.security is Security.NONE and not self.is_local and not self.tls.cleartext:
            raise ValueError(f"{self.host} is not this machine: use TLS, or allow cleartext by name")
        if bool(self.user) != bool(self.password is not None or self.token is not None):
            raise ValueError("a login is a user with a password or a token")
        if any(ord(character) < 32 or ord(character) == 127 for character in self.user):
            raise ValueError("the user's name holds a control character")

    @property
    def is_local(self) -> bool:
        """Whether nothing that is sent leaves this machine."""
        if self.host.startswith("/") or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def peer(self) -> str:
        """What texts call it."""
        return self.host if self.host.startswith("/") else f"{self.host}:{self.port}"

    def connect(self) -> socket.socket:
        """A connection, with TLS where that is there from the first octet.

        Raises:
            DestinationError: there is none, or its certificate is refused.
        """
        try:
            if self.host.startswith("/"):
                connection = _unix(self.host, self.timeout)
            else:
                connection = socket.create_connection((self.host, self.port), self.timeout)
        except OSError as error:
            raise connection_problem(error, self.peer) from None
        return self.wrapped(connection) if self.security is Security.TLS else connection

    def wrapped(self, connection: socket.socket) -> ssl.SSLSocket:
        """The connection with TLS; it is closed when that fails.

        Raises:
            DestinationError: the handshake failed, or the certificate is refused.
        """
        try:
            context = self.tls.client_context()
            inside = context.wrap_socket(connection, server_hostname=self.tls.name or self.host)
        except TlsError as error:
            connection.close()
            raise DestinationError(f"{self.peer}: {clean(str(error))}", temporary=False) from None
        except (OSError, ValueError) as error:
            connection.close()
            raise connection_problem(error, self.peer) from None
        try:
            self.tls.judge(self.host, self.port, inside.getpeercert(binary_form=True) or b"")
        except TlsError as error:
            inside.close()
            raise DestinationError(f"{self.peer}: {clean(str(error))}", temporary=False) from None
        return inside

    def proof(self) -> tuple[str, bytes]:
        """The SASL mechanism and its one message for this login, got anew.

        Raises:
            DestinationError: the secret cannot be got; the text says why.
        """
        try:
            if self.token is not None:
                token = self.token.access_token()
                if not isinstance(token, Secret):
                    raise DestinationError(f"{self.peer}: the token has to come at once here", temporary=False)
                message = b"user=" + self.user.encode() + b"\x01auth=Bearer " + token.reveal() + b"\x01\x01"
                return "XOAUTH2", message
            given = self.password() if callable(self.password) else self.password
        except (ClientError, OSError) as error:
            raise DestinationError(f"{self.peer}: {clean(str(error))}", temporary=True) from None
        password = secret(given or "").reveal()
        if b"\0" in password:
            raise DestinationError(f"{self.peer}: the password holds a NUL octet", temporary=False)
        return "PLAIN", b"\0" + self.user.encode() + b"\0" + password

    def refused(self, words: str, *, temporary: bool) -> DestinationError:
        """The error for a login that the server did not take; `words` are its own, clean."""
        what = "token" if self.token is not None else "password"
        advice = "it will be tried again" if temporary else f"mend the user's name or the {what}"
        return DestinationError(
            f"{self.peer}: the login of {self.user} was refused: {words}: {advice}", temporary=temporary
        )


def one_by_one(batch: Sequence[Staged], deliver: Callable[[Staged], Delivered | Failed]) -> list[Delivered | Failed]:
    """Hand on each message of a batch; see `Destination.deliver`.

    Raises:
        DestinationError: what `deliver` raised, where nothing was delivered before it.
    """
    answers: list[Delivered | Failed] = []
    for staged in batch:
        try:
            answers.append(deliver(staged))
        except DestinationError as error:
            if not any(isinstance(answer, Delivered) for answer in answers):
                raise
            # What was delivered has to be told; the rest waits for another run.
            answers += [Failed(one, error.text, temporary=True) for one in batch[len(answers) :]]
            break
    return answers


def _unix(path: str, timeout: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(path)
    except BaseException:
        connection.close()
        raise
    return connection
