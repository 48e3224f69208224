"""Discovery as a whole, with real DNS and HTTP on loopback: order, doubt, privacy, and sources that fail."""

import contextlib
import random
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from tests.client import dns_server
from tests.client.test_discover_autoconfig import document, server

from pillarbox.client.discover import (
    AuthKind,
    Discovery,
    DnsResolver,
    FetchFailed,
    Proposal,
    Source,
    discover,
    https_get,
)
from pillarbox.client.oauth_http import HttpAnswer, exchange

Pages = Mapping[str, bytes]
ISPDB = "https://list.example.net/v1.1/"


class World:
    """DNS and the web on loopback. `asked` holds the addresses that were asked for."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[str] = []

    def exchange(self, url: str, form: dict[str, str] | None) -> HttpAnswer:
        """To the one local web server, which knows pages by host and path."""
        self.asked.append(url)
        parts = urlsplit(url)
        assert parts.scheme == "https"
        return exchange(f"http://127.0.0.1:{self.port}/{parts.netloc}{parts.path}", form)


@contextlib.contextmanager
def world(pages: Pages) -> Iterator[World]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path)
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write(body or b"not here")

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield World(http.server_address[1])
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def found(
    zone: dns_server.Zone,
    pages: Pages | None = None,
    address: str = "ada@example.org",
    ispdb: str = "",
    draw: random.Random | None = None,
) -> tuple[Discovery, list[str]]:
    with dns_server.serving(zone) as stub, world(pages or {}) as web:
        fetch = partial(https_get, exchange=web.exchange)
        resolver = DnsResolver(stub, lifetime=1)
        return discover(address, resolver=resolver, fetch=fetch, ispdb=ispdb, draw=draw), web.asked


def proposal(url: str, source: Source, doubtful: bool = False, user: str = "ada@example.org") -> Proposal:
    return Proposal(url, user, AuthKind.PASSWORD, source, doubtful)


GUESSES = (
    proposal("pops://pop.example.org:995", Source.GUESS, True),
    proposal("pops://mail.example.org:995", Source.GUESS, True),
)
SRV_TLS = ("_pop3s._tcp.example.org.", "SRV")
SRV = ("_pop3._tcp.example.org.", "SRV")
OWN = "/autoconfig.example.org/mail/config-v1.1.xml"
KNOWN = "/example.org/.well-known/autoconfig/mail/config-v1.1.xml"


def test_srv_comes_first_and_tls_before_stls() -> None:
    zone = {
        SRV: ["0 0 110 mail.example.org."],
        SRV_TLS: ["20 0 995 second.example.org.", "10 0 9995 First.example.org."],
    }
    answer, _ = found(zone, {OWN: document(server(), server(hostname="first.example.org", port="9995"))})
    assert answer.troubles == ()
    assert answer.proposals == (
        proposal("pops://first.example.org:9995", Source.SRV),
        proposal("pops://second.example.org:995", Source.SRV),
        proposal("pop3://mail.example.org:110", Source.SRV),
        proposal("pops://pop.example.org:995", Source.AUTOCONFIG),
        GUESSES[1],
    )


def test_a_target_outside_the_domain_needs_confirmation() -> None:
    """RFC 6186 §6: whoever answers for DNS could name any host."""
    zone = {SRV_TLS: ["0 0 995 pop.example.net.", "1 0 995 pop.badexample.org.", "2 0 995 pop.example.org."]}
    answer, _ = found(zone)
    assert [(one.url, one.needs_confirmation) for one in answer.proposals[:3]] == [
        ("pops://pop.example.net:995", True),
        ("pops://pop.badexample.org:995", True),
        ("pops://pop.example.org:995", False),
    ]


def test_a_domain_that_says_it_has_no_pop3_is_believed() -> None:
    zone = {SRV_TLS: ["0 0 0 ."], SRV: ["0 0 0 ."]}
    answer, _ = found(zone, {OWN: document(server())})
    assert answer.proposals == ()
    assert "has no POP3" in answer.troubles[0].reason


def test_records_that_make_no_sense_are_left_out() -> None:
    zone = {SRV_TLS: ["0 0 0 pop.example.org.", "1 0 995 .", "2 0 995 localhost.", "3 0 995 192.168.1.1."]}
    assert found(zone)[0].proposals == GUESSES


def test_equal_priorities_are_drawn_by_weight() -> None:
    zone = {
        SRV_TLS: [
            "0 90 995 a.example.org.",
            "0 10 995 b.example.org.",
            "0 0 995 c.example.org.",
            "1 99 995 d.example.org.",
        ]
    }
    draw = random.Random(7)
    first: Counter[str | None] = Counter()
    with dns_server.serving(zone) as stub:
        resolver = DnsResolver(stub, lifetime=5)
        for _ in range(200):
            answer = discover("ada@example.org", resolver=resolver, fetch=lambda url: None, draw=draw)
            hosts = [urlsplit(one.url).hostname for one in answer.proposals]
            assert hosts[3] == "d.example.org"
            assert sorted(str(host) for host in hosts[:3]) == ["a.example.org", "b.example.org", "c.example.org"]
            first[hosts[0]] += 1
    assert first["a.example.org"] > 150
    assert first["b.example.org"] > 5
    assert first["c.example.org"] < 5


def test_tls_from_the_first_octet_comes_before_stls_whatever_the_settings_say() -> None:
    stls = server(socketType="STARTTLS", port="110")
    answer, _ = found({}, {OWN: document(stls, server(hostname="second.example.org"))})
    assert [one.url for one in answer.proposals[:2]] == [
        "pops://second.example.org:995",
        "pop3://pop.example.org:110",
    ]


def test_autoconfig_and_what_it_is_shown() -> None:
    answer, asked = found({}, {KNOWN: document(server(hostname="pop.example.net"))}, ispdb=ISPDB)
    assert answer.proposals == (proposal("pops://pop.example.net:995", Source.AUTOCONFIG, True), *GUESSES)
    assert sorted(asked) == [
        "https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=ada%40example.org",
        "https://example.org/.well-known/autoconfig/mail/config-v1.1.xml",
        "https://list.example.net/v1.1/example.org",
    ]


def test_the_public_list_is_asked_only_when_wanted_and_after_the_domain_itself() -> None:
    pages = {
        "/list.example.net/v1.1/example.org": document(server(username="%EMAILLOCALPART%", port="10995")),
        OWN: document(server()),
    }
    answer, _ = found({}, pages, ispdb=ISPDB)
    assert answer.proposals[:2] == (
        proposal("pops://pop.example.org:995", Source.AUTOCONFIG),
        proposal("pops://pop.example.org:10995", Source.ISPDB, user="ada"),
    )
    answer, asked = found({}, pages)
    assert not any("list.example.net" in url for url in asked)


@pytest.mark.parametrize(
    ("address", "url", "provider"),
    [
        ("ada@gmail.com", "pops://pop.gmail.com:995", "google"),
        ("ada@Outlook.com", "pops://outlook.office365.com:995", "microsoft"),
        ("ada@hotmail.com", "pops://outlook.office365.com:995", "microsoft"),
    ],
)
def test_presets_ask_nobody(address: str, url: str, provider: str) -> None:
    answer, asked = found({}, address=address)
    (one,) = answer.proposals
    assert (one.url, one.auth, one.provider, one.needs_confirmation) == (url, AuthKind.OAUTH2, provider, False)
    assert one.user == address.lower()
    assert asked == []


@pytest.mark.parametrize(
    ("exchanger", "provider"),
    [
        ("aspmx.l.google.com.", "google"),
        ("example-org.mail.protection.outlook.com.", "microsoft"),
        ("mx.notgoogle.com.", ""),
        ("google.com.evil.example.", ""),
    ],
)
def test_whose_servers_take_a_domains_mail(exchanger: str, provider: str) -> None:
    answer, _ = found({("example.org.", "MX"): [f"10 {exchanger}"]})
    first = answer.proposals[0]
    assert first.provider == provider
    assert first.needs_confirmation
    assert (first.source is Source.MX) == bool(provider)


def test_sources_that_fail_are_told_and_the_others_go_on() -> None:
    zone = {SRV_TLS: ["SERVFAIL"], ("example.org.", "MX"): ["SILENT"]}
    answer, _ = found(zone, {OWN: b"<!DOCTYPE x><x/>"})
    assert answer.proposals == GUESSES
    assert [(trouble.source, trouble.reason) for trouble in answer.troubles] == [
        (Source.SRV, "DNS gives no usable answer"),
        (Source.AUTOCONFIG, "the settings declare a document type, which they must not"),
        (Source.MX, "DNS does not answer in time"),
    ]
    answer, _ = found(zone, {OWN: b"<!DOCTYPE x><x/>", KNOWN: document(server())})
    assert answer.proposals[0].source is Source.AUTOCONFIG


def test_nobody_to_ask() -> None:
    def fetch(url: str) -> bytes | None:
        raise FetchFailed("no network")

    with dns_server.serving({SRV_TLS: ["SILENT"], ("example.org.", "MX"): ["SILENT"]}) as stub:
        answer = discover("ada@example.org", resolver=DnsResolver(stub, lifetime=0.2), fetch=fetch)
    assert answer.proposals == GUESSES
    assert len(answer.troubles) == 3


def test_only_tls_is_ever_proposed() -> None:
    zone = {SRV: ["0 0 110 mail.example.org."]}
    pages = {OWN: document(server(socketType="plain", port="110"), server(socketType="STARTTLS", port="110"))}
    answer, _ = found(zone, pages)
    assert all(one.url.startswith(("pops://", "pop3://")) for one in answer.proposals)
    assert all(
        one.source is not Source.AUTOCONFIG or one.url == "pop3://pop.example.org:110" for one in answer.proposals
    )


@pytest.mark.parametrize("address", ["", "ada", "ada@localhost", "a b@example.org"])
def test_what_is_no_address_asks_nobody(address: str) -> None:
    with pytest.raises(ValueError, match="write"):
        found({}, address=address)
