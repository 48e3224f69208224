"""Where `Message.save_to` writes.

Rules: a file name holds a hash of the unique-id and never the unique-id.

Elsewhere: the file itself, private, and whole or not there (`files`).
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from pillarbox.client.values import Entry


def target(where: str | os.PathLike[str], account: str, entry: Entry) -> Path:
    """The file for a message: `where` itself, or in the directory `where` a name made of account and unique-id.

    Text that ends in "/" is a directory, which is made if need be.
    """
    path = Path(where)
    if str(where).endswith(("/", os.sep)):
        path.mkdir(parents=True, exist_ok=True)
    elif not path.is_dir():
        return path
    if entry.unique_id:
        name = hashlib.sha256(account.encode() + b"\0" + entry.unique_id).hexdigest()[:32]
    else:
        name = secrets.token_hex(16)  # nothing tells it from other messages
    return path / f"{name}.eml"
