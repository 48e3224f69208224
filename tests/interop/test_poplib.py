"""Python's poplib: it gives lines without their ends, dots unstuffed."""

from __future__ import annotations

import poplib

import pytest
from tests.interop.conftest import PASSWORD, Box, digest

pytestmark = pytest.mark.peer


@pytest.mark.parametrize("tls", ["implicit", "stls"])
def test_poplib_fetches_everything_and_deletes(box: Box, tls: str) -> None:
    context = box.server.client_context()
    client: poplib.POP3
    if tls == "implicit":
        client = poplib.POP3_SSL("localhost", box.server.pop3s_port, context=context)
    else:
        client = poplib.POP3("localhost", box.server.pop3_port)
        client.stls(context)
    client.user(box.user)
    client.pass_(PASSWORD)
    count, total = client.stat()
    listed = [int(line.split()[1]) for line in client.list()[1]]
    got, octets = [], 0
    for number in range(1, count + 1):
        lines = client.retr(number)[1]
        message = b"".join(line + b"\r\n" for line in lines)
        got.append(digest(message))
        octets += len(message)
        assert listed[number - 1] == len(message)
        client.dele(number)
    client.quit()
    assert got == box.expected
    assert octets == total
    assert box.left() == 0
