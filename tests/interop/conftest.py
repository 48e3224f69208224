"""What every client is asked to fetch: three small messages, one of 50 MB, and one that is awkward in every way.

Expectations are computed here, apart from the server's own code: the SHA-256 of the stored octets in CRLF form. What a
client does to the octets it fetched is said in its own test, and undone there.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from pillarbox.testing.live import LiveServer

PASSWORD = "open sesame"
SECONDS = 120.0
"""How long a client may take for everything."""

SMALL = [
    b"From: a@example.org\nTo: b@example.org\nSubject: small %d\nDate: Mon, 1 Jan 2024 00:00:0%d +0000\n"
    b"Message-ID: <small%d@example.org>\n\nHello %d\n" % (number, number, number, number)
    for number in (1, 2, 3)
]
AWKWARD = (
    b"From: a@example.org\nTo: b@example.org\nSubject: awkward\nDate: Mon, 1 Jan 2024 00:00:05 +0000\n"
    b"Message-ID: <awkward@example.org>\n\n.\n..\n.x\nbare LF\nCRLF\r\n.\r\n"
    b"NUL:\0:\n8-bit: \xe9\xff\xc3\xbc\x80\n+OK\n-ERR\n \nend\n"
)


def big() -> bytes:
    """A message of 50 MB, the same in every run."""
    head = b"From: a@example.org\nTo: b@example.org\nSubject: big\nDate: Mon, 1 Jan 2024 00:00:04 +0000\n"
    body = base64.encodebytes(random.Random(50).randbytes(36_982_000))
    return head + b"Message-ID: <big@example.org>\n\n" + body


def crlf(stored: bytes) -> bytes:
    """The octets RFC 1939 §11 counts: every line ends in CRLF."""
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", stored)
    return lines if lines.endswith(b"\r\n") else lines + b"\r\n"


def digest(octets: bytes) -> str:
    """SHA-256."""
    return hashlib.sha256(octets).hexdigest()


@dataclass(frozen=True, slots=True)
class Box:
    """One account with the five messages, and how to reach it.

    Attributes:
        small, big, awkward: SHA-256 of what has to arrive, in CRLF form.
        directory: an empty one for the client.
    """

    server: LiveServer
    user: str
    directory: Path
    small: Sequence[str]
    big: str
    awkward: str

    @property
    def expected(self) -> list[str]:
        """All five, in the order of the maildrop."""
        return [*self.small, self.big, self.awkward]

    def port(self, tls: str) -> int:
        """The port for "implicit", "stls" or "none"."""
        return {"implicit": self.server.pop3s_port, "stls": self.server.pop3_port, "none": self.server.open_port}[tls]

    def run(
        self, command: Sequence[str | Path], *, env: dict[str, str] | None = None, stdin: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a client in its directory, which is its HOME too."""
        return subprocess.run(
            [str(part) for part in command],
            input=stdin,
            capture_output=True,
            timeout=SECONDS,
            cwd=self.directory,
            env={"PATH": os.environ["PATH"], "HOME": str(self.directory), "LC_ALL": "C", "TZ": "UTC", **(env or {})},
            check=False,
        )

    def write(self, name: str, text: str) -> Path:
        """Write a private configuration file."""
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    def left(self) -> int:
        """Messages still in the maildrop."""
        return len(self.server.messages(self.user))


@dataclass(frozen=True, slots=True)
class Stock:
    """The big message, made once."""

    path: Path
    sha256: str


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Stock:
    stored = big()
    assert 49_900_000 < len(stored) < 50_100_000
    path = tmp_path_factory.mktemp("stock") / "big"
    path.write_bytes(stored)
    return Stock(path, digest(crlf(stored)))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    directory = tmp_path_factory.mktemp("server")
    with LiveServer({}, directory=directory, cleartext=True) as running:
        yield running
    assert not running.events("InternalError")


_numbers = itertools.count(1)


@pytest.fixture
def box(server: LiveServer, stock: Stock, tmp_path: Path) -> Iterator[Box]:
    user = f"user{next(_numbers)}"
    server.add_accounts({user: PASSWORD})
    maildir = server.maildir(user)
    for number, message in enumerate(SMALL, 1):
        server.deliver(user, message, f"{number}.M{number}P1.localhost")
    os.link(stock.path, maildir / "new" / "4.M4P1.localhost")
    server.deliver(user, AWKWARD, "5.M5P1.localhost")
    yield Box(server, user, tmp_path, [digest(crlf(one)) for one in SMALL], stock.sha256, digest(crlf(AWKWARD)))
    for path in (maildir, tmp_path):
        shutil.rmtree(path, ignore_errors=True)


def needs(program: str, package: str) -> pytest.MarkDecorator:
    """Skip where a program is missing, and name what has to be installed."""
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"needs {program} (Debian package {package})")


def of_mbox(data: bytes) -> list[bytes]:
    """The messages of an mbox file, without their From_ lines and the empty line behind each."""
    parts = re.split(rb"(?:\A|\n)From [^\n]*\n", data.removesuffix(b"\n"))[1:]
    return [re.sub(rb"(?m)^>(>*From )", rb"\1", part) for part in parts]
