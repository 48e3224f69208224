"""TLS on a connection: the STLS boundary, other protocols on the port, failed handshakes, and the orderly close."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from pathlib import Path

import pytest
from tests.peers.authority import Authority
from tests.peers.secrets_of_one import OneAccount
from tests.peers.served import PASSWORD, Client, run, serving

from pillarbox.config.schema_listener import Tls
from pillarbox.events import StlsInjection, TlsFailed, WrongProtocol
from pillarbox.server.connection import Times
from pillarbox.server.tls import build_context

LOGIN = b"USER anna\r\nPASS " + PASSWORD + b"\r\n"


async def _closed_unanswered(client: Client) -> bytes:
    try:
        return await client.rest()
    finally:
        client.close()


@pytest.mark.parametrize("line", [b"STLS\r\n", b"stls\r\n", b"STLS \r\n", b"STLS\n"])
@pytest.mark.parametrize("injected", [b"CAPA\r\n", b"\r\n", b"\n", b"Q"])
def test_p51_octets_behind_stls_end_the_connection_at_every_split(line: bytes, injected: bytes) -> None:
    async def test() -> None:
        async with serving() as served:
            data = line + injected
            for number, cut in enumerate(range(len(data)), 1):  # cut 0: all at once
                client = await served.connect(served.pop3)
                await client.line()
                for part in (data[:cut], data[cut:]):
                    if part:
                        await client.send(part)
                        await asyncio.sleep(0.005)
                replies = await _closed_unanswered(client)
                assert replies.count(b"\r\n") <= 1, f"cut at {cut}"
                assert not replies or replies.startswith(b"+OK begin TLS")
                assert (await served.ended(number)).how == "stls injection"
            assert sum(event.octets for event in served.sink.of(StlsInjection)) > 0
            assert len(served.sink.of(StlsInjection)) == len(data)

    run(test)


def test_p51_a_client_hello_in_front_of_the_reply_is_not_trusted() -> None:
    """A handshake that begins in the packet of STLS came before the boundary, and so does what hides behind it."""

    async def test() -> None:
        async with serving() as served:
            client = await served.connect(served.pop3)
            await client.line()
            await client.send(b"STLS\r\n" + client.hello())
            await _closed_unanswered(client)
            assert (await served.ended()).how == "stls injection"

    run(test)


@pytest.mark.parametrize("port", ["pop3", "pop3s"])
def test_p51_the_first_command_may_come_with_the_end_of_the_handshake(port: str) -> None:
    async def test() -> None:
        async with serving() as served:
            client = await served.connect(served.pop3 if port == "pop3" else served.pop3s)
            if port == "pop3":
                await client.line()
                assert (await client.ask(b"STLS")).startswith(b"+OK")
            await client.start_tls(LOGIN + b"QUIT\r\n")
            assert (await client.rest()).endswith(b"+OK bye\r\n")
            assert (await served.ended()).how == "quit"

    run(test)


def test_p51_state_starts_afresh() -> None:
    async def test() -> None:
        async with serving() as served:
            client = await served.connect(served.open)  # where USER is accepted in clear
            await client.line()
            assert (await client.ask(b"USER anna")).startswith(b"+OK")
            assert (await client.ask(b"UTF8")).startswith(b"+OK")
            assert (await client.ask(b"STLS")).startswith(b"+OK")
            await client.start_tls()
            assert (await client.ask(b"PASS " + PASSWORD)).startswith(b"-ERR")
            assert (await client.ask(b"STLS")).startswith(b"-ERR")  # P52
            assert (await client.ask(b"USER anna")).startswith(b"+OK")
            assert (await client.ask(b"PASS " + PASSWORD)).startswith(b"+OK")
            client.close()

    run(test)


def test_p51_no_plaintext_is_left_in_the_parser_when_a_partial_line_came_before() -> None:
    async def test() -> None:
        async with serving() as served:
            client = await served.connect(served.pop3)
            await client.line()
            await client.send(b"STL")
            await asyncio.sleep(0.02)
            await client.send(b"S\r\n")
            assert (await client.line()).startswith(b"+OK")
            await client.start_tls()
            await client.send(LOGIN)
            assert (await client.line()).startswith(b"+OK")
            assert (await client.line()).startswith(b"+OK")
            client.close()

    run(test)


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"CAPA\r\n", b"\0", b"\x80\x2e\x01\0\2"])
def test_p55_cleartext_on_the_tls_port_gets_no_answer(data: bytes) -> None:
    async def test() -> None:
        async with serving() as served:
            client = await served.connect(served.pop3s)
            await client.send(data)
            assert await _closed_unanswered(client) == b""
            assert (await served.ended()).how == "wrong protocol"
            assert len(served.sink.of(WrongProtocol)) == 1

    run(test)


def test_p55_tls_on_the_cleartext_port_gets_no_reply() -> None:
    async def test() -> None:
        async with serving() as served:
            client = await served.connect(served.pop3)
            greeting = await client.line()
            assert greeting.startswith(b"+OK")
            await client.send(client.hello())
            assert await _closed_unanswered(client) == b""
            assert len(await served.until(WrongProtocol)) == 1

    run(test)


def test_p55_http_on_the_cleartext_port_ends_soon() -> None:
    async def test() -> None:
        async with serving() as served:
            client = await served.connect(served.pop3)
            await client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nX: y\r\n\r\n")
            answer = await _closed_unanswered(client)
            assert b"HTTP" not in answer
            await served.ended()

    run(test)


def test_p53_a_broken_handshake_is_fatal_and_an_event() -> None:
    async def test() -> None:
        async with serving() as served:
            client = await served.connect(served.pop3s)
            await client.send(b"\x16\x03\x01\x00\x05hello" + b"x" * 50)
            await _closed_unanswered(client)
            await served.until(TlsFailed)
            assert (await served.ended()).how == "tls failed"

    run(test)


def test_p53_a_silent_handshake_is_timed_out() -> None:
    async def test() -> None:
        async with serving(times=Times(handshake=0.3, login=5, idle=600, stall=5)) as served:
            first = await served.connect(served.pop3s)  # says nothing at all
            second = await served.connect(served.pop3s)
            await second.send(second.hello()[:40])  # begins, and stops
            assert await _closed_unanswered(first) == b""
            await _closed_unanswered(second)
            await served.ended(2)

    run(test)


def test_p53_handshakes_have_a_cap() -> None:
    async def test() -> None:
        async with serving(handshakes=1) as served:
            first = await served.connect(served.pop3s)
            await first.send(first.hello()[:40])
            await asyncio.sleep(0.05)
            second = await served.connect(served.pop3s)
            await second.send(second.hello())
            assert await _closed_unanswered(second) == b""
            assert (await served.ended()).how == "no place"
            first.close()
            await served.ended(2)
            third = await served.connect(served.pop3s)
            await third.start_tls()
            assert (await third.line()).startswith(b"+OK")
            third.close()

    run(test)


@pytest.mark.parametrize("behind", [b"", b"NOOP\r\n" * 3])
def test_p56_close_notify_is_sent_also_when_more_commands_came_behind_quit(behind: bytes) -> None:
    async def test() -> None:
        async with serving() as served:
            client = await served.connect(served.pop3s)
            await client.start_tls()
            await client.line()
            await client.send(b"QUIT\r\n")
            if behind:
                await client.send(behind)
            assert (await client.line()).startswith(b"+OK")
            assert await client.receive() == b""  # close_notify; a bare FIN would raise
            client.close()
            assert (await served.ended()).how == "quit"

    run(test)


def test_p23_quit_with_unread_input_behind_it_still_gets_its_reply() -> None:
    """Unread input makes the kernel answer a close with RST, which can destroy the reply on its way."""

    async def test() -> None:
        async with serving() as served:
            for tls in (False, True):
                client = await served.connect(served.pop3s if tls else served.open)
                if tls:
                    await client.start_tls()
                await client.line()
                await client.send(b"QUIT\r\n" + b"NOOP\r\n" * 10_000)
                await asyncio.sleep(0.05)
                assert (await client.line()).startswith(b"+OK")
                client.close()

    run(test)


def test_a_bad_client_certificate_is_an_event_that_says_why(tmp_path: Path) -> None:
    """P53: and the next client is served."""
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    certificate, key = authority.issue("localhost", server=True)
    wanted = {"client_ca": authority.path, "client_certificates": "optional"}
    tls = build_context(Tls.model_validate({"certificate": certificate, "key": key, **wanted}))
    accounts = OneAccount()

    async def connect(port: int, pair: tuple[Path, Path] | None) -> bytes:
        context = ssl.create_default_context(cafile=str(authority.path))
        if pair is not None:
            context.load_cert_chain(*pair)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        try:
            await reader.readline()
            writer.write(b"AUTH EXTERNAL =\r\n")
            return await reader.readline()
        finally:
            writer.close()
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                await writer.wait_closed()

    async def test() -> None:
        async with serving(tls=tls, authenticator=accounts, mechanisms=("PLAIN", "EXTERNAL")) as served:
            for pair in (authority.issue("ada", days=-1), stranger.issue("ada")):
                with contextlib.suppress(ssl.SSLError, ConnectionError):
                    assert await connect(served.pop3s, pair) == b""
            reasons = [event.reason for event in await served.until(TlsFailed, 2)]
            assert reasons[0] == "CERTIFICATE_VERIFY_FAILED: certificate has expired"
            assert reasons[1].startswith("CERTIFICATE_VERIFY_FAILED: unable to get local issuer certificate")
            good = authority.issue("ada")
            accounts.certificate = authority.der(good[0])
            assert (await connect(served.pop3s, None)).startswith(b"-ERR that mechanism")
            assert (await connect(served.pop3s, authority.issue("bob"))).startswith(b"-ERR [AUTH]")
            assert (await connect(served.pop3s, good)).startswith(b"+OK")
            await served.ended(5)

    run(test)


def test_the_greeting_holds_apops_timestamp_where_it_is_on() -> None:
    """RFC 1939 §7."""

    async def test() -> None:
        for mechanisms, pattern in (
            (("PLAIN",), rb"\+OK ready"),
            (("PLAIN", "APOP"), rb"\+OK ready <[^<> ]+@localhost>"),
        ):
            async with serving(mechanisms=mechanisms) as served:
                client = await served.connect()
                assert re.fullmatch(pattern, await client.line())

    run(test)
