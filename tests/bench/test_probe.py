"""Log-ins that fail: what is said, and whose answer is timed."""

import socket
from collections.abc import Iterator

import pytest
from bench.probe import Trial, run
from tests.listening import listening


@pytest.fixture
def refusing_server() -> Iterator[tuple[int, list[bytes]]]:
    """Greets, agrees to everything but the last line; yields its port and what it was told."""
    told: list[bytes] = []

    def serve(client: socket.socket) -> None:
        client.sendall(b"+OK ready\r\n")
        with client.makefile("rb") as lines:
            for answer in (b"+OK\r\n", b"-ERR no\r\n"):
                told.append(lines.readline())
                client.sendall(answer)

    with listening(serve) as port:
        yield port, told


def test_each_way_in_says_its_lines_and_keeps_all_answers(refusing_server: tuple[int, list[bytes]]) -> None:
    port, told = refusing_server
    trials = [
        Trial("wrong", "USER/PASS", b"anna", b"secret", "127.1.0.7"),
        Trial("wrong", "PLAIN", b"anna", b"secret", "127.1.1.7"),
    ]
    answers = run(port, trials, [0.0, 0.0])
    assert {answer.trial for answer in answers} == set(trials)
    assert all(answer.said == b"+OK ready\r\n+OK\r\n-ERR no\r\n" and answer.seconds > 0 for answer in answers)
    assert sorted(told) == [b"AGFubmEAc2VjcmV0\r\n", b"AUTH PLAIN\r\n", b"PASS secret\r\n", b"USER anna\r\n"]


def test_a_server_that_closes_is_an_answer_of_its_own() -> None:
    with listening(socket.socket.close) as port:
        trial = Trial("wrong", "PLAIN", b"anna", b"secret", "127.1.0.7")
        (answer,) = run(port, [trial], [0.0])
    assert answer.said == b"(closed)"
