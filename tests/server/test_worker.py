"""The worker: limits, the PROXY protocol, who may log in without TLS, and stopping."""

from __future__ import annotations

import asyncio

import pytest
from tests.peers.served import LOOPBACK, PASSWORD, run, serving

from pillarbox.events import ConnectionRefused, ProxyHeaderRefused
from pillarbox.server.pace import STRANGERS, Pace
from pillarbox.server.worker import canonical

MAIL = b"Subject: x\n\nbody\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([192, 0, 2, 7, 127, 0, 0, 1]) + b"\x04\xd2\0\x6e"


def test_addresses_are_written_in_one_way() -> None:
    assert canonical("192.0.2.1") == "192.0.2.1"
    assert canonical("::ffff:192.0.2.1") == "192.0.2.1"
    assert canonical("fe80::1%eth0") == "fe80::1"
    assert canonical("2001:db8::1") == "2001:db8::1"


# ---- limits ---------------------------------------------------------------------------------------------------------


def test_p58_over_a_limit_is_a_greeting_and_a_close() -> None:
    async def test() -> None:
        async with serving(limit=1) as served:
            first = await served.connect()
            assert (await first.line()).startswith(b"+OK")
            second = await served.connect()
            assert (await second.rest()).startswith(b"-ERR [SYS/TEMP] ")
            third = await served.connect(served.pop3s)
            await third.start_tls()
            assert (await third.rest()).startswith(b"-ERR [SYS/TEMP] ")
            refused = await served.until(ConnectionRefused, 2)
            assert {event.limit for event in refused} == {"limits.connections"}
            second.close()
            third.close()
            await served.ended(2)
            first.close()
            await served.ended(3)
            fourth = await served.connect()
            assert (await fourth.line()).startswith(b"+OK")

    run(test)


def test_a_refused_connection_gives_no_place_back_that_it_never_had() -> None:
    async def test() -> None:
        async with serving(limit=1) as served:
            first = await served.connect()
            await first.line()
            for number in range(1, 4):
                refused = await served.connect()
                assert (await refused.line()).startswith(b"-ERR")
                refused.close()
                await served.ended(number)
            assert served.gate.admitted == ["127.0.0.1"]

    run(test)


def test_p58_strangers_that_come_too_fast_are_told_at_once_and_hold_no_place() -> None:
    async def test() -> None:
        pace = Pace(1, knows=lambda address: False, clock=lambda: 0.0)
        async with serving(pace=pace) as served:
            first = await served.connect()
            assert (await first.line()).startswith(b"+OK")
            for _ in range(3):
                turned_away = await served.connect()
                assert (await turned_away.rest()).startswith(b"-ERR [SYS/TEMP] ")
                turned_away.close()
            over_tls = await served.connect(served.pop3s)
            assert await over_tls.rest() == b""
            over_tls.close()
            (event,) = await served.until(ConnectionRefused, 1)
            assert event.limit == STRANGERS
            assert served.gate.admitted == ["127.0.0.1"]

    run(test)


def test_who_is_at_home_never_waits_for_strangers() -> None:
    async def test() -> None:
        pace = Pace(1, knows=lambda address: address == "127.0.0.1", clock=lambda: 0.0)
        assert pace.admits()
        async with serving(pace=pace) as served:
            for _ in range(5):
                client = await served.connect()
                assert (await client.line()).startswith(b"+OK")
                client.close()

    run(test)


def test_behind_a_proxy_the_client_is_the_stranger() -> None:
    async def test() -> None:
        pace = Pace(1, knows=lambda address: address == "192.0.2.8", clock=lambda: 0.0)
        assert pace.admits()
        async with serving(proxies=LOOPBACK, pace=pace) as served:
            stranger = await served.connect()
            await stranger.send(b"PROXY TCP4 192.0.2.7 127.0.0.1 1234 110\r\n")
            assert await stranger.rest() == b""
            at_home = await served.connect()
            await at_home.send(b"PROXY TCP4 192.0.2.8 127.0.0.1 1234 110\r\n")
            assert (await at_home.line()).startswith(b"+OK")

    run(test)


# ---- PROXY protocol -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [b"PROXY TCP4 192.0.2.7 127.0.0.1 1234 110\r\n", V2])
@pytest.mark.parametrize("tls", [False, True])
def test_p61_the_header_names_the_client_at_every_split(header: bytes, tls: bool) -> None:
    async def test() -> None:
        async with serving(proxies=LOOPBACK) as served:
            for number, cut in enumerate(range(0, len(header), 3), 1):
                client = await served.connect(served.pop3s if tls else served.pop3)
                for part in (header[:cut], header[cut:]):
                    if part:
                        await client.send(part)
                        await asyncio.sleep(0.002)
                if tls:
                    await client.start_tls()
                assert (await client.line()).startswith(b"+OK")
                assert (await client.ask(b"QUIT")).startswith(b"+OK")
                client.close()
                assert (await served.ended(number)).peer == "192.0.2.7"

    run(test)


def test_p61_what_follows_the_header_in_one_packet_is_the_clients() -> None:
    async def test() -> None:
        async with serving(proxies=LOOPBACK) as served:
            client = await served.connect(served.pop3)
            await client.send(V2 + b"CAPA\r\nQUIT\r\n")
            answer = await client.rest()
            assert answer.startswith(b"+OK ready\r\n+OK")
            assert answer.endswith(b"+OK bye\r\n")

    run(test)


@pytest.mark.parametrize(
    "data", [b"CAPA\r\n", b"\x16\x03\x01", b"PROXY TCP4 x\r\n", b"PROXY TCP4 " + b"1" * 200, V2[:12] + b"\xff" * 20]
)
def test_p61_a_bad_header_is_refused_unanswered(data: bytes) -> None:
    async def test() -> None:
        async with serving(proxies=LOOPBACK) as served:
            client = await served.connect(served.pop3)
            await client.send(data)
            assert await client.rest() == b""
            assert len(await served.until(ProxyHeaderRefused)) == 1
            assert not served.gate.admitted

    run(test)


def test_p61_a_missing_header_is_timed_out() -> None:
    async def test() -> None:
        async with serving(proxies=LOOPBACK, proxy_header=0.2) as served:
            silent = await served.connect(served.pop3)
            begun = await served.connect(served.pop3)
            await begun.send(b"PROXY TC")
            assert await silent.rest() == b""
            assert await begun.rest() == b""
            assert len(await served.until(ProxyHeaderRefused, 2)) == 2

    run(test)


def test_p61_from_elsewhere_a_header_is_not_understood() -> None:
    async def test() -> None:
        async with serving() as served:
            client = await served.connect(served.pop3)
            assert (await client.line()).startswith(b"+OK")
            assert (await client.ask(b"PROXY TCP4 192.0.2.7 127.0.0.1 1234 110")).startswith(b"-ERR")
            client.close()
            assert (await served.ended()).peer == "127.0.0.1"

    run(test)


def test_p61_the_exception_for_cleartext_logins_goes_by_the_true_client() -> None:
    """The load balancer's own address is in the networks of the exception; the client's is not."""

    async def test() -> None:
        async with serving(proxies=LOOPBACK) as served:
            client = await served.connect(served.open)
            await client.send(V2)
            await client.line()
            assert (await client.ask(b"USER anna")).startswith(b"-ERR")

    run(test)


# ---- stopping -------------------------------------------------------------------------------------------------------


def test_p57_stopping_lets_sessions_finish_then_asks_them_to_go() -> None:
    async def test() -> None:
        async with serving(grace=0.3) as served:
            served.store.deliver("anna", MAIL)
            client = await served.login()
            assert (await client.ask(b"DELE 1")).startswith(b"+OK")
            served.stopping.set()
            await asyncio.sleep(0.05)
            assert (await client.ask(b"NOOP")).startswith(b"+OK")  # still served
            with pytest.raises(ConnectionRefusedError):
                await served.connect()
            assert (await client.rest()).startswith(b"-ERR [SYS/TEMP] ")
            client.close()
            ended = await served.ended()
            assert (ended.how, ended.deleted) == ("shutdown", 0)

    run(test)


def test_p57_a_session_that_quits_in_time_deletes() -> None:
    async def test() -> None:
        async with serving(grace=5) as served:
            served.store.deliver("anna", MAIL)
            client = await served.login()
            await client.ask(b"DELE 1")
            served.stopping.set()
            await asyncio.sleep(0.05)
            assert (await client.ask(b"QUIT")).startswith(b"+OK")
            client.close()
            assert (await served.ended()).deleted == 1

    run(test)


def test_p57_a_session_that_takes_nothing_is_cut_and_deletes_nothing() -> None:
    async def test() -> None:
        async with serving() as served:
            served.store.deliver("anna", b"Subject: x\n\n" + b"y" * 5_000_000)
            client = await served.login(receive_buffer=4096)
            await client.send(b"DELE 1\r\nRSET\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n")
            await client.line()
            served.stopping.set()
            ended = await served.ended()
            assert (ended.how, ended.deleted) == ("cut", 0)

    run(test)


def test_p57_a_session_in_the_middle_of_a_reply_is_told_behind_it() -> None:
    async def test() -> None:
        async with serving() as served:
            served.store.deliver("anna", b"Subject: x\n\n" + b"y" * 5_000_000)
            client = await served.login(receive_buffer=4096)
            await client.send(b"RETR 1\r\n")
            await client.line()
            served.stopping.set()
            await asyncio.sleep(0.1)
            rest = await client.rest()
            assert b"\r\n.\r\n-ERR [SYS/TEMP] " in rest[-200:]
            assert (await served.ended()).how == "shutdown"

    run(test)


def test_draining_waits_for_the_last_session() -> None:
    async def test() -> None:
        async with serving() as served:
            client = await served.login()
            served.draining.set()
            await asyncio.sleep(0.05)
            with pytest.raises(ConnectionRefusedError):
                await served.connect()
            assert (await client.ask(b"NOOP")).startswith(b"+OK")
            assert (await client.ask(b"QUIT")).startswith(b"+OK")
            client.close()
            assert (await served.ended()).how == "quit"

    run(test)


def test_many_sessions_at_once() -> None:
    async def test() -> None:
        async with serving() as served:

            async def session(number: int) -> None:
                account = f"user{number}"
                served.store.deliver(account, MAIL)
                client = await served.connect()
                await client.send(b"USER " + account.encode() + b"\r\nPASS " + PASSWORD + b"\r\nDELE 1\r\nQUIT\r\n")
                assert (await client.rest()).count(b"+OK") == 5
                client.close()

            await asyncio.gather(*(session(number) for number in range(200)))
            await served.ended(200)
            assert sum(event.deleted for event in served.sink.of(type(await served.ended()))) == 200

    run(test)
