"""Courier's POP3 server with its authentication daemon, over a Maildir. What it needs of the machine: `elsewhere`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tests.peers.elsewhere import OWNER, Elsewhere, missing

MISSING = missing("courier")
"""Why tests with Courier are skipped, or None."""

_LIBEXEC = "/usr/lib/courier/courier"


class Courier(Elsewhere):
    """couriertcpd, courierpop3login, courierpop3d and authdaemond."""

    package = "courier"
    users = ("courier",)

    def prepare(self) -> None:
        """The daemon asks PAM alone."""
        self.etc("pam.d/pop3", "@include common-auth\n@include common-account\n")
        self.etc(
            "courier/authdaemonrc",
            'authmodulelist="authpam"\nauthmodulelistorig="authpam"\ndaemons=2\n'
            'authdaemonvar=/run/courier/authdaemon\nDEBUG_LOGIN=0\nDEFAULTOPTIONS=""\nLOGGEROPTS=""\n',
        )

    @property
    def maildir(self) -> Path:
        """Of the user."""
        return self.home / "Maildir"

    def fill(self, messages: Sequence[bytes]) -> None:
        """As files of the Maildir."""
        for part in ("", "new", "cur", "tmp"):
            (self.maildir / part).mkdir()
            os.chown(self.maildir / part, OWNER, OWNER)
        for number, message in enumerate(messages, 1):
            path = self.maildir / "cur" / f"{1_700_000_000 + number}.M{number}P1.localhost,S={len(message)}:2,"
            path.write_bytes(message)
            os.chown(path, OWNER, OWNER)

    def script(self) -> str:
        """As its own start script does, without files of process ids."""
        return f"""mkdir -p /run/courier/authdaemon
chmod 755 /run/courier/authdaemon
/usr/lib/courier/courier-authlib/authdaemond &
export POP3AUTH="PLAIN LOGIN" POP3AUTH_ORIG="PLAIN LOGIN" POP3_PROXY=0 MAILDIRPATH=Maildir
until [ -S /run/courier/authdaemon/socket ]; do sleep 0.05; done
exec /usr/sbin/couriertcpd -address=127.0.0.1 -maxprocs=40 -maxperip=40 -nodnslookup -noidentlookup \\
  {self.port} {_LIBEXEC}/courierpop3login {_LIBEXEC}/courierpop3d Maildir"""
