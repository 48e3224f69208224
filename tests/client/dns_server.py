"""A DNS server on loopback (UDP), with a zone of the test's making."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset

Zone = Mapping[tuple[str, str], Sequence[str]]
"""(name, type) → records as text. A name that is nowhere does not exist; "GARBAGE" and "SILENT" are faults."""


def _answer(wire: bytes, zone: Zone) -> bytes | None:
    query = dns.message.from_wire(wire)
    question = query.question[0]
    name, kind = question.name.to_text().lower(), question.rdtype.name
    records = list(zone.get((name, kind), ()))
    if records == ["SILENT"]:
        return None
    if records == ["GARBAGE"]:
        return wire[:2] + b"\xff" * 40
    response = dns.message.make_response(query)
    response.flags |= dns.flags.RA
    if records == ["SERVFAIL"]:
        response.set_rcode(dns.rcode.SERVFAIL)
    elif records:
        response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *records))
    elif not any(known == name for known, _ in zone):
        response.set_rcode(dns.rcode.NXDOMAIN)
    return response.to_wire()


@contextlib.contextmanager
def serving(zone: Zone) -> Iterator[dns.resolver.Resolver]:
    """Serve a zone; gives a resolver that asks this server only."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]

        def serve() -> None:
            while True:
                wire, peer = server.recvfrom(4096)
                if wire == b"end":
                    return
                answer = _answer(wire, zone)
                if answer is not None:
                    server.sendto(answer, peer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        stub = dns.resolver.Resolver(configure=False)
        stub.nameservers = ["127.0.0.1"]
        stub.port = port
        try:
            yield stub
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stopper:
                stopper.sendto(b"end", ("127.0.0.1", port))
            thread.join(10)
