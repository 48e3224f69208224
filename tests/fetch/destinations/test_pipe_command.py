"""Commands: no value is ever read as a command or an option; exit statuses mean what sysexits(3) says."""

from __future__ import annotations

import signal

import pytest

from pillarbox.fetch.destinations.pipe_command import (
    check_arguments,
    check_environment,
    environment,
    filled,
    outcome,
)

VALUES = {"sender": "{recipient}", "recipient": "b@x", "account": "$(id) `id`; {name}", "name": "n", "size": "1"}


def test_placeholders_are_replaced_once_and_braces_can_be_written() -> None:
    arguments = ["mda", "-f{sender}", "{recipient} {{name}} {size}", "{account}", "}}{{"]
    check_arguments(arguments, shell=False)
    expected = ["mda", "-f{recipient}", "b@x {name} 1", "$(id) `id`; {name}", "}{"]
    assert filled(arguments, VALUES) == expected


@pytest.mark.parametrize(
    ("arguments", "shell", "text"),
    [
        ([], False, "the command is empty"),
        ([""], False, "the command is empty"),
        (["a\0b"], False, "NUL"),
        (["mda", "{user}"], False, r"the placeholders are \{sender\}"),
        (["mda", "{sender.__class__}"], False, "the placeholders are"),
        (["mda", "{"], False, "a brace itself is written twice"),
        (["{account}", "x"], False, "the program itself is fixed"),
        (["mda -f {sender}"], True, 'write "\\$SENDER"'),
        (["mda", "x"], True, "one text"),
    ],
)
def test_a_command_that_cannot_be_used_is_refused(arguments: list[str], shell: bool, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        check_arguments(arguments, shell=shell)


def test_a_shell_may_have_its_own_braces() -> None:
    check_arguments(["{ cat; } >>${HOME}/x"], shell=True)


def test_the_environment_holds_the_values_and_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/secret")
    monkeypatch.setenv("HOME", "/home/ada")
    made = environment(VALUES, {"EXTRA": "1"})
    assert made["RECIPIENT"] == "b@x"
    assert made["EXTRA"] == "1"
    assert made["HOME"] == "/home/ada"
    assert "CREDENTIALS_DIRECTORY" not in made


@pytest.mark.parametrize("extra", [{"A=B": "x"}, {"": "x"}, {"1": "x"}, {"A": "x\0"}])
def test_odd_variables_are_refused(extra: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="no environment variable"):
        check_environment(extra)


@pytest.mark.parametrize(
    ("status", "reason", "temporary"),
    [
        (0, "", False),
        (75, "EX_TEMPFAIL", True),
        (74, "EX_IOERR", True),
        (78, "EX_CONFIG", True),
        (127, "no such program", True),
        (-signal.SIGKILL, "SIGKILL", True),
        (128 + signal.SIGTERM, "SIGTERM", True),
        (-63, "63", True),
        (1, "exit status 1", False),
        (65, "exit status 65", False),
        (67, "exit status 67", False),
        (255, "exit status 255", False),
    ],
)
def test_exit_statuses(status: int, reason: str, temporary: bool) -> None:
    assert reason in outcome(status).reason
    assert bool(outcome(status).reason) == bool(status)
    assert outcome(status).temporary == temporary
