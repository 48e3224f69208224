"""A token whenever one is needed: one refresh for all who ask, no refresh token lost, no login given up for a 503."""

import asyncio
import base64
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.client.authorization_server import AuthorizationServer, running
from tests.client.scripted import Server, async_client, client

from pillarbox.client import oauth_http
from pillarbox.client.oauth import (
    Application,
    ApplicationRefused,
    ConsentLost,
    OAuth2,
    OAuthError,
    ProviderUnavailable,
    TokenFile,
    TokenFileError,
)
from pillarbox.events import Secret


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[AuthorizationServer]:
    with running() as found:
        yield found


@pytest.fixture
def file(tmp_path: Path, server: AuthorizationServer) -> TokenFile:
    file = TokenFile(tmp_path / "ada.tokens", lock_wait=20)
    file.save(server.tokens())
    return file


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def auth(server: AuthorizationServer, file: TokenFile, clock: Clock) -> OAuth2:
    return OAuth2(server.application, file, remedy="run `login ada`", clock=clock)


def refresh_token(file: TokenFile) -> str:
    tokens = file.load()
    assert tokens is not None
    return tokens.refresh_token.reveal().decode()


def test_a_token_is_refreshed_once_and_kept(auth: OAuth2, server: AuthorizationServer, file: TokenFile) -> None:
    assert auth.access_token() == Secret("access-1")
    assert auth.access_token() == Secret("access-1")
    assert refresh_token(file) == "refresh-1"
    assert server.asked == [
        (
            "/token",
            {
                "grant_type": "refresh_token",
                "refresh_token": "refresh-0",
                "client_id": "client-1",
                "client_secret": "hush",
            },
        )
    ]


def test_it_is_refreshed_a_minute_before_its_end(auth: OAuth2, clock: Clock) -> None:
    auth.access_token()
    clock.now += 3600 - 61
    assert auth.access_token() == Secret("access-1")
    clock.now += 1
    assert auth.access_token() == Secret("access-2")


def test_another_run_uses_the_token_in_the_file(
    auth: OAuth2, server: AuthorizationServer, file: TokenFile, clock: Clock
) -> None:
    auth.access_token()
    again = OAuth2(server.application, file.path, clock=clock)
    assert again.access_token() == Secret("access-1")
    assert len(server.asked) == 1


def test_a_rejected_token_is_replaced_once(auth: OAuth2, server: AuthorizationServer) -> None:
    auth.rejected()
    auth.access_token()
    auth.rejected()
    assert auth.access_token() == Secret("access-2")
    assert auth.access_token() == Secret("access-2")
    assert server.grants("refresh_token") == 2


def test_a_rejected_token_that_another_process_has_replaced_needs_no_refresh(
    auth: OAuth2, server: AuthorizationServer, file: TokenFile, clock: Clock
) -> None:
    auth.access_token()
    other = OAuth2(server.application, file, clock=clock)
    other.access_token()
    other.rejected()
    assert other.access_token() == Secret("access-2")
    auth.rejected()
    assert auth.access_token() == Secret("access-2")
    assert server.grants("refresh_token") == 2


def test_a_provider_that_does_not_rotate(auth: OAuth2, server: AuthorizationServer, file: TokenFile) -> None:
    server.rotates = False
    assert auth.access_token() == Secret("access-1")
    auth.rejected()
    assert auth.access_token() == Secret("access-2")
    assert refresh_token(file) == "refresh-0"


def test_threads_share_one_refresh(auth: OAuth2, server: AuthorizationServer) -> None:
    got: list[bytes] = []
    threads = [threading.Thread(target=lambda: got.append(auth.access_token().reveal())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [b"access-1"] * 8
    assert server.grants("refresh_token") == 1


def _fetch_tokens(base: str, path: str, start: Any, results: Any) -> None:
    application = Application(AuthorizationServer(base).provider, "client-1", Secret("hush"))
    auth = OAuth2(application, path)
    start.wait()
    for _ in range(5):
        try:
            results.put(auth.access_token().reveal())
        except OAuthError as problem:
            results.put(problem)
        auth.rejected()


def test_processes_that_refresh_at_once_lose_no_rotated_token(server: AuthorizationServer, file: TokenFile) -> None:
    server.delay = 0.03  # so that whoever does not wait for the other asks meanwhile
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(2), context.Queue()
    processes = [
        context.Process(target=_fetch_tokens, args=(server.base, str(file.path), start, results)) for _ in range(2)
    ]
    for process in processes:
        process.start()
    got = [results.get(timeout=60) for _ in range(10)]
    for process in processes:
        process.join()
    assert all(isinstance(token, bytes) for token in got), got
    assert refresh_token(file) in server.refresh_tokens
    # The server punishes reuse: nobody was refused, so every refresh token was used once.
    assert server.grants("refresh_token") == len(server.used)


def test_killed_between_the_answer_and_the_file(server: AuthorizationServer, file: TokenFile) -> None:
    """What docs/oauth.md says of the one moment in which a strict provider and we may lose a login."""
    program = f"""
import os, signal, sys
sys.path[:0] = {[str(Path(__file__).parents[2])]!r}
from tests.client.authorization_server import AuthorizationServer
from pillarbox.client import oauth_http
from pillarbox.client.oauth import OAuth2
def answered(url, form):
    oauth_http.exchange(url, form)
    os.kill(os.getpid(), signal.SIGKILL)
OAuth2(AuthorizationServer({server.base!r}).application, {str(file.path)!r}, exchange=answered).access_token()
"""
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == -signal.SIGKILL
    # The old file is whole, and the lock is free.
    assert refresh_token(file) == "refresh-0"
    auth = OAuth2(server.application, file, remedy="run `login ada`")
    with pytest.raises(ConsentLost, match="run `login ada`"):
        auth.access_token()  # this server punishes reuse
    server.refresh_tokens.add("refresh-0")  # Google and Microsoft take an old one
    assert OAuth2(server.application, file).access_token() == Secret("access-2")
    assert sorted(entry.name for entry in file.path.parent.iterdir()) == ["ada.tokens", "ada.tokens.lock"]


def test_a_withdrawn_consent_says_what_to_do_and_is_left_in_peace(
    auth: OAuth2, server: AuthorizationServer, file: TokenFile, clock: Clock
) -> None:
    server.refresh_tokens.clear()
    for _ in range(3):
        with pytest.raises(ConsentLost) as caught:
            auth.access_token()
        assert caught.value.code == "invalid_grant"
        assert not caught.value.temporary
        assert "run `login ada`" in str(caught.value)
        assert "\x1b" not in str(caught.value)
    assert server.grants("refresh_token") == 1
    clock.now += 3601
    with pytest.raises(ConsentLost):
        auth.access_token()
    assert server.grants("refresh_token") == 2
    # Logging in again, in another process, brings it back at once.
    server.refresh_tokens.add("refresh-new")
    file.save(server.tokens(refresh_token=Secret("refresh-new")))
    assert auth.access_token() == Secret("access-1")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b""),
        (503, {"error": "invalid_grant"}),
        (502, b"<html>bad gateway</html>"),
        (429, {"error": "invalid_grant"}),
        (400, {"error": "temporarily_unavailable"}),
        (400, b"<html>your proxy says no</html>"),
        (403, b""),
        (302, b""),
        (200, b"<html>please log in to the wireless network</html>"),
        (200, b"{"),
        (200, b"[" * 100_000),
        (200, b"[1]"),
        (200, {}),
        (200, {"access_token": "x"}),
        (200, {"access_token": "x y", "token_type": "bearer"}),
        (200, {"access_token": "", "token_type": "bearer"}),
        (200, {"access_token": "x", "token_type": "mac"}),
        (200, {"access_token": "x", "token_type": "bearer", "refresh_token": 7}),
        (200, {"access_token": "x", "token_type": "bearer", "refresh_token": "a\nb"}),
        (200, {"access_token": "x" * 20_000, "token_type": "bearer"}),
        (200, b" " * (oauth_http.MAX_ANSWER + 1)),
    ],
)
def test_trouble_of_the_provider_passes(
    auth: OAuth2, server: AuthorizationServer, file: TokenFile, status: int, body: Any
) -> None:
    server.fails(status, body, Location="https://elsewhere.example/")
    with pytest.raises(ProviderUnavailable) as caught:
        auth.access_token()
    assert caught.value.temporary
    assert refresh_token(file) == "refresh-0"
    assert auth.access_token() == Secret("access-1")


def test_while_the_provider_has_trouble_the_last_minute_of_a_token_is_used(
    auth: OAuth2, server: AuthorizationServer, clock: Clock
) -> None:
    auth.access_token()
    clock.now += 3600 - 30
    server.fails(503, times=2, Retry_After="17")
    assert auth.access_token() == Secret("access-1")
    clock.now += 30
    with pytest.raises(ProviderUnavailable) as caught:
        auth.access_token()
    assert caught.value.retry_after == 17


@pytest.mark.parametrize("code", ["invalid_client", "unauthorized_client", "invalid_scope", "deleted_client", "x"])
def test_an_application_that_is_refused_is_no_dead_login(auth: OAuth2, server: AuthorizationServer, code: str) -> None:
    server.fails(401, {"error": code})
    with pytest.raises(ApplicationRefused, match="client id"):
        auth.access_token()
    assert auth.access_token() == Secret("access-1")


def test_nobody_has_logged_in(server: AuthorizationServer, tmp_path: Path) -> None:
    with pytest.raises(ConsentLost, match=r"nobody has logged in yet.*: run `login`"):
        OAuth2(server.application, tmp_path / "none", remedy="run `login`").access_token()
    assert not server.asked


def test_a_refresh_token_is_shown_to_its_own_provider_only(server: AuthorizationServer, file: TokenFile) -> None:
    file.save(server.tokens(token_url="https://login.example.net/token"))
    with pytest.raises(ConsentLost, match="another provider"):
        OAuth2(server.application, file).access_token()
    file.save(server.tokens(client_id="client-2"))
    with pytest.raises(ConsentLost, match="another application"):
        OAuth2(server.application, file).access_token()
    assert not server.asked


def test_a_provider_is_not_asked_when_its_answer_could_not_be_kept(
    auth: OAuth2, server: AuthorizationServer, file: TokenFile
) -> None:
    file.path.with_name("ada.tokens.new").mkdir()
    with pytest.raises(TokenFileError, match="cannot be written"):
        auth.access_token()
    assert not server.asked


def test_tokens_that_could_not_be_written_are_written_at_the_next_call(
    server: AuthorizationServer, file: TokenFile, clock: Clock
) -> None:
    aside = file.path.with_name("aside")

    def answered(url: str, form: dict[str, str] | None) -> oauth_http.HttpAnswer:
        answer = oauth_http.exchange(url, form)
        os.rename(file.path, aside)  # so that the rename over it cannot be done
        file.path.mkdir()
        return answer

    auth = OAuth2(server.application, file, clock=clock, exchange=answered)
    with pytest.raises(TokenFileError):
        auth.access_token()
    with pytest.raises(TokenFileError):
        auth.access_token()
    file.path.rmdir()
    os.rename(aside, file.path)
    assert auth.access_token() == Secret("access-1")
    assert refresh_token(file) == "refresh-1"
    assert server.grants("refresh_token") == 1


XOAUTH2_CAPA = b"+OK\r\nSASL PLAIN XOAUTH2\r\n.\r\n"


def response(token: str) -> bytes:
    """What XOAUTH2 sends, in base64."""
    return base64.b64encode(f"user=ada@example.org\x01auth=Bearer {token}\x01\x01".encode())


def mail_server() -> Server:
    """Microsoft's way: no token before its "+"; it takes the second token only."""
    error = base64.b64encode(b'{"status":"400"}')
    answers: dict[bytes, Any] = {b"CAPA": XOAUTH2_CAPA, b"AUTH XOAUTH2": b"+ \r\n"}
    answers[response("access-1")] = b"+ " + error + b"\r\n"
    answers[b""] = b"-ERR Authentication failure\r\n"
    answers[response("access-2")] = b"+OK in\r\n"
    return Server(answers=answers)


def test_a_client_logs_in_and_replaces_a_token_that_the_server_does_not_take(
    auth: OAuth2, server: AuthorizationServer
) -> None:
    mail = mail_server()
    with client(mail, user="ada@example.org", password=None, auth=auth) as box:
        assert box.usable
    wanted = [b"CAPA", b"AUTH XOAUTH2", response("access-1"), b"", b"AUTH XOAUTH2", response("access-2")]
    assert mail.heard[:6] == wanted
    assert server.grants("refresh_token") == 2


def test_an_asynchronous_client_does_the_same(auth: OAuth2) -> None:
    async def session(mail: Server) -> None:
        async with async_client(mail, user="ada@example.org", password=None, auth=auth) as box:
            assert box.usable

    mail = mail_server()
    asyncio.run(session(mail))
    assert response("access-2") in mail.heard


def test_a_dead_login_sends_nothing_and_closes_the_connection(auth: OAuth2, server: AuthorizationServer) -> None:
    server.refresh_tokens.clear()
    mail = mail_server()
    with pytest.raises(ConsentLost, match="run `login ada`"):
        client(mail, user="ada@example.org", password=None, auth=auth).open()
    assert mail.heard == [b"CAPA"]
    assert mail.closed


def test_nothing_prints_a_token(auth: OAuth2, server: AuthorizationServer, file: TokenFile) -> None:
    token = auth.access_token()
    shown = f"{token!r} {auth!r} {vars(auth)!r} {file.load()!r} {server.application!r}"
    for secret in ("access-1", "refresh-1", "refresh-0", "hush"):
        assert secret not in shown
    assert json.loads(file.path.read_bytes())["access_token"] == "access-1"
