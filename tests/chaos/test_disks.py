"""A full disk, and a Maildir that cannot be changed: clear replies, nothing lost, deletion wherever it is possible."""

from __future__ import annotations

import contextlib
import os
import poplib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pillarbox.testing.live import LiveServer, deliver_to

PASSWORD = "secret"
MAIL = b"Subject: x\n\n" + b"body\n" * 100

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small file system"),
]


def _mount(*arguments: str | Path) -> None:
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"needs the right to mount: {done.stderr.strip()}")


@contextlib.contextmanager
def _small_disk(path: Path, size: str = "1m") -> Iterator[Path]:
    path.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={size}", "pillarbox-test", path)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def _fill(disk: Path) -> None:
    """Leave not one free block."""
    with open(disk / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def _login(server: LiveServer, account: str = "anna") -> poplib.POP3:
    client = poplib.POP3_SSL("localhost", server.pop3s_port, context=server.client_context(), timeout=20)
    client.user(account)
    client.pass_(PASSWORD)
    return client


def _delete_first(client: poplib.POP3) -> None:
    client.dele(1)
    client.quit()


def _identities(client: poplib.POP3) -> list[bytes]:
    return [line.split()[1] for line in client.uidl()[1]]


@pytest.mark.parametrize("known", [False, True], ids=["never opened", "opened before"])
def test_p30_deletion_works_when_the_disk_of_the_maildirs_is_full(tmp_path: Path, known: bool) -> None:
    """The disk fills up before the maildrop is opened, or between two sessions."""
    with _small_disk(tmp_path / "disk") as disk, LiveServer({"anna": PASSWORD}, mail=disk) as server:
        for number in range(5):
            server.deliver("anna", MAIL, f"{number}.M{number}P1.localhost")
        before: list[bytes] = []
        if known:
            client = _login(server)
            before = _identities(client)
            client.quit()
        _fill(disk)
        with pytest.raises(OSError):
            deliver_to(server.maildir("anna"), b"x" * 100_000)
        client = _login(server)
        identities = _identities(client)
        assert len(identities) == 5
        assert before in ([], identities)
        assert b"\n".join(client.retr(2)[1]) + b"\n" == MAIL
        client.dele(1)
        client.dele(3)
        assert client.quit().startswith(b"+OK")
        assert len(server.messages("anna")) == 3
        client = _login(server)
        assert _identities(client) == [identities[1], identities[3], identities[4]]
        client.quit()
        assert not server.events("InternalError")


def test_p30_deletion_works_when_the_disk_of_the_server_itself_is_full(tmp_path: Path) -> None:
    """Indexes are a cache: a server that cannot write them is slower, and not wrong."""
    with _small_disk(tmp_path / "disk") as disk:
        settings = {"auth": {"accounts": str(tmp_path / "state" / "accounts.sqlite")}}
        settings["server"] = {"state_directory": str(disk / "state")}
        (disk / "state").mkdir()
        with LiveServer({"anna": PASSWORD}, directory=tmp_path, settings=settings) as server:
            for number in range(5):
                server.deliver("anna", MAIL, f"{number}.M{number}P1.localhost")
            _fill(disk)
            client = _login(server)
            identities = _identities(client)
            assert len(identities) == 5
            client.dele(1)
            assert client.quit().startswith(b"+OK")
            client = _login(server)
            assert _identities(client) == identities[1:]
            client.quit()
            assert len(server.messages("anna")) == 4
            assert not server.events("InternalError")


def test_p22_p25_a_maildir_that_cannot_be_changed_is_readable_and_loses_nothing(tmp_path: Path) -> None:
    """A read-only mount: reading works; deleting is refused, at DELE or at QUIT, and never silently forgotten."""
    with LiveServer({"anna": PASSWORD}) as server:
        for number in range(3):
            server.deliver("anna", MAIL, f"{number}.M{number}P1.localhost")
        maildir = server.maildir("anna")
        _mount("--bind", maildir, maildir)
        try:
            _mount("-o", "remount,bind,ro", maildir)
            client = _login(server)
            assert len(_identities(client)) == 3
            assert b"\n".join(client.retr(1)[1]) + b"\n" == MAIL
            with pytest.raises(poplib.error_proto, match=r"-ERR \[SYS/(PERM|TEMP)\]"):
                _delete_first(client)
            client.close()
        finally:
            subprocess.run(["umount", "-l", str(maildir)], check=True)
        assert len(server.messages("anna")) == 3
        client = _login(server)
        assert len(_identities(client)) == 3
        client.dele(1)
        assert client.quit().startswith(b"+OK")
        assert len(server.messages("anna")) == 2
        assert not server.events("InternalError")
