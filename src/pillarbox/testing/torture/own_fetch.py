"""Our own fetcher in the torture suite: one run of one account into a Maildir, deleting at once.

    python -m pillarbox.testing.torture.own_fetch URL CA HOME MAILDIR TIMEOUT

Rules: what runs is what `pillarbox fetch` runs, with every time-out set to TIMEOUT seconds; the password is in
HOME/password.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pillarbox.client import Timeout, TlsRules
from pillarbox.fetch import AT_ONCE, FetchAccount, run_account
from pillarbox.fetch.destinations.maildir import MaildirDestination


def main(url: str, ca: str, home: Path, maildir: Path, timeout: float) -> int:
    """One run; returns the exit status."""
    result = run_account(
        FetchAccount(
            "torture",
            url,
            MaildirDestination(maildir),
            home / "journals",
            password=(home / "password").read_text(encoding="utf-8"),
            tls=TlsRules(ca_file=ca),
            timeout=Timeout(connect=timeout, command=timeout, session=300.0),
            delete_after=AT_ONCE,
        )
    )
    if result.error is not None:
        sys.stderr.write(f"{type(result.error).__name__}: {result.error}\n")
    return 0 if result.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), float(sys.argv[5])))
