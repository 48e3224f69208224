"""The ways to prove who one is, as values."""

from pillarbox.client.auth import ClientCertificate, Password, TokenSource, secret
from pillarbox.events import Secret


class Tokens:
    def access_token(self) -> Secret:
        return Secret("token")

    def rejected(self) -> None:
        pass


def test_everything_becomes_a_secret() -> None:
    for given in ("pässword", "pässword".encode(), Secret("pässword")):
        assert secret(given).reveal() == "pässword".encode()


def test_no_password_shows() -> None:
    assert "hunter2" not in repr(Password("hunter2"))


def test_token_sources_are_known_by_what_they_can() -> None:
    assert isinstance(Tokens(), TokenSource)
    assert not isinstance(ClientCertificate(), TokenSource)
    assert not isinstance(Password(""), TokenSource)
