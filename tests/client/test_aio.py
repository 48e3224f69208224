"""The asynchronous client, with a server in memory: the same names do the same."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from pathlib import Path

import pytest
from tests.client.scripted import Server, async_client
from tests.client.test_blocking import MAIL, Memory

from pillarbox.client import AsyncClient, AsyncMessage, Client, ConnectionLost, Message, UsageError
from pillarbox.client.aio import AsyncRetrieval
from pillarbox.client.blocking import Retrieval


@pytest.mark.parametrize(
    ("one", "other"), [(Client, AsyncClient), (Message, AsyncMessage), (Retrieval, AsyncRetrieval)]
)
def test_both_have_the_same_names_and_arguments(one: type, other: type) -> None:
    names = {name for name in dir(one) if not name.startswith("_")}
    assert names == {name for name in dir(other) if not name.startswith("_")}
    for name in names:
        first, second = inspect.getattr_static(one, name), inspect.getattr_static(other, name)
        if inspect.isfunction(first):
            assert list(inspect.signature(first).parameters) == list(inspect.signature(second).parameters), name
            assert (first.__doc__ or "").split()[:6] == (second.__doc__ or "").split()[:6], name
    assert [*inspect.signature(Client).parameters] == [*inspect.signature(AsyncClient).parameters]


def test_everything_once(tmp_path: Path) -> None:
    server = Server(MAIL, piece=50)

    async def session() -> None:
        async with async_client(server) as box:
            assert (await box.stat()).messages == 8
            got = [b"".join([piece async for piece in one.chunks()]) async for one in box.retrieve(await box.listing())]
            assert got == MAIL
            assert [head async for _, head in box.headers(await box.listing())] == [
                mail.partition(b".dot")[0] for mail in MAIL
            ]
            messages = await box.messages()
            assert (await messages[1].email())["Subject"] == "2"
            assert [one.number for one in messages[-2:]] == [7, 8]
            assert await messages[1].headers() == await box.top(2)
            message = await box.message(3)
            assert (await message.save_to(f"{tmp_path}/in/")).read_bytes() == MAIL[2]
            await box.delete([1])
            await box.reset()
            await message.delete()
            await box.noop()
        assert box.committed is True

    asyncio.run(session())
    assert server.closed


def test_new_with_prefetch() -> None:
    server = Server(MAIL)
    seen = Memory({b"id1"})

    async def session() -> None:
        async with async_client(server) as box:
            async for message in box.new(seen, prefetch=16):
                assert await message.read() == MAIL[message.number - 1]
                assert message.sha256 == hashlib.sha256(MAIL[message.number - 1]).digest()
                await message.done(delete_after=0)

    asyncio.run(session())
    assert [call[0] for call in seen.calls] == ["done", "delete_sent"] * 7 + ["committed"]


def test_an_exception_closes_without_quit() -> None:
    server = Server(MAIL)

    async def session() -> None:
        async with async_client(server) as box:
            await box.delete([1])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(session())
    assert server.closed
    assert b"QUIT" not in server.heard


def test_a_cancellation_closes_without_quit() -> None:
    server = Server(MAIL)

    async def session() -> None:
        async with async_client(server) as box:
            await box.delete([1])
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await box.noop()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(session())
    assert server.closed
    assert b"QUIT" not in server.heard


def test_a_password_may_come_from_a_coroutine_or_a_thread() -> None:
    async def coroutine() -> str:
        await asyncio.sleep(0)
        return "open sesame"

    for source in (coroutine, lambda: "open sesame", "open sesame"):
        server = Server(MAIL)

        async def session(server: Server = server, source: object = source) -> None:
            async with async_client(server, password=source):
                pass

        asyncio.run(session())
        assert b"PASS open sesame" in server.heard


def test_one_session_and_errors() -> None:
    server = Server(MAIL, {b"NOOP": lambda _: None})

    async def session() -> None:
        box = async_client(server)
        async with box:
            server.ended = True
            with pytest.raises(ConnectionLost):
                await box.noop()
        with pytest.raises(UsageError):
            await box.open()
        box.close()
        assert await box.quit() is None

    asyncio.run(session())
