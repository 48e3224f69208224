"""Runs a program for each connection to a port of loopback, with the connection as its standard input and output.

    python launcher.py PORT PROGRAM [ARGUMENT ...]

As inetd does, for servers that were made for it. It ends when it is killed.
"""

from __future__ import annotations

import os
import signal
import socket
import sys


def main(port: int, *command: str) -> None:
    """Serve for ever."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel clears away what has ended
    with socket.create_server(("127.0.0.1", port), backlog=64) as listener:
        while True:
            connection, _ = listener.accept()
            if not os.fork():
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                os.dup2(connection.fileno(), 0)
                os.dup2(connection.fileno(), 1)
                os.execv(command[0], command)
            connection.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
