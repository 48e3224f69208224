"""One message: its octets, their hash, and what becomes of it."""

from __future__ import annotations

import hashlib

import pytest
from tests.client.driving import plan, run
from tests.client.scripted import Server

from pillarbox.client.body import Body
from pillarbox.client.conversation import Conversation
from pillarbox.client.errors import UsageError

MAIL = [b"Subject: %d\r\n\r\nbody\r\n" % n for n in range(1, 4)]


def opened(server: Server) -> Conversation:
    talk = Conversation(plan())
    run(talk.begin(), server)
    return talk


def read(body: Body, server: Server) -> bytes:
    ticket = run(body.open(), server)
    pieces = []
    while (piece := run(body.piece(ticket), server)) is not None:
        pieces.append(piece)
    return b"".join(pieces)


def test_it_can_be_read_again_and_again() -> None:
    server = Server(MAIL, piece=9)
    talk = opened(server)
    body = Body(talk, run(talk.entry(2), server))
    assert (body.octets, body.sha256) == (0, None)
    for _ in range(2):
        assert read(body, server) == MAIL[1]
        assert (body.octets, body.sha256) == (len(MAIL[1]), hashlib.sha256(MAIL[1]).digest())


def test_two_readings_at_once_do_not_mix() -> None:
    server = Server(MAIL, piece=9)
    talk = opened(server)
    body = Body(talk, run(talk.entry(2), server))
    first = run(body.open(), server)
    run(body.piece(first), server)
    second = run(body.open(), server)
    with pytest.raises(UsageError, match="anew"):
        run(body.piece(first), server)
    assert run(body.piece(second), server)
    assert body.sha256 is None


def test_a_deletion_goes_out_at_once() -> None:
    server = Server(MAIL)
    talk = opened(server)
    body = Body(talk, run(talk.entry(2), server))
    run(body.delete(), server)
    assert server.heard[-1] == b"DELE 2"
    with pytest.raises(UsageError):
        run(body.done("30d"), server)
    body.skip("nobody asks")
