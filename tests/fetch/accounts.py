"""Accounts to fetch from in tests, and what came of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from pillarbox.client.settings import Timeout
from pillarbox.client.tls_rules import TlsRules
from pillarbox.events import MemorySink
from pillarbox.fetch import FetchAccount, RunResult, run_account
from pillarbox.fetch.destinations.maildir import MaildirDestination
from pillarbox.testing.scripted import ScriptedServer

LARGE = 1_500_000
"""Octets of a message that is staged in constant memory."""


def mail(number: int, octets: int = 300) -> bytes:
    """A message in wire form, the same for the same number."""
    head = f"From: ada{number}@example.org\r\nSubject: number {number}\r\nMessage-ID: <{number}@example.org>\r\n\r\n"
    line = f"line of {number:08}, .dots, and more\r\n.\r\n"
    return (head + line * (octets // len(line) + 1)).encode()


def clear() -> TlsRules:
    """For a scripted server without TLS: a handshake costs more than the rest of a test."""
    return TlsRules(cleartext=True, stls=False)


def account(server: ScriptedServer, directory: Path, **changes: Any) -> FetchAccount:
    """An account of the server's first user that delivers into the Maildir `directory/in`."""
    made = FetchAccount(
        name="ada",
        url=server.url,
        destination=MaildirDestination(directory / "in"),
        journals=directory / "journals",
        password=server.password,
        tls=clear(),
        timeout=Timeout(connect=5, command=5),
        batch_messages=4,
    )
    return replace(made, **changes)


def fetched(directory: Path) -> Counter[bytes]:
    """What is in the Maildir, in wire form, with how often it is there."""
    paths = [path for part in ("new", "cur") for path in (directory / "in" / part).glob("*")]
    return Counter(wire(path.read_bytes()) for path in paths)


def wire(stored: bytes) -> bytes:
    """The wire form of what a destination with lossless LF has stored."""
    return stored if b"\r" in stored else stored.replace(b"\n", b"\r\n")


def run(account: FetchAccount, **more: Any) -> tuple[RunResult, MemorySink]:
    """Run, and keep the events."""
    sink = MemorySink()
    return run_account(account, events=sink, **more), sink
