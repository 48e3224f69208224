"""`pillarbox quickstart`: works at once, keeps everything, survives interruption, and refuses in sentences."""

from __future__ import annotations

import datetime
import hashlib
import os
import poplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from tests.cli.program import PROGRAM, Quickstart, run, started

from pillarbox.cli import quickstart
from pillarbox.cli.quickstart import ACCOUNT, Place, card, first_password, prepare
from pillarbox.config.load import load

NOW = datetime.datetime.now(datetime.UTC)


def begin(directory: Path | str, cwd: Path | None = None) -> AbstractContextManager[Quickstart]:
    return started([*PROGRAM, "quickstart", str(directory)], cwd)


def wire_form(stored: bytes) -> bytes:
    return stored.replace(b"\n", b"\r\n")


def digest(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


def stored(place: Place) -> list[bytes]:
    """All messages, in the order of delivery."""
    files = [*(place.maildir / "new").iterdir(), *(place.maildir / "cur").iterdir()]
    return [file.read_bytes() for file in sorted(files, key=lambda file: int(file.name.split("Q")[1].split(".")[0]))]


def files_of(place: Place) -> dict[str, bytes]:
    """What a second start must keep."""
    return {path.name: path.read_bytes() for path in (place.config, place.password, place.certificate, place.key)}


def test_the_printed_commands_read_each_message_to_the_octet_and_a_second_start_keeps_all(tmp_path: Path) -> None:
    place = Place(tmp_path / "a place")
    with begin("a place", cwd=tmp_path) as first:
        assert f"stay in {place.directory}." in first.card
        kept = files_of(place)
        messages = stored(place)
        assert len(messages) == 5
        listed = first.output("List the mail").decode().split("\r\n")
        assert listed[:-1] == [f"{number} {len(wire_form(text))}" for number, text in enumerate(messages, start=1)]
        for number, text in enumerate(messages, start=1):
            assert digest(first.message(number)) == digest(wire_form(text)), number
        assert first.output("Read message 1") == wire_form(messages[0])
        assert first.output("The same with STLS") == wire_form(messages[0])
        delete(first, place, number=2)
        (place.maildir / "tmp" / "own").write_bytes(b"Subject: own\n\nmine\n")
        (place.maildir / "tmp" / "own").rename(place.maildir / "new" / "9999999999.own")
        status, said = first.interrupt()
    assert (status, "Traceback" in said) == (0, False)
    with begin(place.directory) as second:
        assert second.card == first.card
        assert files_of(place) == kept
        assert len(second.output("List the mail").splitlines()) == 5
        assert digest(second.message(2)) == digest(wire_form(messages[2]))
        assert second.message(5) == b"Subject: own\r\n\r\nmine\r\n"
        assert second.interrupt()[0] == 0


def delete(running: Quickstart, place: Place, number: int) -> None:
    client = log_in(running, place)
    client.dele(number)
    client.quit()


def log_in(running: Quickstart, place: Place) -> poplib.POP3_SSL:
    port = load(place.config).listener[0].port
    context = ssl.create_default_context(cafile=str(place.certificate))
    client = poplib.POP3_SSL("localhost", port, context=context, timeout=20)
    client.user(ACCOUNT)
    client.pass_(running.password)
    return client


def test_ctrl_c_ends_also_while_a_session_does_nothing(tmp_path: Path) -> None:
    """P57: one Ctrl-C; the session is told to go, and nothing that it has marked is deleted."""
    place = Place(tmp_path)
    with begin(tmp_path) as running:
        client = log_in(running, place)
        client.dele(1)
        status, said = running.interrupt()
        client.close()
        assert (status, "Traceback" in said) == (0, False)
        assert '"event":"ServerStopping","grace":0.5' in said
    assert len(stored(place)) == 5


# ---- interrupted --------------------------------------------------------------------------------------------------


class PowerCutError(Exception):
    pass


def syncs(monkeypatch: pytest.MonkeyPatch, fatal: int) -> Iterator[int]:
    """Count calls of fsync; the one numbered `fatal` raises instead."""
    count = 0
    real = os.fsync

    def fsync(descriptor: int) -> None:
        nonlocal count
        count += 1
        if count == fatal:
            raise PowerCutError
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    yield 0
    while True:
        yield count


def test_a_first_start_that_is_cut_short_anywhere_is_done_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = syncs(monkeypatch, fatal=-1)
    next(counter)
    prepare(Place(tmp_path / "whole"), NOW)
    total = next(counter)
    assert total >= 9  # key, certificate, configuration, password, five messages
    monkeypatch.undo()
    for fatal in range(1, total + 1):
        place = Place(tmp_path / str(fatal))
        with monkeypatch.context() as cut:
            next(syncs(cut, fatal))
            with pytest.raises(PowerCutError):
                prepare(place, NOW)
        assert not place.config.exists()
        prepare(place, NOW)
        settings = load(place.config)
        assert len(stored(place)) == 5
        assert first_password(place, settings)
        assert not list(place.directory.rglob("*draft*"))
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(place.certificate, place.key)


# ---- certificates -------------------------------------------------------------------------------------------------


def test_a_certificate_is_kept_until_its_last_two_weeks_and_then_replaced(tmp_path: Path) -> None:
    place = Place(tmp_path)
    prepare(place, NOW)
    kept = files_of(place)
    prepare(place, NOW + datetime.timedelta(days=800))
    assert files_of(place) == kept
    prepare(place, NOW + datetime.timedelta(days=815))
    renewed = files_of(place)
    assert renewed[place.certificate.name] != kept[place.certificate.name]
    assert renewed[place.config.name] == kept[place.config.name]
    assert renewed[place.password.name] == kept[place.password.name]
    prepare(place, NOW + datetime.timedelta(days=815))
    assert files_of(place) == renewed


@pytest.mark.parametrize("missing", ["certificate", "key"])
def test_half_a_certificate_is_made_anew(tmp_path: Path, missing: str) -> None:
    place = Place(tmp_path)
    prepare(place, NOW)
    {"certificate": place.certificate, "key": place.key}[missing].unlink()
    prepare(place, NOW)
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(place.certificate, place.key)


def test_what_is_not_our_certificate_is_left_for_the_server_to_judge(tmp_path: Path) -> None:
    place = Place(tmp_path)
    prepare(place, NOW)
    place.certificate.write_text("something else")
    prepare(place, NOW)
    assert place.certificate.read_text() == "something else"


# ---- the card -----------------------------------------------------------------------------------------------------


def test_a_password_that_was_changed_is_not_shown(tmp_path: Path) -> None:
    place = Place(tmp_path)
    prepare(place, NOW)
    settings = load(place.config)
    first = first_password(place, settings)
    assert first is not None
    assert first in card(place, settings, first)
    status, _, said = run("account", "password", ACCOUNT, "-c", str(place.config), given="another password\n")
    assert (status, first_password(place, settings)) == (0, None), said
    shown = card(place, settings, None)
    assert first not in shown
    assert f"--user {ACCOUNT} pop3s://" in shown
    place.password.unlink()
    assert first_password(place, settings) is None
    assert run("account", "remove", ACCOUNT, "--yes", "-c", str(place.config))[0] == 0
    assert first_password(place, settings) is None


def test_the_card_names_only_listeners_that_exist(tmp_path: Path) -> None:
    place = Place(tmp_path)
    prepare(place, NOW)
    text = place.config.read_text()
    tables = text.split("[[listener]]")
    place.config.write_text("[[listener]]".join([tables[0], tables[1] + "[tls]" + tables[2].split("[tls]")[1]]))
    only_tls = card(place, load(place.config), "secret")
    assert "Read message 1" in only_tls
    assert "STLS" not in only_tls
    place.config.write_text("[[listener]]".join([tables[0], tables[2]]))
    only_stls = card(place, load(place.config), "secret")
    assert "STLS" in only_stls
    assert "pop3s://" not in only_stls
    assert "Thunderbird" not in only_stls


def test_what_is_private_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    place = Place(tmp_path / "new")
    prepare(place, NOW)
    for path in (place.password, place.key, place.config, place.maildir / "new", *(place.maildir / "new").iterdir()):
        if not path.is_file() or path.parent.name != "new":  # files in new/ are behind its own mode
            assert path.stat().st_mode & 0o077 == 0, path


# ---- refusals -----------------------------------------------------------------------------------------------------


def refused(*arguments: str, cwd: Path, code: int = 1) -> str:
    status, shown, said = run("quickstart", *arguments, cwd=cwd)
    assert (status, shown) == (code, ""), said
    assert "Traceback" not in said
    assert "internal error" not in said
    return said


def test_two_at_once_in_one_directory(tmp_path: Path) -> None:
    with begin("x", cwd=tmp_path) as running:
        said = refused("x", cwd=tmp_path)
        assert "a server is running from this directory already" in said
        assert "stop it first" in said
        assert running.output("Read message 1")
        running.process.kill()  # leaves no lock behind
        running.process.wait()
        with begin("x", cwd=tmp_path) as again:
            assert again.card == running.card


def test_a_port_taken_since_is_told_with_the_file_that_names_it(tmp_path: Path) -> None:
    place = Place(tmp_path)
    prepare(place, NOW)
    port = load(place.config).listener[0].port
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        said = refused(str(tmp_path), cwd=tmp_path)
    assert f"{place.config}: listener[1].port: 127.0.0.1 port {port} is used by another program" in said


def test_a_first_start_takes_ports_that_are_free(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        assert quickstart._free_port(range(taken, taken + 50)) > taken
        with pytest.raises(OSError, match=f"no port from {taken} to {taken} is free"):
            quickstart._free_port(range(taken, taken + 1))


def test_a_configuration_of_someone_else_is_not_started(tmp_path: Path) -> None:
    (tmp_path / "pillarbox.toml").write_text("[server]\n")
    said = refused(str(tmp_path), cwd=tmp_path)
    assert f"pillarbox serve --config {tmp_path}/pillarbox.toml" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pillarbox.toml"]


def test_a_directory_that_was_moved_is_told(tmp_path: Path) -> None:
    prepare(Place(tmp_path / "old"), NOW)
    (tmp_path / "old").rename(tmp_path / "new")
    assert f"it was made in {tmp_path}/old" in refused("new", cwd=tmp_path)
    assert not (tmp_path / "old").exists()


def test_a_broken_configuration_or_database_is_told(tmp_path: Path) -> None:
    place = Place(tmp_path)
    prepare(place, NOW)
    good = place.config.read_text()
    place.config.write_text(good.replace("workers = 1", 'workers = "one"'))
    assert "server.workers" in refused(str(tmp_path), cwd=tmp_path)
    place.config.write_text(good)
    (tmp_path / "accounts.sqlite").write_bytes(b"rubbish" * 1000)
    assert "not a database" in refused(str(tmp_path), cwd=tmp_path)


@pytest.mark.parametrize("name", ["a{b}", "a\nb", "a\x1b[31mb", b"\xff\xfe".decode(errors="surrogateescape")])
def test_names_that_no_configuration_can_hold(tmp_path: Path, name: str) -> None:
    said = refused(name, cwd=tmp_path)
    assert "control character or a brace" in said
    assert "\x1b" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    assert "is a file" in refused("f", cwd=tmp_path, code=2)
    assert "Not a directory" in refused("f/g", cwd=tmp_path)


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """Root may write everywhere, so that as root a child gives root up first."""
    tmp_path.chmod(0o500)
    pid = os.fork()
    if pid == 0:
        try:
            if os.geteuid() == 0:
                tmp_path.parent.chmod(0o755)
                os.chown(tmp_path, 65_534, 65_534)
                os.chdir(tmp_path)
                os.setresgid(65_534, 65_534, 65_534)
                os.setresuid(65_534, 65_534, 65_534)
            prepare(Place(Path("x")), NOW)
            os._exit(1)
        except PermissionError:
            os._exit(0)
        except BaseException:
            os._exit(2)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    tmp_path.chmod(0o700)
    assert status == 0
    assert list(tmp_path.iterdir()) == []
    # And what the program makes of such an error, as any user:
    assert refused("/proc/pillarbox", cwd=tmp_path) == "pillarbox: /proc/pillarbox: No such file or directory\n"
