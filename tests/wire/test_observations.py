"""P60: observations as values hold no secrets."""

from pillarbox.wire.commands import Command, Verb
from pillarbox.wire.observations import Asked, Garbled, Responded


def test_what_is_seen_of_a_command_prints_no_argument() -> None:
    assert repr(Asked(Command(Verb.PASS, argument=b"*"))) == "Asked(command=<Command PASS>)"


def test_lines_that_may_be_secrets_have_no_field_for_their_content() -> None:
    assert Garbled._fields == ("text", "verb")
    assert Responded._fields == ("cancelled",)
