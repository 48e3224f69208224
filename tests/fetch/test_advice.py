import pytest

from pillarbox.client.errors import AuthenticationFailed, TlsError
from pillarbox.fetch import DestinationError
from pillarbox.fetch.advice import advice, advised
from pillarbox.wire.replies import Status


def test_what_to_do_follows_the_text() -> None:
    error = TlsError("certificate has expired")
    assert advised(error).startswith("certificate has expired: its owner")
    assert advice(AuthenticationFailed.__name__) == "correct the user or the password"


def test_errors_that_say_it_themselves_have_none() -> None:
    assert advised(DestinationError("full: free some", temporary=True)) == "full: free some"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TlsError("h offers no TLS: nothing was sent"), "tls.cleartext"),
        (TlsError("no TLS with h: wrong version number"), "look at the port"),
        (TlsError("h had TLS before, and now offers none: somebody"), "another network"),
        (TlsError("a certificate file cannot be used: No such file"), "fetch check"),
        (AuthenticationFailed(Status(False, "Protocol error. Connection is closed."), "login"), "oauth"),
    ],
)
def test_one_class_with_several_causes(error: Exception, words: str) -> None:
    assert words in advised(error)
    assert "certificate;" not in advised(error)
    assert "correct the user" not in advised(error)
