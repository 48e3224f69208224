"""DNS over a real socket: records, nothing, and a server that fails."""

import subprocess
import sys

import pytest
from tests.client.dns_server import serving

from pillarbox.client.discover_dns import DnsResolver, LookupFailed, Service

ZONE = {
    ("_pop3s._tcp.example.org.", "SRV"): ["10 5 995 pop.example.org.", "0 0 0 ."],
    ("example.org.", "MX"): [f"{10 * number} mx{number}.example.org." for number in range(8)],
    ("silent.example.org.", "MX"): ["SILENT"],
    ("garbage.example.org.", "MX"): ["GARBAGE"],
    ("broken.example.org.", "MX"): ["SERVFAIL"],
}


def test_records() -> None:
    with serving(ZONE) as stub:
        resolver = DnsResolver(stub)
        assert set(resolver.services("_pop3s._tcp.example.org")) == {
            Service(10, 5, 995, "pop.example.org."),
            Service(0, 0, 0, "."),
        }
        assert list(resolver.exchangers("example.org")) == [f"mx{number}.example.org." for number in range(8)]


def test_no_such_record_and_no_such_name_are_empty() -> None:
    with serving(ZONE) as stub:
        resolver = DnsResolver(stub)
        assert list(resolver.services("example.org")) == []
        assert list(resolver.exchangers("nowhere.example.org")) == []


@pytest.mark.parametrize("name", ["silent", "garbage", "broken", "x" * 70, "a..b"])
def test_a_server_that_fails(name: str) -> None:
    with serving(ZONE) as stub, pytest.raises(LookupFailed, match="DNS"):
        DnsResolver(stub, lifetime=0.3).exchangers(f"{name}.example.org")


def test_without_dnspython_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['dns'] = None\n"
        "from pillarbox.client.discover import DnsResolver, LookupFailed\n"
        "try: DnsResolver()\n"
        "except LookupFailed as problem: print(problem)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'pillarbox[fetch]'" in done.stdout
