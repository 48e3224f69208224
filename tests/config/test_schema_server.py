import pytest
from pydantic import ValidationError

from pillarbox.config.schema_server import Limits, Log, Server, Timeouts


def test_the_idle_limit_is_never_below_what_the_rfc_promises() -> None:
    """RFC 1939 §3: an autologout timer is of at least ten minutes."""
    assert Timeouts().idle == 600
    with pytest.raises(ValidationError):
        Timeouts(idle=599.9)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), -1.0, 0.0])
def test_time_limits_are_real_numbers(value: float) -> None:
    with pytest.raises(ValidationError):
        Timeouts(stall=value)


def test_numbers_are_not_texts_and_switches_are_not_numbers() -> None:
    for table in ({"connections": "5"}, {"connections": True}, {"connections": 1.0}, {"connections": 0}):
        with pytest.raises(ValidationError):
            Limits.model_validate(table)
    with pytest.raises(ValidationError):
        Server.model_validate({"announce_implementation": 1})


def test_log_targets_are_stderr_or_a_full_path() -> None:
    assert Log(target="/var/log/pillarbox.log").target == "/var/log/pillarbox.log"
    for target in ("pillarbox.log", "stdout", ""):
        with pytest.raises(ValidationError):
            Log(target=target)


def test_defaults_of_the_contract() -> None:
    assert Limits() == Limits(
        connections=4096,
        connections_per_address=64,
        connections_per_account=8,
        handshakes=256,
        bad_commands_before_login=4,
        bad_commands=20,
        login_failures=3,
    )
    assert Timeouts() == Timeouts(proxy_header=5, handshake=20, login=60, idle=600, stall=60, shutdown=20)
