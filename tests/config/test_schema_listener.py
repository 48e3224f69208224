import datetime
import ipaddress

import pytest

from pillarbox.config import ConfigError
from pillarbox.config.load import parse
from pillarbox.config.schema import Settings
from pillarbox.config.schema_listener import Listener

TLS = '[tls]\ncertificate = "/c.pem"\nkey = "/k.pem"\n'
EXCEPTION = """
[[listener]]
tls = "{tls}"
[[listener.cleartext_login]]
networks = {networks}
until = {until}
reason = "{reason}"
"""


def exception(tls: str = "starttls", networks: str = '["192.0.2.17"]', until: str = "2027-06-30",
              reason: str = "old printer") -> str:  # fmt: skip
    return TLS + EXCEPTION.format(tls=tls, networks=networks, until=until, reason=reason)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return [f"{problem.key}: {problem.what}" for problem in caught.value.problems]


def test_without_a_listener_both_ports_are_served() -> None:
    first, second = Settings().listener
    assert (first.name, first.tls, first.port, first.address) == ("pop3s", "implicit", 995, ("*",))
    assert (second.name, second.tls, second.port) == ("pop3", "starttls", 110)


def test_name_and_port_follow_from_the_kind() -> None:
    assert Listener(tls="starttls").port == 110
    assert Listener(tls="starttls", port=1110).name == "pop3"
    assert Listener().port == 995


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_ports_are_ports(port: int) -> None:
    assert problems(f"{TLS}[[listener]]\nport = {port}\n") == [
        f"listener[1].port: must be a whole number from 1 to 65535; found the number {port}"
    ]


def test_p54_a_dated_exception_names_networks_a_day_and_a_reason() -> None:
    """P54: cleartext login is refused, except where an administrator wrote a dated exception."""
    [listener] = parse(exception()).listener
    [found] = listener.cleartext_login
    assert found.networks == (ipaddress.ip_network("192.0.2.17/32"),)
    assert (found.until, found.reason) == (datetime.date(2027, 6, 30), "old printer")


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0"])
def test_p54_the_whole_world_is_never_an_exception(network: str) -> None:
    [problem] = problems(exception(networks=f'["192.0.2.17", "{network}"]'))
    assert problem.startswith("listener[1].cleartext_login[1].networks: ")


def test_p54_exceptions_are_only_for_starttls_and_have_all_their_parts() -> None:
    assert "implicit TLS" in problems(exception(tls="implicit"))[0]
    assert "for no one" in problems(exception(networks="[]"))[0]
    assert "must be a date" in problems(exception(until='"2027-06-30"'))[0]
    assert "must be a date" in problems(exception(until="2027-06-30T00:00:00"))[0]
    assert "reason is empty" in problems(exception(reason=" "))[0]
    bare = TLS + '[[listener]]\ntls = "starttls"\n[[listener.cleartext_login]]\n'
    assert len(problems(bare)) == 3


def test_a_day_in_the_past_still_loads() -> None:
    assert parse(exception(until="2001-01-01")).listener[0].cleartext_login


def test_an_empty_list_of_listeners_is_refused() -> None:
    assert problems("listener = []\n" + TLS)[0].startswith("listener: ")
