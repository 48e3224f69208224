"""popa3d of Debian's package, run as from inetd over an mbox. What it needs of the machine: `elsewhere`."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tests.peers.elsewhere import OWNER, USER, Elsewhere, crlf, mbox, missing

MISSING = missing("popa3d")
"""Why tests with popa3d are skipped, or None."""


class Popa3d(Elsewhere):
    """popa3d, which knows USER, STAT, LIST, UIDL, TOP, RETR and no CAPA."""

    package = "popa3d"
    exact_sizes = False
    users = ("popa3d",)

    def prepare(self) -> None:
        """It has no configuration but this service of PAM's."""
        self.etc("pam.d/popa3d", "@include common-auth\n@include common-account\n")

    def fill(self, messages: Sequence[bytes]) -> None:
        """As the mbox of the user."""
        path = self.spool / USER
        path.write_bytes(mbox(messages))
        path.chmod(0o600)
        os.chown(path, OWNER, OWNER)

    def expected(self, message: bytes) -> bytes:
        """An mbox gives lines back as they are quoted in there."""
        return crlf(message.replace(b"\nFrom ", b"\n>From "))

    def script(self) -> str:
        """It drops its rights in an empty directory."""
        return f"mkdir -p /var/lib/popa3d\n{self.launched('/usr/sbin/popa3d')}"
