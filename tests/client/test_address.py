"""URLs of mail servers."""

import pytest

from pillarbox.client.address import Address, parse
from pillarbox.client.errors import UsageError


def test_schemes_and_ports() -> None:
    assert parse("pops://ada@mail.example.org") == Address("mail.example.org", 995, True, "ada")
    assert parse("pop3://mail.example.org") == Address("mail.example.org", 110, False, "")
    assert parse("POP3S://ada%40example.org@[::1]:1995/") == Address("::1", 1995, True, "ada@example.org")
    assert parse("pop3://eve@h", user="ada") == Address("h", 110, False, "ada")


def test_labels_are_urls_without_passwords() -> None:
    assert parse("pops://ada@mail.example.org").label == "pops://ada@mail.example.org:995"
    assert parse("pop3://[::1]:1110").label == "pop3://[::1]:1110"


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.org",
        "imap://mail.example.org",
        "pops://",
        "pops://h:0",
        "pops://h:99999",
        "pops://h/folder",
        "pops://h?x=1",
        "pops://a%0d%0aDELE@h",
        "pops://[::1",
    ],
)
def test_other_things_are_refused(url: str) -> None:
    with pytest.raises(UsageError):
        parse(url)


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="password=") as caught:
        parse("pops://ada:hunter2@mail.example.org")
    assert "hunter2" not in str(caught.value)
