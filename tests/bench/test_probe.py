"""Log-ins that fail: what is said, and whose answer is timed."""

import socket
import threading
from collections.abc import Iterator

import pytest
from bench.probe import Trial, run


@pytest.fixture
def refusing_server() -> Iterator[tuple[int, list[bytes]]]:
    """Greets, agrees to everything but the last line; yields its port and what it was told."""
    told: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client, client.makefile("rwb") as stream:
                    stream.write(b"+OK ready\r\n")
                    stream.flush()
                    for answer in (b"+OK\r\n", b"-ERR no\r\n"):
                        told.append(stream.readline())
                        stream.write(answer)
                        stream.flush()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], told


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
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True).start()
        trial = Trial("wrong", "PLAIN", b"anna", b"secret", "127.1.0.7")
        (answer,) = run(listener.getsockname()[1], [trial], [0.0])
    assert answer.said == b"(closed)"
