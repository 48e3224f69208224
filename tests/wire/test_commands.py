"""P60: commands as values, and what they show of themselves."""

import pytest

from pillarbox.wire.commands import Command, SaslResponse, Verb


def test_a_command_never_prints_its_argument() -> None:
    command = Command(Verb.PASS, argument=b"sesame open")
    assert "sesame" not in f"{command} {command!r}"
    assert repr(Command(Verb.RETR, 7)) == "<Command RETR 7>"
    assert "AGFkYQ" not in repr(SaslResponse(b"AGFkYQBzZXNhbWU="))


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (Command(Verb.USER, argument=b"ada"), b"ada"),
        (Command(Verb.PASS, argument=b"open sesame"), b"*"),
        (Command(Verb.PASS), b""),
        (Command(Verb.APOP, argument=b"ada 0123456789abcdef"), b"*"),
        (Command(Verb.AUTH, argument=b"PLAIN"), b"PLAIN"),
        (Command(Verb.AUTH, argument=b"PLAIN AGFkYQBzZXNhbWU="), b"PLAIN *"),
        (Command(Verb.AUTH, argument=b"AGFkYQBzZXNhbWU="), b"*"),
        (Command(Verb.LANG, argument=b"de"), b"de"),
        (Command(Verb.AUTH), b""),
    ],
)
def test_the_redacted_command_is_the_same_without_secrets(command: Command, shown: bytes) -> None:
    redacted = command.redacted()
    assert redacted.argument == shown
    assert redacted._replace(argument=b"") == command._replace(argument=b"")
    assert redacted.has_argument == command.has_argument


def test_number_0_means_no_number() -> None:
    assert not Command(Verb.LIST).has_argument
    assert Command(Verb.LIST, 1).has_argument
