"""Our clients against Courier, Cyrus, popa3d and GNU mailutils: every octet, and no deletion but by QUIT.

What a server does to a message is said by its class in tests/peers: an mbox gives quoted lines back as they are in
there, and GNU pop3d writes a header line of its own into what it sends.
"""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import Callable, Sequence

import pytest
from tests.interop.conftest import digest
from tests.peers import courier, cyrus, mailutils, popa3d
from tests.peers.courier import Courier
from tests.peers.cyrus import Cyrus
from tests.peers.elsewhere import PASSWORD, USER, Elsewhere
from tests.peers.mailutils import Mailutils
from tests.peers.popa3d import Popa3d

from pillarbox.client import AsyncClient, AuthenticationFailed, Client, TlsRules
from pillarbox.client.settings import Timeout

pytestmark = pytest.mark.peer

OPEN = TlsRules(cleartext=True, stls=False)
PATIENT = Timeout(connect=20, command=30)


def _message(number: int, body: bytes) -> bytes:
    head = b"From: a@example.org\nTo: b@example.org\nSubject: number %d\nDate: Mon, 1 Jan 2024 00:00:0%d +0000\n"
    return (head + b"Message-ID: <elsewhere%d@example.org>\n\n") % (number, number, number) + body


MAIL = [
    _message(1, b"Hello\n"),
    _message(2, "Grüße aus Köln\n".encode() + b"\xe9\xff\x80 latin\n"),
    _message(3, b".\n..\n.dot\n...\n"),
    _message(4, b"x" * 100_000 + b"\n" + b"." * 5_000 + b"\nend\n"),
    _message(5, base64.encodebytes(random.Random(5).randbytes(3_900_000))),
    _message(6, b"+OK\n-ERR\n\n\nFrom here on\nend\n"),
]

SERVERS: list[tuple[type[Elsewhere], str | None]] = [
    (Courier, courier.MISSING),
    (Cyrus, cyrus.MISSING),
    (Mailutils, mailutils.MISSING),
    (Popa3d, popa3d.MISSING),
]

Make = Callable[[Sequence[bytes]], Elsewhere]


@pytest.fixture(
    params=[
        pytest.param(kind, id=kind.__name__, marks=pytest.mark.skipif(missing is not None, reason=missing or ""))
        for kind, missing in SERVERS
    ]
)
def make(request: pytest.FixtureRequest) -> Make:
    """A server of each kind, filled, not started."""

    def of(messages: Sequence[bytes]) -> Elsewhere:
        server: Elsewhere = request.param()
        server.fill(messages)
        return server

    return of


def _client(server: Elsewhere, password: str = PASSWORD) -> Client:
    return Client(f"pop3://{USER}@127.0.0.1:{server.port}", password=password, tls=OPEN, timeout=PATIENT)


def _digests(server: Elsewhere) -> list[str]:
    return [digest(server.expected(message)) for message in MAIL]


def test_every_octet_arrives_and_what_is_deleted_goes_with_quit_alone(make: Make) -> None:
    with make(MAIL) as server:
        with _client(server) as box:
            assert box.stat().messages == len(MAIL)
            entries = box.listing()
            got = [digest(server.sent(b"".join(each.chunks()))) for each in box.retrieve(entries)]
            assert got == _digests(server)
            assert len({entry.unique_id for entry in entries}) == len(MAIL)
            assert all(entry.unique_id for entry in entries)
            if server.exact_sizes:
                assert [entry.size for entry in entries] == [len(server.expected(message)) for message in MAIL]
        dropped = _client(server).open()
        assert all(status.ok for status in dropped.delete([1, 2, 3]).values())
        dropped.close()
        with _client(server) as box:
            assert [entry.unique_id for entry in box.listing()] == [entry.unique_id for entry in entries]
            assert all(status.ok for status in box.delete([1, 3, 6]).values())
            box.reset()
            assert all(status.ok for status in box.delete([2, 4]).values())
        assert box.committed is True
        with _client(server) as box:
            left = [entries[index].unique_id for index in (0, 2, 4, 5)]
            assert [entry.unique_id for entry in box.listing()] == left


def test_awaited_too_with_top_and_one_after_the_other(make: Make) -> None:
    async def all_of_it(server: Elsewhere) -> None:
        url = f"pop3://{USER}@127.0.0.1:{server.port}"
        async with AsyncClient(url, password=PASSWORD, tls=OPEN, timeout=PATIENT) as box:
            entries = await box.listing()
            got = [digest(server.sent(await each.read())) async for each in box.retrieve(entries)]
            assert got == _digests(server)
            heads = [head async for _, head in box.headers(entries, 1)]
            for number, head in enumerate(heads, 1):
                assert b"\r\nMessage-ID: <elsewhere%d@example.org>\r\n" % number in head
            message = await box.message(3)
            assert digest(server.sent(await message.read())) == _digests(server)[2]
            await box.delete(range(1, len(MAIL) + 1))
        async with AsyncClient(url, password=PASSWORD, tls=OPEN, timeout=PATIENT) as box:
            assert (await box.stat()).messages == 0
            assert await box.listing() == ()

    with make(MAIL) as server:
        asyncio.run(all_of_it(server))


def test_a_wrong_password_is_told_as_one(make: Make) -> None:
    with make(MAIL[:1]) as server, pytest.raises(AuthenticationFailed), _client(server, "wrong"):
        pass


def test_what_pipelining_came_to_is_known_and_holds(make: Make) -> None:
    with make(MAIL[:3]) as server:
        with _client(server) as box:
            for each in box.retrieve(box.listing()):
                each.read()
            found = box.pipelining
        with Client(
            f"pop3://{USER}@127.0.0.1:{server.port}", password=PASSWORD, tls=OPEN, timeout=PATIENT, pipelining=found
        ) as box:
            got = [digest(server.sent(each.read())) for each in box.retrieve(box.listing(), window=16)]
        assert got == _digests(server)[:3]
