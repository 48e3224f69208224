"""The contract between sessions and authentication."""

from pillarbox.auth.attempt import Attempt, Origin, Outcome, Password
from pillarbox.events import Secret


def test_outcomes_are_the_response_codes_that_a_peer_may_see() -> None:
    """P44: each outcome is the response code it is answered with."""
    assert {outcome.value for outcome in Outcome} == {"AUTH", "SYS/TEMP", "SYS/PERM", "LOGIN-DELAY"}


def test_an_attempt_does_not_print_its_password() -> None:
    """P60."""
    attempt = Attempt("alice", Password(Secret(b"hunter2 hunter2")), "USER/PASS", "s1", Origin("192.0.2.1", 1, "pop3s"))
    assert "hunter2" not in repr(attempt)
    assert "hunter2" not in f"{attempt}"
