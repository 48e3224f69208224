"""LOGIN, both sides: the name and the password, each asked for (draft-murchison-sasl-login; old clients know no other).

Rules: an initial response is the name; what the prompts say is of no account to either side, but some clients wait for
exactly these.
"""

from __future__ import annotations

from pillarbox.events.secret import Secret
from pillarbox.sasl.mechanism import Challenged, Claim, Claimed, ExchangeBroken, Failed, Step
from pillarbox.sasl.proofs import Password

USERNAME = b"Username:"
PASSWORD = b"Password:"


class LoginServer:
    """The server's side: two prompts."""

    name = "LOGIN"

    def __init__(self) -> None:
        self._user: str | None = None

    def opening(self) -> bytes:
        """The first prompt."""
        return USERNAME

    def step(self, response: bytes) -> Step:
        """Take the name, then the password."""
        if self._user is not None:
            return Claimed(Claim(self._user, "", Password(Secret(response))))
        if not response:
            return Failed("LOGIN: no user name")
        try:
            self._user = response.decode("utf-8")
        except UnicodeDecodeError:
            return Failed("LOGIN: the name is not UTF-8")
        return Challenged(PASSWORD)


class LoginClient:
    """The client's side: answers two prompts."""

    name = "LOGIN"
    initial = False
    complete = True

    def __init__(self, authcid: str, password: Secret) -> None:
        self._answers = [password, Secret(authcid)]

    def step(self, challenge: bytes) -> bytes:
        """The name, then the password."""
        if not self._answers:
            raise ExchangeBroken("LOGIN: a third prompt")
        return self._answers.pop().reveal()
