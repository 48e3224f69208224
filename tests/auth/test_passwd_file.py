"""Passwd-files of other servers."""

import asyncio
import os
from collections.abc import Awaitable
from ipaddress import ip_network
from pathlib import Path

import pytest

from pillarbox.auth.names import maildir_path
from pillarbox.auth.passwd_file import PasswdFileSource
from pillarbox.auth.schemes import Schemes
from pillarbox.auth.sources import Credential, SourceUnavailable
from pillarbox.events import MemorySink
from pillarbox.events.types import Warned

SCHEMES = Schemes("PLAIN")


def source(path: Path, sink: MemorySink | None = None, default_domain: str = "") -> PasswdFileSource:
    return PasswdFileSource(
        path, schemes=SCHEMES, maildir="{home}/Maildir", default_domain=default_domain, sink=sink or MemorySink()
    )


def look_up(users: PasswdFileSource, name: str) -> Credential | None:
    async def scenario() -> Credential | None:
        answer = users.lookup(name)
        return await answer if isinstance(answer, Awaitable) else answer

    return asyncio.run(scenario())


def parsed(tmp_path: Path, line: str, name: str = "alice@example.org") -> Credential | None:
    (tmp_path / "users").write_text(f"{line}\n")
    return look_up(source(tmp_path / "users"), name)


def warnings(sink: MemorySink) -> list[str]:
    return [event.text for event in sink.of(Warned)]


@pytest.mark.parametrize(
    ("line", "stored", "home"),
    [
        ("alice@example.org:{PLAIN}x", "{PLAIN}x", ""),
        ("alice@example.org:{plain}x:1000:1000::/home/alice:/bin/sh:", "{PLAIN}x", "/home/alice"),
        ("Alice@Example.Org:x:::::", "{PLAIN}x", ""),
        ("alice@example.org:{SSHA.b64}abc==:::Alice, Ms.:/home/alice", "{SSHA.b64}abc==", "/home/alice"),
        ("alice@example.org:x:::::: userdb_home=/other  userdb_quota=1", "{PLAIN}x", "/other"),
        ("alice@example.org:x:::::: nodelay", "{PLAIN}x", ""),
        ("alice@example.org:pässwörd\r", "{PLAIN}pässwörd", ""),
    ],
)
def test_lines_that_can_be_used(tmp_path: Path, line: str, stored: str, home: str) -> None:
    credential = parsed(tmp_path, line)
    assert credential is not None
    assert (credential.account, credential.stored, credential.home) == ("alice@example.org", stored, home)
    assert credential.enabled


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("", "/home/alice/Maildir"),
        ("userdb_mail=maildir:/mail/alice", "/mail/alice"),
        ("userdb_mail=Maildir:~/Mail:LAYOUT=fs", "/home/alice/Mail"),
        ("userdb_mail=maildir:/mail/%d/%n", "/mail/example.org/alice"),
        ("userdb_mail=maildir:%h/m/%u/100%%", "/home/alice/m/alice@example.org/100%"),
        ("userdb_mail=maildir:/mail/all:INBOX=/mail/in/alice:INDEX=/x", "/mail/in/alice"),
    ],
)
def test_where_the_mail_is(tmp_path: Path, extra: str, expected: str) -> None:
    credential = parsed(tmp_path, f"alice@example.org:x::::/home/alice::{extra}")
    assert credential is not None
    assert credential.maildir is not None
    assert maildir_path(credential.maildir, credential.account, credential.home) == expected


@pytest.mark.parametrize("extra", ["nologin", "nologin=moved", "nopassword", "proxy host=192.0.2.1", "proxy_maybe"])
def test_fields_that_close_an_account(tmp_path: Path, extra: str) -> None:
    credential = parsed(tmp_path, f"alice@example.org:x::::::{extra}")
    assert credential is not None
    assert not credential.enabled


def test_allow_nets_is_kept(tmp_path: Path) -> None:
    credential = parsed(tmp_path, "alice@example.org:x::::::allow_nets=192.0.2.0/24,2001:db8::1")
    assert credential is not None
    assert credential.networks == (ip_network("192.0.2.0/24"), ip_network("2001:db8::1"))


def test_nobody_logs_in_without_a_password(tmp_path: Path) -> None:
    for line in ("alice@example.org", "alice@example.org:", "alice@example.org::::::"):
        credential = parsed(tmp_path, line)
        assert credential is not None
        for password in (b"", b"x"):
            assert not source(tmp_path / "users").verify(credential, password)


def test_broken_lines_are_reported_once_and_never_shown(tmp_path: Path) -> None:
    """P60: a line number, no content."""
    (tmp_path / "users").write_text(
        "# comment:x\n"
        "\n"
        "   \n"
        "good:x\n"
        "../evil:hunter2\n"
        "a:{NOPE}hunter2\n"
        "b:{hunter2 hunter2\n"
        "c:x:::::::\n"
        "d:hunter2::::relative/home\n"
        "e:hunter2::::::userdb_mail=mbox:~/hunter2\n"
        "f:hunter2::::::userdb_mail=maildir:/x/%{hunter2}\n"
        "g:hunter2::::::userdb_mail=maildir:/x/%d/%n\n"
        "h:hunter2::::::allow_nets=hunter2\n"
        "good:hunter2\n"
        "i:hunter2::::::proxy\n"
        ":hunter2\n"
        "last:x"
    )
    sink = MemorySink()
    users = source(tmp_path / "users", sink)
    good = look_up(users, "good")
    assert good is not None
    assert good.stored == "{PLAIN}x"
    assert look_up(users, "last")
    assert look_up(users, "c")
    for name in "abdefgh":
        assert look_up(users, name) is None
    said = warnings(sink)
    assert [int(text.split("line ")[1].split(":")[0]) for text in said] == [5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16]
    assert not any("hunter2" in text or "evil" in text for text in said)
    with open(tmp_path / "users", "a") as file:
        file.write("\nnew:x\n")
    assert look_up(users, "new")
    assert warnings(sink) == said


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text("alice:old\n")
    users = source(path)
    first = look_up(users, "alice")
    assert first is not None
    assert users.lookup("alice") is first  # at once, without reading
    replacement = tmp_path / "users.new"
    replacement.write_text("alice:new\n")
    status = path.stat()
    os.utime(replacement, ns=(status.st_atime_ns, status.st_mtime_ns))
    replacement.rename(path)  # same size, same modification time
    second = look_up(users, "alice")
    assert second is not None
    assert second.stored == "{PLAIN}new"
    path.write_text("bob:x\n")
    assert look_up(users, "alice") is None
    assert look_up(users, "bob")


def test_an_unreadable_file_is_unavailable_and_recovers(tmp_path: Path) -> None:
    """P44: never "unknown user"."""
    path = tmp_path / "users"
    users = source(path)
    with pytest.raises(SourceUnavailable, match="No such file"):
        look_up(users, "alice")
    path.write_text("alice:x\n")
    assert look_up(users, "alice")
    path.rename(tmp_path / "away")
    with pytest.raises(SourceUnavailable):
        look_up(users, "alice")
    path.mkdir()
    with pytest.raises(SourceUnavailable, match="Is a directory"):
        look_up(users, "alice")
    path.rmdir()
    (tmp_path / "away").rename(path)
    assert look_up(users, "alice")


def test_default_domain_meets_plain_names(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("alice:x\nbob@other.example:x\n")
    users = source(tmp_path / "users", default_domain="example.org")
    assert look_up(users, "alice@example.org")
    assert look_up(users, "alice@other.example") is None
    assert look_up(users, "bob@other.example")


def test_many_lookups_read_a_changed_file_once(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("bad line without a colon\nalice:x\n")
    sink = MemorySink()
    users = source(tmp_path / "users", sink)

    async def one() -> bool:
        answer = users.lookup("alice")
        return (await answer if isinstance(answer, Awaitable) else answer) is not None

    async def scenario() -> list[bool]:
        return await asyncio.gather(*(one() for _ in range(50)))

    assert all(asyncio.run(scenario()))
    assert len(warnings(sink)) == 1


def test_upgrade_leaves_the_file_alone(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("alice:x\n")
    users = source(tmp_path / "users")
    credential = look_up(users, "alice")
    assert credential is not None
    users.upgrade(credential, b"x")
    assert (tmp_path / "users").read_text() == "alice:x\n"
