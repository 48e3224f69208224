"""POP3 servers of Debian's packages that cannot be installed side by side: unpacked, each in a world of its own.

Rules: a server sees its package laid over /usr, /etc and /var by overlay mounts in a mount namespace of its own, so
every path it was built with holds and nothing of the system changes; in its process namespace nothing outlives it. It
listens on a high port of loopback. One user, `USER`, exists there alone. Root is needed for that.

The packages are unpacked by tests/install-peers into .peers/, one directory each, which git ignores.
Elsewhere: what each server needs (`courier`, `cyrus`, `mailutils`, `popa3d`).
"""

from __future__ import annotations

import abc
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from pillarbox.testing.live import free_ports

PACKAGES = Path(__file__).parents[2] / ".peers"
USER = "ada"
PASSWORD = "open sesame"  # of a user that exists in a test's namespace alone
OWNER = 2001
"""The user's number, and that of the user's group."""

_START_SECONDS = 30.0
_LAUNCHER = Path(__file__).with_name("launcher.py")


def missing(package: str) -> str | None:
    """Why tests with a server are skipped, or None."""
    if not (PACKAGES / package).is_dir():
        return f"needs {package} in .peers/ (tests/install-peers fetches it)"
    if os.geteuid() != 0:
        return f"needs root, to give {package} a file system of its own"
    probe = ["unshare", "--mount", "mount", "-t", "overlay", "overlay", "-o", "lowerdir=/usr:/etc", "/mnt"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        return f"needs the right to make overlay mounts, for {package}"
    return None


def crlf(message: bytes) -> bytes:
    """A message with LF line ends, as it goes over the wire."""
    return message.replace(b"\n", b"\r\n")


class Elsewhere(abc.ABC):
    """One server with one user's maildrop. A context manager.

    Attributes:
        port: where it listens, without TLS.
        directory: its own; `home` and `spool` (its /var/mail) are in it.
    """

    package: ClassVar[str]
    users: ClassVar[Sequence[str]] = ()
    """System users that it wants, from number 2002 on."""
    exact_sizes: ClassVar[bool] = True
    """Whether LIST counts the octets that RETR sends."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=f"{self.package}-"))
        self.directory.chmod(0o755)
        self.home = self._made("home", OWNER, 0o755)
        self.spool = self._made("spool", 0, 0o1777)
        (self.port,) = free_ports(1)
        self._etc = self._made("etc", 0, 0o755)
        self._accounts()
        self.prepare()
        self._process: subprocess.Popen[bytes] | None = None

    def _made(self, name: str, owner: int, mode: int) -> Path:
        path = self.directory / name
        path.mkdir()
        path.chmod(mode)
        os.chown(path, owner, owner)
        return path

    def _accounts(self) -> None:
        crypt = ["openssl", "passwd", "-6", "-stdin"]
        hashed = subprocess.run(crypt, input=PASSWORD, capture_output=True, text=True, check=True).stdout.strip()
        names = [USER, *self.users]
        lines = {"passwd": "", "group": "", "shadow": ""}
        for number, name in enumerate(names, OWNER):
            home = self.home if name == USER else "/"
            lines["passwd"] += f"{name}:x:{number}:{number}::{home}:/bin/sh\n"
            lines["group"] += f"{name}:x:{number}:\n"
            lines["shadow"] += f"{name}:{hashed if name == USER else '!'}:19000:0:99999:7:::\n"
        for file, more in lines.items():
            theirs = re.sub(rf"^({'|'.join(names)}):.*\n", "", Path("/etc", file).read_text(), flags=re.MULTILINE)
            (self._etc / file).write_text(theirs + more)
            (self._etc / file).chmod(0o640 if file == "shadow" else 0o644)

    def etc(self, name: str, text: str) -> None:
        """Write a file that the server sees below /etc."""
        path = self._etc / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    # ---- what each server says for itself ---------------------------------------------------------------------------

    @abc.abstractmethod
    def prepare(self) -> None:
        """Write its configuration."""

    @abc.abstractmethod
    def fill(self, messages: Sequence[bytes]) -> None:
        """Put messages (LF line ends) into the empty maildrop, before the server runs."""

    @abc.abstractmethod
    def script(self) -> str:
        """Shell commands that start it in its namespace; the last one is it."""

    def expected(self, message: bytes) -> bytes:
        """What it has to send for a message that was put in."""
        return crlf(message)

    def sent(self, octets: bytes) -> bytes:
        """What it sent, without what it adds of its own."""
        return octets

    # ---- running --------------------------------------------------------------------------------------------------

    def launched(self, *command: str) -> str:
        """The shell command that runs a program for each connection, which is its standard input and output."""
        return " ".join(["exec", sys.executable, str(_LAUNCHER), str(self.port), *command])

    def _world(self) -> str:
        ours = PACKAGES / self.package
        var = f"{ours / 'var'}:" if (ours / "var").is_dir() else ""
        etc = f"{ours / 'etc'}:" if (ours / "etc").is_dir() else ""
        upper = self._made("var", 0, 0o755)
        return f"""set -e
mount -t overlay overlay -o lowerdir={ours / "usr"}:/usr /usr
mount -t overlay overlay -o lowerdir={self._etc}:{etc}/etc /etc
mount -t tmpfs tmpfs {upper}
mkdir {upper}/upper {upper}/work
mount -t overlay overlay -o lowerdir={var}/var,upperdir={upper}/upper,workdir={upper}/work /var
mount --bind {self.spool} /var/mail
mount -t tmpfs tmpfs /run
{self.script()}
"""

    def __enter__(self) -> Self:
        script = self.directory / "start.sh"
        script.write_text(self._world())
        log = self.directory / "log"
        world = ["unshare", "--mount", "--pid", "--fork", "--mount-proc"]
        with open(log, "wb") as file:
            self._process = subprocess.Popen([*world, "sh", str(script)], stdout=file, stderr=file)
        end = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                said = log.read_text()
                self.__exit__(None, None, None)
                raise RuntimeError(f"{self.package} does not answer: {said}")
            time.sleep(0.05)
        return self

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5) as probe:
            if probe.recv(3) == b"+OK":
                probe.sendall(b"QUIT\r\n")
                return True
        return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            # Not unshare itself, whose death a server that changed its user would not notice: the first process of the
            # namespace, which takes all others with it, and ends unshare.
            with contextlib.suppress(OSError):
                children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
                for child in children.split():
                    os.kill(int(child), signal.SIGKILL)
            self._process.wait(_START_SECONDS)
        shutil.rmtree(self.directory, ignore_errors=True)


def mbox(messages: Sequence[bytes]) -> bytes:
    """Messages as an mbox whose lines that look like separators are quoted once (mboxo)."""
    quoted = (re.sub(rb"^From ", b">From ", message, flags=re.MULTILINE) for message in messages)
    return b"".join(b"From ada@example.org Mon Jan  1 00:00:00 2024\n" + message + b"\n" for message in quoted)
