"""Errors: what they say on a terminal, and who has to act."""

from pillarbox.client.errors import ClientError
from pillarbox.client.oauth_errors import ConsentLost, OAuthError, ProviderUnavailable, cleaned


def test_only_trouble_of_the_provider_is_temporary() -> None:
    kinds = {kind for kind in OAuthError.__subclasses__() if kind.temporary}
    assert kinds == {ProviderUnavailable}
    assert issubclass(OAuthError, ClientError)


def test_a_provider_cannot_write_on_the_terminal() -> None:
    error = ConsentLost("x: log in again", code="invalid_grant\r\n", detail="\x1b]0;gotcha\x07" + "y" * 5000)
    assert str(error).isprintable()
    assert len(str(error)) < 500
    assert str(error).startswith("x: log in again (the provider said: invalid_grant")


def test_without_words_of_the_provider() -> None:
    assert str(ConsentLost("x: log in again")) == "x: log in again"
    assert cleaned(None) == cleaned(7) == ""
