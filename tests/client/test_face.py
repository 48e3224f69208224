"""Arguments that do not fit, and what can be asked without waiting."""

from __future__ import annotations

import pytest
from tests.client.scripted import Server, client

from pillarbox.client import Client, Password, UsageError


def test_a_password_or_another_way_but_not_both() -> None:
    with pytest.raises(UsageError, match="not both"):
        Client("pops://ada@h", password="x", auth=Password("x"))


def test_what_is_known_before_and_after() -> None:
    server = Server([b"x\r\n"], greeting=b"+OK Box ready <1.2@h>\r\n")
    box = client(server)
    assert (box.greeting, box.capabilities.known, box.secured, box.pipelining) == ("", False, None, None)
    assert repr(box) == "<Client pop3://ada@mail.example.org:110>"
    assert box.account == "pop3://ada@mail.example.org:110"
    with box:
        assert box.greeting == "Box ready <1.2@h>"
        assert box.capabilities.uidl
        assert box.pipelining is True
        assert box.unique_ids is None
        assert box.usable
        message = box.message(1)
        assert (message.number, message.size, message.unique_id, message.octets) == (1, 3, b"id1", 0)
        assert message.entry == box.listing()[0]
    assert not box.usable


def test_without_a_way_to_prove_who_one_is_there_is_no_login() -> None:
    server = Server()
    with client(server, password=None) as box:
        assert box.capabilities.known
    assert server.heard == [b"CAPA", b"QUIT"]
