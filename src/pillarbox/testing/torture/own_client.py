"""Our own client in the torture suite: `pillarbox.Client` and its journal, in the loop of the documentation.

    python -m pillarbox.testing.torture.own_client URL CA HOME MAILDIR TIMEOUT

Rules: what is tested is what the documentation shows, with every time-out set to TIMEOUT seconds; the password is in
HOME/password.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pillarbox.client import Client, ClientError, Refused, Timeout, TlsRules
from pillarbox.fetch.journal import Journal


def main(url: str, ca: str, home: Path, maildir: Path, timeout: float) -> int:
    """Retrieve and delete what is new; returns the exit status."""
    password = (home / "password").read_text(encoding="utf-8")
    patience = Timeout(connect=timeout, command=timeout, session=300.0)
    refused = 0
    try:
        with (
            Journal(home, "torture") as journal,
            Client(url, password=password, tls=TlsRules(ca_file=ca), timeout=patience) as box,
        ):
            for message in box.new(journal, prefetch=4):
                try:
                    message.save_to(maildir / "new")
                except Refused as error:
                    sys.stderr.write(f"{error}\n")
                    refused += 1
                    continue
                message.done(delete_after=0)
    except ClientError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), float(sys.argv[5])))
