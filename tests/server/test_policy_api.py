"""The HTTP side of the policy API over loopback sockets: keys, limits, time-outs, TLS and endings."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import random
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from tests.peers.served import SECONDS, contexts, run

from pillarbox.auth.guard.engine import GuardEngine
from pillarbox.auth.guard.interface import GuardRequest, Verdict
from pillarbox.auth.guard.policy_api import PolicyApi
from pillarbox.auth.guard.policy_key import PolicyKey
from pillarbox.auth.guard.state import LocalJournal
from pillarbox.config.fields import Network
from pillarbox.config.schema_guard import Guard
from pillarbox.events import Event, InternalError, MemorySink, PolicyClientRefused
from pillarbox.server import policy_api
from pillarbox.server.policy_api import MAX_BODY, MAX_HEAD, PolicyServer

KEY = PolicyKey(b"canary-key-0123456789")
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
ATTEMPT = {"login": "bob", "remote": "192.0.2.1", "pwhash": "1a2b"}


class Site:
    """A running server and how to reach it."""

    def __init__(self, port: int, sink: MemorySink, guard: GuardEngine, stop: asyncio.Event, ended: Awaitable[None]):
        self.port, self.sink, self.guard, self.stop, self.ended = port, sink, guard, stop, ended
        self.wires: list[Wire] = []

    async def connect(self, source: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Wire:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, local_addr=(source, 0), ssl=tls, server_hostname="localhost" if tls else None
        )
        self.wires.append(Wire(reader, writer))
        return self.wires[-1]

    async def until(self, kind: type[Event], count: int = 1) -> None:
        async with asyncio.timeout(SECONDS):
            while len(self.sink.of(kind)) < count:  # noqa: ASYNC110 - sinks wake nobody
                await asyncio.sleep(0.01)


class Wire:
    """A client's connection, octet by octet."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> tuple[int, dict[str, str], dict[str, object]]:
        """Status, header fields and body of the next answer."""
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), SECONDS)).decode()
        first, *lines = head.strip().split("\r\n")
        fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await asyncio.wait_for(self.reader.readexactly(int(fields["content-length"])), SECONDS)
        return int(first.split()[1]), fields, json.loads(body)

    async def ask(self, data: bytes) -> tuple[int, dict[str, object]]:
        self.send(data)
        status, _, body = await self.answer()
        return status, body

    async def closed(self) -> bytes:
        """What is left until the server closes."""
        try:
            return await asyncio.wait_for(self.reader.read(), SECONDS)
        except ConnectionResetError:
            return b""

    def close(self) -> None:
        self.writer.close()


def request(
    command: str, body: object = None, *, method: str = "POST", key: str | None = None, more: str = ""
) -> bytes:
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    shown = f"Authorization: {KEY.reveal_field()}\r\n" if key is None else key
    head = f"{method} /?command={command} HTTP/1.1\r\nHost: x\r\n{shown}{more}Content-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


@contextlib.asynccontextmanager
async def site(
    *,
    networks: Sequence[Network] = LOOPBACK,
    connections: int = 10,
    tls: ssl.SSLContext | None = None,
    guard_type: type[GuardEngine] = GuardEngine,
) -> AsyncIterator[Site]:
    sink = MemorySink()
    guard = guard_type(Guard(), LocalJournal(), below=random.Random(1).randrange, sink=sink)
    api = PolicyApi(guard, tag_key=b"k" * 32, default_domain="", tarpit=3, clock=lambda: 1e9, sink=sink)
    server = PolicyServer(api, key=KEY, networks=networks, connections=connections, tls=tls, sink=sink)
    listening = socket.create_server(("127.0.0.1", 0))
    port, stop = listening.getsockname()[1], asyncio.Event()
    ended = asyncio.create_task(server.serve([listening], stop))
    unexpected: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: unexpected.append(str(told)))
    made = Site(port, sink, guard, stop, ended)
    try:
        yield made
    finally:
        for wire in made.wires:
            wire.close()
            with contextlib.suppress(OSError):
                await asyncio.wait_for(wire.writer.wait_closed(), SECONDS)
        stop.set()
        await asyncio.wait_for(ended, SECONDS)
    assert not unexpected


def alone(test: Callable[[Site, Wire], Awaitable[None]]) -> MemorySink:
    """Run a test with one connection."""

    async def whole() -> MemorySink:
        async with site() as here:
            wire = await here.connect()
            await test(here, wire)
        return here.sink

    return run(whole)


def test_the_four_commands_on_one_connection() -> None:
    async def talk(_site: Site, wire: Wire) -> None:
        assert await wire.ask(request("allow", ATTEMPT)) == (200, {"status": 0, "msg": "", "r_attrs": {}})
        assert await wire.ask(request("report", {**ATTEMPT, "success": False})) == (200, {"status": "ok"})
        assert await wire.ask(request("reset", {"login": "bob"})) == (200, {"status": "ok"})
        assert await wire.ask(request("ping", method="GET")) == (200, {"status": "ok"})
        wire.send(request("ping"))
        status, fields, _ = await wire.answer()
        assert status == 200
        assert fields["content-type"] == "application/json"
        assert fields["date"].endswith(" GMT")

    assert not alone(talk).of(InternalError)


def test_pipelined_requests_are_answered_in_order() -> None:
    async def talk(_site: Site, wire: Wire) -> None:
        wire.send(request("ping") + request("nothing") + request("allow", ATTEMPT))
        assert [(await wire.answer())[0] for _ in range(3)] == [200, 404, 200]

    alone(talk)


def test_octet_by_octet_and_in_chunks() -> None:
    async def talk(_site: Site, wire: Wire) -> None:
        for octet in request("allow", ATTEMPT):
            wire.send(bytes((octet,)))
            await wire.writer.drain()
        assert (await wire.answer())[0] == 200
        data = json.dumps(ATTEMPT).encode()
        head = f"POST /?command=allow HTTP/1.1\r\nHost: x\r\nAuthorization: {KEY.reveal_field()}\r\n"
        wire.send(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        for part in (data[:5], data[5:], b""):
            wire.send(b"%x\r\n%s\r\n" % (len(part), part))
        assert (await wire.answer())[0] == 200

    alone(talk)


@pytest.mark.parametrize(
    "field",
    [
        "",
        "Authorization: \r\n",
        "Authorization: Basic\r\n",
        "Authorization: Basic d2ZvcmNlOndyb25n\r\n",  # wforce:wrong
        "Authorization: Bearer x\r\n",
        f"Authorization: {KEY.reveal_field()}\r\nAuthorization: {KEY.reveal_field()}\r\n",
        f"X-API-Key: {KEY.reveal_field()}\r\n",
    ],
)
@pytest.mark.parametrize("command", ["allow", "report", "reset", "ping", "nothing"])
def test_without_the_key_nothing_is_answered(command: str, field: str) -> None:
    async def talk(here: Site, wire: Wire) -> None:
        wire.send(request(command, {**ATTEMPT, "success": False}, key=field))
        status, fields, body = await wire.answer()
        assert (status, body["status"]) == (401, "failure")
        assert fields["www-authenticate"].startswith("Basic ")
        assert await wire.closed() == b""
        assert not here.guard.known.memory.accounts

    sink = alone(talk)
    [told] = sink.of(PolicyClientRefused)
    assert (told.peer, told.reason) == ("127.0.0.1", "wrong key" if field.startswith("Auth") else "no key")


def test_statuses() -> None:
    async def talk(_site: Site, wire: Wire) -> None:
        assert (await wire.ask(request("allow", b"{")))[0] == 400
        assert (await wire.ask(request("allow", {})))[0] == 400
        assert (await wire.ask(request("stats", {})))[0] == 404
        assert (await wire.ask(request("allow&command=report", {})))[0] == 404
        assert (await wire.ask(request("allow", method="GET")))[0] == 405
        assert (await wire.ask(request("ping", method="DELETE")))[0] == 405
        # Each was understood as HTTP: the connection goes on.
        assert (await wire.ask(request("ping")))[0] == 200

    alone(talk)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300), 400),  # TLS to a port without it
        (b"USER bob\r\nPASS x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * MAX_HEAD, 431),
        (b"G" * (2 * MAX_HEAD), 431),
        (request("allow", b"x" * (MAX_BODY + 1)), 413),
        (request("allow", b"x" * (40 * MAX_BODY)), 413),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    ],
)
def test_what_is_no_usable_request_ends_the_connection(sent: bytes, status: int) -> None:
    async def talk(_site: Site, wire: Wire) -> None:
        wire.send(sent)
        got, fields, body = await wire.answer()
        assert (got, body["status"], fields["connection"]) == (status, "failure", "close")
        assert await wire.closed() == b""

    assert not alone(talk).of(InternalError)


def test_old_clients_and_those_that_say_goodbye() -> None:
    async def talk(here: Site, wire: Wire) -> None:
        wire.send(request("ping").replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert (await wire.answer())[0] == 200
        assert await wire.closed() == b""
        other = await here.connect()
        other.send(request("ping", more="Connection: close\r\n"))
        assert (await other.answer())[0] == 200
        assert await other.closed() == b""

    alone(talk)


def test_a_client_may_ask_before_it_sends_its_body() -> None:
    async def talk(_site: Site, wire: Wire) -> None:
        head, _, body = request("allow", ATTEMPT, more="Expect: 100-continue\r\n").partition(b"\r\n\r\n")
        wire.send(head + b"\r\n\r\n")
        assert (await wire.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        wire.send(body)
        assert (await wire.answer())[0] == 200

    alone(talk)


def test_slow_clients_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST", "IDLE", "REQUEST"):
        monkeypatch.setattr(policy_api, name, 0.1)

    async def talk(here: Site, wire: Wire) -> None:
        wire.send(b"POST /?comm")
        assert await wire.closed() == b""
        other = await here.connect()
        other.send(request("allow", ATTEMPT)[:-1])
        assert await other.closed() == b""
        known = await here.connect()
        assert (await known.ask(request("ping")))[0] == 200
        assert await known.closed() == b""

    alone(talk)


def test_those_who_have_not_shown_the_key_are_cut_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_api, "FIRST", 0.2)

    async def talk(here: Site, wire: Wire) -> None:
        silent = await here.connect()
        assert (await wire.ask(request("ping")))[0] == 200
        assert await silent.closed() == b""
        assert (await wire.ask(request("ping")))[0] == 200

    alone(talk)


def test_other_networks_are_refused_before_they_are_read() -> None:
    async def whole() -> None:
        async with site(networks=[ipaddress.ip_network("127.0.0.1/32"), ipaddress.ip_network("::1/128")]) as here:
            far = await here.connect("127.0.0.2")
            with contextlib.suppress(ConnectionError):
                far.send(request("ping"))
            assert await far.closed() == b""
            near = await here.connect()
            assert (await near.ask(request("ping")))[0] == 200
        [told] = here.sink.of(PolicyClientRefused)
        assert (told.peer, told.reason) == ("127.0.0.2", "policy_api.networks")

    run(whole)


def test_connections_are_capped_and_places_come_free() -> None:
    async def whole() -> None:
        async with site(connections=2) as here:
            first, second = await here.connect(), await here.connect()
            for wire in (first, second):
                assert (await wire.ask(request("ping")))[0] == 200
            third = await here.connect()
            assert await third.closed() == b""
            await here.until(PolicyClientRefused)
            first.close()
            await first.writer.wait_closed()
            for _ in range(500):  # until the server has noticed
                wire = await here.connect()
                with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                    assert (await wire.ask(request("ping")))[0] == 200
                    break
                await asyncio.sleep(0.01)
            else:
                pytest.fail("the place never came free")
        assert {told.reason for told in here.sink.of(PolicyClientRefused)} == {"policy_api.connections"}

    run(whole)


def test_https() -> None:
    server, client = contexts()

    async def whole() -> None:
        async with site(tls=server) as here:
            wire = await here.connect(tls=client)
            assert (await wire.ask(request("ping")))[0] == 200
            assert (await wire.ask(request("ping", key="")))[0] == 401
            plain = await here.connect()
            plain.send(request("ping"))
            assert not (await plain.closed()).startswith(b"HTTP")
            # One that failed must not keep others out.
            again = await here.connect(tls=client)
            assert (await again.ask(request("ping")))[0] == 200
        assert not here.sink.of(InternalError)

    run(whole)


def test_stopping_lets_requests_end_and_closes_the_idle() -> None:
    async def whole() -> None:
        async with site() as here:
            idle, busy = await here.connect(), await here.connect()
            assert (await idle.ask(request("ping")))[0] == 200
            data = request("allow", ATTEMPT)
            assert (await busy.ask(data))[0] == 200
            busy.send(data[:-4])
            await asyncio.sleep(0.05)
            here.stop.set()
            assert await idle.closed() == b""
            busy.send(data[-4:])
            status, fields, _ = await busy.answer()
            assert (status, fields["connection"]) == (200, "close")
            assert await busy.closed() == b""
            await asyncio.wait_for(here.ended, SECONDS)
            with pytest.raises(ConnectionError):
                await here.connect()

    run(whole)


class _Defect(GuardEngine):
    def before(self, request: GuardRequest) -> Verdict:
        raise RuntimeError("canary")


def test_a_defect_is_an_event_and_no_traceback() -> None:
    async def whole() -> None:
        async with site(guard_type=_Defect) as here:
            wire = await here.connect()
            assert await wire.ask(request("allow", ATTEMPT)) == (
                500,
                {"status": "failure", "reason": "internal error"},
            )
            assert (await wire.ask(request("ping")))[0] == 200
        [told] = here.sink.of(InternalError)
        assert told.error == "RuntimeError"

    run(whole)


def test_a_client_that_vanishes_leaves_nothing_behind() -> None:
    async def whole() -> None:
        async with site(connections=3) as here:
            for _ in range(50):
                plain = socket.create_connection(("127.0.0.1", here.port))
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                plain.sendall(request("allow", ATTEMPT)[:-1])
                await asyncio.sleep(0.002)
                plain.close()
            await asyncio.sleep(0.05)
            wire = await here.connect()
            assert (await wire.ask(request("ping")))[0] == 200
        assert not here.sink.of(InternalError)

    run(whole)
