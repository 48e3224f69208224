"""The settings' XML: the good, the incomplete and the hostile."""

import pytest

from pillarbox.client.discover_autoconfig import BadSettings, Server, pop3_servers
from pillarbox.client.discover_proposal import Address, AuthKind

ADA = Address.of("ada@example.org")
GOOD = {
    "hostname": "pop.example.org",
    "port": "995",
    "socketType": "SSL",
    "username": "%EMAILADDRESS%",
    "authentication": "password-cleartext",
}


def server(kind: str = "pop3", **changes: str) -> str:
    fields = "".join(f"<{name}>{text}</{name}>" for name, text in {**GOOD, **changes}.items())
    return f'<incomingServer type="{kind}">{fields}</incomingServer>'


def document(*servers: str, head: str = "") -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{head}<clientConfig version="1.1"><emailProvider id="example.org">'
        f"<domain>example.org</domain>{''.join(servers)}<outgoingServer type='smtp'><hostname>x</hostname>"
        "</outgoingServer></emailProvider></clientConfig>"
    ).encode()


EXPECTED = Server("pop.example.org", 995, True, "ada@example.org", AuthKind.PASSWORD)


def test_servers_in_order() -> None:
    found = pop3_servers(
        document(
            server("imap"),
            server(),
            server(port="110", socketType="STARTTLS", username="%EMAILLOCALPART%", hostname="Mail.%EMAILDOMAIN%"),
            server(authentication="OAuth2"),
        ),
        ADA,
    )
    assert found == [
        EXPECTED,
        Server("mail.example.org", 110, False, "ada", AuthKind.PASSWORD),
        Server("pop.example.org", 995, True, "ada@example.org", AuthKind.OAUTH2),
    ]


def test_several_ways_to_log_in() -> None:
    both = "OAuth2</authentication><authentication>password-encrypted</authentication><authentication>GSSAPI"
    assert [one.auth for one in pop3_servers(document(server(authentication=both)), ADA)] == [
        AuthKind.OAUTH2,
        AuthKind.PASSWORD,
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"socketType": "plain"},
        {"socketType": ""},
        {"hostname": "10.0.0.1"},
        {"hostname": "pop"},
        {"hostname": "pop.example.org/x"},
        {"hostname": ""},
        {"port": "0"},
        {"port": "65536"},
        {"port": "-1"},
        {"port": "9 95"},
        {"port": "٩٩٥"},
        {"username": "a&#9;b"},
        {"username": ""},
        {"authentication": "GSSAPI"},
    ],
)
def test_what_cannot_be_used_is_left_out(changes: dict[str, str]) -> None:
    assert pop3_servers(document(server(**changes), server()), ADA) == [EXPECTED]


def test_placeholders_are_filled_in_once() -> None:
    address = Address.of("%EMAILDOMAIN%@example.org")
    (found,) = pop3_servers(document(server(username="%EMAILLOCALPART%")), address)
    assert found.user == "%EMAILDOMAIN%"


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE x SYSTEM "file:///etc/passwd">'


@pytest.mark.parametrize("head", [BOMB, OUTSIDE, '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1/"> %p;]>'])
def test_no_document_types_and_so_no_entities(head: str) -> None:
    with pytest.raises(BadSettings, match="document type"):
        pop3_servers(document(server(), head=head), ADA)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html><body>not found",
        b"{}",
        b"\xff\xfe\x00",
        b"<clientConfig>&x;</clientConfig>",
        b"<a/>",
        b'<?xml version="1.0" encoding="no-such"?><a/>',
        b"<clientConfig/>",
        document()[:-3],
    ],
)
def test_what_is_no_settings_file(data: bytes) -> None:
    with pytest.raises(BadSettings):
        pop3_servers(data, ADA)


@pytest.mark.parametrize(
    "data",
    [b"<a>" * 1000, b"<x>" + b"<a/>" * 3000 + b"</x>", document(server(hostname="x" * 1000))],
)
def test_the_size_is_bounded(data: bytes) -> None:
    with pytest.raises(BadSettings, match="too large"):
        pop3_servers(data, ADA)


def test_the_number_of_servers_is_bounded() -> None:
    assert len(pop3_servers(document(*[server()] * 30), ADA)) == 10
