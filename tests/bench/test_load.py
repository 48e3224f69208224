"""The load generator's command line, and its refusals."""

import shutil
import socket
from collections.abc import Iterator

import pytest
from bench.load import Generator, Job, LoadError, build
from tests.listening import listening

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def test_options_are_popload_s() -> None:
    arguments = Job("drainp", 110, tls=True, users=4, threads=8).arguments()

    assert arguments[-3:] == ["--tls", "110", "drainp"]
    assert "--threads=4" in arguments  # never more sessions at a time than maildrops
    assert "--users=4" in arguments


@pytest.fixture
def refusing_server() -> Iterator[int]:
    """Greets and refuses every USER; yields its port."""

    def serve(client: socket.socket) -> None:
        client.sendall(b"+OK ready\r\n")
        client.recv(100)
        client.sendall(b"-ERR [AUTH] no\r\n")

    with listening(serve) as port:
        yield port


@needs_compiler
def test_a_refused_login_is_an_error_with_the_servers_words(refusing_server: int) -> None:
    build()
    with pytest.raises(LoadError, match=r"USER.*\[AUTH\] no"):
        Generator([0]).run(Job("stat", refusing_server, users=1, threads=1, sessions=1))


@needs_compiler
def test_sessions_that_cannot_be_held_are_an_error(refusing_server: int) -> None:
    build()
    with pytest.raises(LoadError, match="no"), Generator([0]).hold(Job("hold", refusing_server, users=1, threads=1)):
        pytest.fail("there is nothing to hold")
