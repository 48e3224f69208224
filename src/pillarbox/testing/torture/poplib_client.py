"""Python's `poplib` in the torture suite: the loop of its documentation, with DELE behind each message that is stored.

    python -m pillarbox.testing.torture.poplib_client MODE HOST PORT USER CA HOME MAILDIR TIMEOUT

Rules: nothing is added that the module does not have: no record of what was fetched, no limits but its own.
"""

from __future__ import annotations

import os
import poplib
import ssl
import sys
import time
from pathlib import Path


def main(mode: str, host: str, port: int, user: str, ca: str, home: Path, maildir: Path, timeout: float) -> None:
    """Retrieve and delete everything."""
    context = ssl.create_default_context(cafile=ca)
    box: poplib.POP3
    if mode == "implicit":
        box = poplib.POP3_SSL(host, port, context=context, timeout=timeout)
    else:
        box = poplib.POP3(host, port, timeout=timeout)
        box.stls(context)
    box.user(user)
    box.pass_((home / "password").read_text(encoding="utf-8"))
    for number in range(1, len(box.list()[1]) + 1):
        octets = b"\n".join(box.retr(number)[1]) + b"\n"
        name = f"{time.time_ns()}.{os.getpid()}.{number}"
        with (maildir / "tmp" / name).open("wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        (maildir / "tmp" / name).rename(maildir / "new" / name)
        box.dele(number)
    box.quit()


if __name__ == "__main__":
    words = sys.argv
    main(words[1], words[2], int(words[3]), words[4], words[5], Path(words[6]), Path(words[7]), float(words[8]))
