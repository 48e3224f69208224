import ipaddress
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from pillarbox.config import fields
from pillarbox.config.problem import Wrong


def check(kind: Any, value: object, **context: object) -> object:
    return TypeAdapter[object](kind).validate_python(value, context=context)


def refusal(kind: Any, value: object) -> Wrong:
    with pytest.raises(ValidationError) as caught:
        check(kind, value)
    wrong = caught.value.errors()[0]["ctx"]["error"]
    assert isinstance(wrong, Wrong)
    return wrong


def test_host_names_are_lower_case_and_as_the_dns_has_them() -> None:
    assert fields.host_name("Mail.Example.ORG") == "mail.example.org"
    for name in ("a b", "-a.org", "a..b", "", "a" * 64, "a." * 130 + "a"):
        with pytest.raises(Wrong):
            fields.host_name(name)
    with pytest.raises(Wrong) as caught:
        fields.host_name("bücher.example")
    assert "xn--bcher-kva.example" in caught.value.instead


def test_domains_of_accounts_may_hold_letters_of_any_script() -> None:
    assert fields.domain_name("BÜCHER.example") == "bücher.example"
    assert fields.domain_name("Example.org") == "example.org"
    with pytest.raises(Wrong):
        fields.domain_name("bü cher.example")
    with pytest.raises(Wrong):
        fields.domain_name("bü/cher")


def test_a_star_stands_only_for_the_first_part_of_a_certificate_name() -> None:
    assert check(fields.CertificateName, "*.Example.org") == "*.example.org"
    assert "*.example.org" in refusal(fields.CertificateName, "mail.*.org").instead


@pytest.mark.parametrize("text", ["[X] hi", "a\r\n+OK b", "a\x1bb", "ready <1@x>", "grüß", "x" * 401])
def test_p41_greetings_that_clients_would_misread_are_refused(text: str) -> None:
    """P41: no response code, no timestamp, one line, ASCII, and short enough for a status line."""
    assert refusal(fields.Greeting, text).what.startswith("the greeting")


def test_a_greeting_of_the_greatest_length_fits() -> None:
    assert check(fields.Greeting, "x" * 400) == "x" * 400


def test_paths_are_absolute_or_start_at_the_files_directory() -> None:
    assert check(fields.OptionalPath, "/a/b") == Path("/a/b")
    assert check(fields.OptionalPath, "a/b", base=Path("/etc/x")) == Path("/etc/x/a/b")
    assert check(fields.OptionalPath, "") is None
    assert "absolute" in refusal(fields.OptionalPath, "a/b").what
    assert "~" in refusal(fields.OptionalPath, "~/a").what
    assert "NUL" in refusal(fields.OptionalPath, "/a\0").what
    assert "empty" in refusal(fields.NeededPath, "").what


def test_networks_with_host_bits_are_refused_with_the_network_meant() -> None:
    assert check(fields.Networks, ["10.0.0.0/8", "::1"]) == (
        ipaddress.ip_network("10.0.0.0/8"),
        ipaddress.ip_network("::1/128"),
    )
    assert '"192.0.2.0/24"' in refusal(fields.Networks, ["192.0.2.7/24"]).instead
    assert "not an address" in refusal(fields.Networks, ["example.org"]).what


def test_addresses_may_be_one_or_many_and_are_canonical() -> None:
    assert check(fields.ListenAddresses, "*") == ("*",)
    assert check(fields.ListenAddresses, ["0:0::1", "192.0.2.1"]) == ("::1", "192.0.2.1")
    assert '"*"' in refusal(fields.ListenAddresses, "localhost").instead


def test_ciphers_are_asked_of_openssl() -> None:
    assert check(fields.Ciphers, "ECDHE+AESGCM") == "ECDHE+AESGCM"
    assert check(fields.Ciphers, "") == ""
    assert "no cipher" in refusal(fields.Ciphers, "NO-SUCH-CIPHER").what


def test_reasons_say_something() -> None:
    assert refusal(fields.Reason, "  ").instead


def test_whole_numbers_are_written_without_a_point() -> None:
    assert str(fields.whole(60.0)) == "60"
    assert fields.whole(0.25) == 0.25
    assert str(fields.whole(float("inf"))) == "inf"
