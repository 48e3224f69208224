"""Talks with systemd: takes the listening sockets it hands over, and tells it how the service is doing.

Rules: without systemd's environment variables nothing happens, and nothing fails; the variables are removed once read,
so that no child takes them for its own; a descriptor that is not a listening TCP socket is refused with its name.

Elsewhere: which listener takes which socket (`listeners`). Sources: sd_listen_fds(3), sd_notify(3).
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import MutableMapping

_FIRST_DESCRIPTOR = 3  # SD_LISTEN_FDS_START
_MAX_DESCRIPTORS = 1024  # more is no plausible number, but a damaged variable


class ActivationError(Exception):
    """systemd handed over something that cannot be listened on. The text says what and where to change it."""


def listening_sockets(environ: MutableMapping[str, str], pid: int) -> dict[str, list[socket.socket]]:
    """The sockets handed to process `pid`, by their FileDescriptorName=; empty without socket activation.

    The sockets are non-blocking and closed on exec. The variables are removed from `environ`.

    Raises:
        ActivationError: one of them is not a listening TCP socket.
    """
    for_pid = environ.pop("LISTEN_PID", "")
    count = environ.pop("LISTEN_FDS", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if for_pid != str(pid):  # meant for another process, from which the variables were inherited
        return {}
    if not count.isdecimal() or int(count) > _MAX_DESCRIPTORS:
        raise ActivationError(f'LISTEN_FDS is "{count}", which is not a number of sockets')
    sockets: dict[str, list[socket.socket]] = {}
    for position in range(int(count)):
        # sd_listen_fds_with_names(3): without names systemd's own library says "unknown".
        name = (names[position] if position < len(names) else "") or "unknown"
        sockets.setdefault(name, []).append(_checked(_FIRST_DESCRIPTOR + position, name))
    return sockets


def _checked(descriptor: int, name: str) -> socket.socket:
    try:
        found = socket.socket(fileno=descriptor)
    except OSError as error:
        raise ActivationError(f'the socket "{name}" from systemd cannot be used: {error.strerror}') from None
    is_tcp = found.family in (socket.AF_INET, socket.AF_INET6) and found.type == socket.SOCK_STREAM
    if not is_tcp or not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        found.detach()  # it stays open: it is not ours
        raise ActivationError(
            f'the socket "{name}" from systemd is not a listening TCP socket: '
            "use ListenStream= with a port, and Accept=no, in the socket unit"
        )
    found.set_inheritable(False)
    found.setblocking(False)
    return found


class Notifier:
    """Reports the state of the service. Reports are dropped silently when nobody wants them or takes them."""

    def __init__(self, environ: MutableMapping[str, str], pid: int) -> None:
        """Read, and remove, the variables that say where reports go."""
        self._address = _address(environ.pop("NOTIFY_SOCKET", ""))
        interval = environ.pop("WATCHDOG_USEC", "")
        for_pid = environ.pop("WATCHDOG_PID", str(pid))
        wanted = self._address is not None and interval.isdecimal() and for_pid == str(pid)
        # sd_watchdog_enabled(3) recommends half of the time that is allowed.
        self.watchdog_interval = int(interval) / 2_000_000 if wanted and int(interval) > 0 else None
        """Seconds after which `watchdog` is to be called again, or None when nobody watches."""

    def ready(self, status: str) -> None:
        """The service answers: at the start, and again at the end of a reload."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self, monotonic: float) -> None:
        """The configuration is being read anew. `monotonic`: time.monotonic(), by which systemd pairs it with READY."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={int(monotonic * 1_000_000)}", "STATUS=reloading")

    def stopping(self, status: str) -> None:
        """The service takes no more connections."""
        self._send("STOPPING=1", f"STATUS={status}")

    def watchdog(self) -> None:
        """The supervisor is alive."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        text = "\n".join(line.replace("\n", " ") for line in lines)
        # A full or vanished socket must not disturb the service.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(text.encode(), self._address)


def _address(text: str) -> bytes | None:
    """The socket address NOTIFY_SOCKET stands for; None for none, or for one of a kind we cannot reach (vsock)."""
    if text.startswith("@"):  # the abstract namespace of Linux
        return b"\0" + text[1:].encode("utf-8", "surrogateescape")
    return text.encode("utf-8", "surrogateescape") if text.startswith("/") else None
