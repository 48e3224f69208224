from pillarbox.client.errors import AuthenticationFailed, TlsError
from pillarbox.fetch import DestinationError
from pillarbox.fetch.advice import advice, advised


def test_what_to_do_follows_the_text() -> None:
    error = TlsError("certificate has expired")
    assert advised(error).startswith("certificate has expired: its owner")
    assert advice(AuthenticationFailed.__name__) == "correct the user or the password"


def test_errors_that_say_it_themselves_have_none() -> None:
    assert advised(DestinationError("full: free some", temporary=True)) == "full: free some"
