"""The proxy that makes the way longer: octets and ends pass as they are, and later."""

import socket
import threading
import time

from bench.delay import Delay


def _echo(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(65_536):
            connection.sendall(data)


def _write(client: socket.socket, octets: bytes) -> None:
    client.sendall(octets)
    client.shutdown(socket.SHUT_WR)


def test_octets_and_ends_pass_and_take_their_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_echo, args=(listener,))
        thread.start()
        sent = bytes(range(256)) * 4096
        with (
            Delay(listener.getsockname()[1], 0.2) as way,
            socket.create_connection(("127.0.0.1", way.port), 10) as client,
        ):
            begun = time.monotonic()
            writing = threading.Thread(target=_write, args=(client, sent))
            writing.start()
            got = b""
            while data := client.recv(65_536):
                got += data
            seconds = time.monotonic() - begun
            writing.join()
        thread.join()
    assert got == sent
    assert seconds >= 0.2
