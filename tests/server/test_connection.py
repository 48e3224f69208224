"""One connection over real sockets: order, back-pressure, and every way a connection can end (TLS is apart)."""

from __future__ import annotations

import asyncio

import pytest
from tests.peers.served import PASSWORD, Served, run, serving

from pillarbox.events import InternalError
from pillarbox.maildrop.stores.memory import MemoryMaildrop, MemoryStore
from pillarbox.server.connection import Times
from pillarbox.session.context import Policy

LOGIN = b"USER anna\r\nPASS " + PASSWORD + b"\r\n"
MAIL = b"Subject: x\n\n.dot\nbody\n"


# ---- commands and replies -------------------------------------------------------------------------------------------


def test_whole_session_octet_by_octet() -> None:
    """A client that sends every octet in a packet of its own is served like any other."""

    async def test() -> None:
        async with serving() as served:
            served.store.deliver("anna", MAIL)
            client = await served.connect()
            for octet in LOGIN + b"STAT\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n":
                await client.send(bytes([octet]))
                await asyncio.sleep(0)
            lines = (await client.rest()).split(b"\r\n")
            assert [line[:4] for line in lines] == [
                *(b"+OK ", b"+OK ", b"+OK ", b"+OK ", b"+OK ", b"Subj", b"", b"..do", b"body", b".", b"+OK ", b"+OK "),
                b"",
            ]
            assert (await served.ended()).deleted == 1

    run(test)


def test_p35_pipelined_commands_run_in_order_after_login() -> None:
    async def test() -> None:
        async with serving() as served:
            served.store.deliver("anna", MAIL)
            client = await served.connect()
            await client.send(LOGIN + b"STAT\r\nBOGUS\r\nLIST 1\r\nNOOP\r\nQUIT\r\n")
            lines = (await client.rest()).split(b"\r\n")
            assert [line[:3] for line in lines] == [b"+OK"] * 4 + [b"-ER"] + [b"+OK"] * 3 + [b""]
            assert lines[3] == b"+OK 1 26"

    run(test)


def test_p36_ten_thousand_retrs_unread_cost_bounded_memory_and_are_timed_out() -> None:
    async def test() -> None:
        async with serving(times=Times(5, 5, 600, stall=0.3)) as served:
            served.store.deliver("anna", b"Subject: x\n\n" + b"y" * 50_000 + b"\n")
            client = await served.login(receive_buffer=4096)
            await client.send(b"RETR 1\r\n" * 10_000)
            ended = await served.ended()
            assert ended.how == "stalled"
            # What left is what the kernel's buffers hold; the rest was never made.
            assert ended.commands < 10_000
            assert ended.retrieved == 1
            client.close()

    run(test)


def test_p36_a_flood_of_input_is_left_in_the_kernel() -> None:
    async def test() -> None:
        async with serving(times=Times(5, 5, 600, stall=0.5)) as served:
            served.store.deliver("anna", b"Subject: x\n\n" + b"y" * 3_000_000 + b"\n")
            client = await served.login(receive_buffer=4096)
            await client.send(b"RETR 1\r\n" * 10)
            flood = asyncio.create_task(client.send(b"NOOP\r\n" * 2_000_000))
            ended = await served.ended()
            assert ended.how == "stalled"
            assert ended.received < 200_000
            flood.cancel()
            await asyncio.wait([flood])
            client.close()

    run(test)


def test_p38_a_slow_reader_that_makes_progress_is_served_to_the_end() -> None:
    async def test() -> None:
        message = b"Subject: x\n\n" + b"y" * 2_000_000 + b"\n"
        async with serving(times=Times(5, 5, 600, stall=0.6)) as served:
            served.store.deliver("anna", message)
            client = await served.login(receive_buffer=16_384)
            await client.send(b"RETR 1\r\nQUIT\r\n")
            got = bytearray()
            while data := await client.receive():
                got += data
                if len(got) % 8 == 0:
                    await asyncio.sleep(0.001)
            assert bytes(got).endswith(b"y\r\n.\r\n+OK bye\r\n")
            assert (await served.ended()).how == "quit"

    run(test)


@pytest.mark.parametrize("ending", [b"", b"\n"])
@pytest.mark.parametrize("size", [10, 300, 100_000, 262_144, 262_145, 600_000])
def test_p11_the_final_line_leaves_with_what_is_before_it(
    size: int, ending: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pillarbox.server.channel import Channel

    writes: list[bytes] = []
    write = Channel.write

    async def recorded(self: Channel, data: bytes | bytearray, seconds: float) -> None:
        writes.append(bytes(data))
        await write(self, data, seconds)

    monkeypatch.setattr(Channel, "write", recorded)

    async def test() -> None:
        async with serving() as served:
            served.store.deliver("anna", b"Subject: x\n\n" + b"y" * size + ending)
            client = await served.login()
            await client.send(b"RETR 1\r\n")
            await client.line()
            body = await client.body()
            assert len(body) == len(b"Subject: x\r\n\r\n") + size + 2
            client.close()

    run(test)
    assert [data for data in writes if data.endswith(b"\r\n.\r\n")]
    assert b".\r\n" not in writes


@pytest.mark.parametrize("tls", [False, True])
def test_large_messages_arrive_whole(tls: bool) -> None:
    async def test() -> None:
        message = b"Subject: x\n\n" + b"".join(b".%d\n" % number for number in range(300_000))
        async with serving() as served:
            served.store.deliver("anna", message)
            client = await served.connect(served.pop3s if tls else served.open)
            if tls:
                await client.start_tls()
            await client.line()
            await client.send(LOGIN + b"RETR 1\r\nNOOP\r\n")
            for _ in range(3):
                assert (await client.line()).startswith(b"+OK")
            body = await client.body()
            assert body.replace(b"\r\n..", b"\r\n.").replace(b"\r\n", b"\n") == message
            assert (await client.line()).startswith(b"+OK")
            client.close()

    run(test)


# ---- ends -----------------------------------------------------------------------------------------------------------


async def _left(served: Served) -> int:
    """How many messages a new session of anna finds."""
    client = await served.login()
    answer = await client.ask(b"STAT")
    await client.ask(b"QUIT")
    client.close()
    return int(answer.split()[1])


@pytest.mark.parametrize("tls", [False, True])
def test_p37_quit_and_fin_get_their_reply_and_their_deletions(tls: bool) -> None:
    async def test() -> None:
        async with serving() as served:
            served.store.deliver("anna", MAIL)
            client = await served.connect(served.pop3s if tls else served.open)
            if tls:
                await client.start_tls()
            await client.send(LOGIN + b"DELE 1\r\nQUIT\r\n")
            client.fin()  # under TLS too a bare FIN, as many clients do
            assert (await client.rest()).endswith(b"+OK bye\r\n")
            assert (await served.ended()).deleted == 1
            assert await _left(served) == 0

    run(test)


@pytest.mark.parametrize("how", ["fin", "reset", "close"])
@pytest.mark.parametrize("unfinished", [b"", b"QUIT", b"QUIT\r", b"DELE 2\r\n"])
def test_p21_p37_an_end_without_quit_deletes_nothing(how: str, unfinished: bytes) -> None:
    async def test() -> None:
        async with serving() as served:
            served.store.deliver("anna", MAIL)
            served.store.deliver("anna", MAIL)
            client = await served.login()
            assert (await client.ask(b"DELE 1")).startswith(b"+OK")
            await client.send(unfinished)
            {"fin": client.fin, "reset": client.reset, "close": client.close}[how]()
            ended = await served.ended()
            assert (ended.how, ended.deleted) == ("closed", 0)
            client.close()
            assert await _left(served) == 2

    run(test)


def test_p21_a_reset_while_a_long_reply_is_sent_deletes_nothing() -> None:
    async def test() -> None:
        async with serving() as served:
            served.store.deliver("anna", b"Subject: x\n\n" + b"y" * 5_000_000 + b"\n")
            client = await served.login(receive_buffer=4096)
            await client.send(b"DELE 1\r\nRSET\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n")
            await client.line()
            client.reset()
            assert (await served.ended()).how == "closed"
            assert await _left(served) == 1

    run(test)


def test_p38_idle_closes_without_update_and_without_a_reply() -> None:
    async def test() -> None:
        async with serving(times=Times(5, 5, idle=0.3, stall=5)) as served:
            served.store.deliver("anna", MAIL)
            client = await served.login()
            await client.ask(b"DELE 1")
            assert await client.rest() == b""
            client.close()
            ended = await served.ended()
            assert (ended.how, ended.marked, ended.deleted) == ("idle", 1, 0)
            assert await _left(served) == 1

    run(test)


def test_p38_before_login_the_time_is_total() -> None:
    async def test() -> None:
        async with serving(times=Times(5, login=0.5, idle=600, stall=5)) as served:
            client = await served.connect()
            await client.line()

            async def keep_asking() -> None:
                while True:
                    await client.ask(b"CAPA")
                    await client.body()
                    await asyncio.sleep(0.05)

            with pytest.raises((AssertionError, ConnectionError)):  # each command is in time, all of them are not
                await keep_asking()
            client.close()
            assert (await served.ended()).how == "login time-out"

    run(test)


def test_p33_too_many_bad_commands_are_answered_and_end_it() -> None:
    async def test() -> None:
        async with serving(policy=Policy(bad_commands_before_login=3)) as served:
            client = await served.connect()
            await client.send(b"A\r\nB\r\nC\r\nD\r\n")
            assert (await client.rest()).count(b"-ERR") == 3
            assert (await served.ended()).how == "refused"
            client.close()

    run(test)


class _BrokenMaildrop(MemoryMaildrop):
    """Fails in the middle of a long body, in a way no store may."""

    async def read(self, index: int, start: int, stop: int) -> object:  # type: ignore[override]
        if start > 500_000:
            raise OSError(5, "input/output error")
        return await super().read(index, start, stop)


class _BrokenStore(MemoryStore):
    async def open(self, maildrop: str, session: str, *, utf8: bool = False, read_only: bool = False) -> MemoryMaildrop:
        opened = await super().open(maildrop, session, utf8=utf8, read_only=read_only)
        opened.__class__ = _BrokenMaildrop
        return opened


def test_a_defect_in_the_middle_of_a_body_is_an_event_and_a_cut() -> None:
    """No traceback anywhere: an event says where, the client sees an incomplete reply, the lease is given back."""

    async def test() -> None:
        async with serving(store=_BrokenStore(clock=lambda: 0.0)) as served:
            served.store.deliver("anna", b"Subject: x\n\n" + b"y" * 2_000_000 + b"\n")
            client = await served.login()
            await client.send(b"RETR 1\r\n")
            assert not (await client.rest()).endswith(b"\r\n.\r\n")
            client.close()
            assert (await served.ended()).how == "error"
            assert served.sink.of(InternalError)
            assert await _left(served) == 1

    run(test)


def test_p22_p41_no_two_sessions_of_one_maildrop() -> None:
    async def test() -> None:
        async with serving() as served:
            first = await served.login()
            second = await served.connect()
            await second.line()
            await second.ask(b"USER anna")
            assert (await second.ask(b"PASS " + PASSWORD)).startswith(b"-ERR [IN-USE]")
            first.reset()
            await served.ended()
            await second.ask(b"USER anna")
            assert (await second.ask(b"PASS " + PASSWORD)).startswith(b"+OK")
            second.close()

    run(test)


def test_p25_a_read_only_account_is_told_at_dele() -> None:
    async def test() -> None:
        async with serving() as served:
            served.store.deliver("reader", MAIL)
            client = await served.login("reader")
            assert (await client.ask(b"DELE 1")).startswith(b"-ERR [SYS/PERM]")
            assert (await client.ask(b"QUIT")).startswith(b"+OK")
            client.close()

    run(test)
