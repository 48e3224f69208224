"""A listener on loopback for tests whose other side is a few lines of their own."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

SECONDS = 10.0
"""How long the other side may let a connection wait."""


@contextlib.contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve connections one after the other, each closed after it; yields the port.

    Whoever is left waiting in `accept` may go on with the number of a descriptor that belongs to somebody else by then,
    and take their connections: so nothing waits any more when this ends.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:

        def loop() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with contextlib.suppress(OSError), connection:
                    connection.settimeout(SECONDS)
                    serve(connection)

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(2 * SECONDS)
            assert not thread.is_alive()
