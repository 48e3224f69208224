"""pop3d of GNU mailutils, over an mbox or a Maildir. What it needs of the machine: `elsewhere`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from tests.peers.elsewhere import OWNER, USER, Elsewhere, mbox, missing

MISSING = missing("mailutils")
"""Why tests with GNU mailutils are skipped, or None."""


class Mailutils(Elsewhere):
    """GNU pop3d as a daemon."""

    package = "mailutils"
    exact_sizes = False

    def prepare(self) -> None:
        """Its configuration, and the PAM service it asks."""
        self.etc("pam.d/gnu-pop3d", "@include common-auth\n@include common-account\n")
        self.etc(
            "pop3d.conf",
            f"""mode daemon;
foreground yes;
pidfile /run/pop3d.pid;
pam {{ service gnu-pop3d; }};
mailbox {{ mail-spool /var/mail; }};
logging {{ syslog no; }};
server 127.0.0.1:{self.port} {{ tls-mode no; }};
""",
        )

    def fill(self, messages: Sequence[bytes]) -> None:
        """As the mbox of the user."""
        path = self.spool / USER
        path.write_bytes(mbox(messages))
        path.chmod(0o600)
        os.chown(path, OWNER, OWNER)

    def sent(self, octets: bytes) -> bytes:
        """It keeps unique-ids and what was read in header lines."""
        head, empty, body = octets.partition(b"\r\n\r\n")
        return re.sub(rb"\r\n(X-UIDL|X-IMAPbase|X-UID|Status): [^\r]*", b"", head) + empty + body

    def script(self) -> str:
        """It runs in the foreground."""
        return "exec /usr/sbin/pop3d --no-config --config-file=/etc/pop3d.conf"
