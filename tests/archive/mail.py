"""Messages for the archive's tests, and a way to look at what an archive holds."""

from __future__ import annotations

from email.utils import formatdate
from pathlib import Path

from pillarbox.archive import Archive, Incoming

WHEN = 1_767_225_600.0  # 2026-01-01


def message(number: int, text: str = "Hello.", **fields: str) -> bytes:
    headers = {
        "From": f"Ada {number} <ada{number}@example.org>",
        "To": "Bob <bob@example.com>",
        "Subject": f"Message {number}",
        "Date": formatdate(WHEN + 60 * number),
        "Message-ID": f"<{number}@example.org>",
        **{name.replace("_", "-"): value for name, value in fields.items()},
    }
    header = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{header}\r\n{text}\r\n".encode()


def incoming(data: bytes, unique_id: str = "", account: str = "work") -> Incoming:
    return Incoming(data, account, unique_id, WHEN + 1)


def multipart(*parts: str, kind: str = "mixed", number: int = 1) -> bytes:
    body = "".join(f"--b\r\n{part}\r\n" for part in parts)
    return message(number, f"{body}--b--", Content_Type=f'multipart/{kind}; boundary="b"')


def filled(path: Path, *messages: bytes) -> Path:
    with Archive.open(path, create=True) as archive:
        archive.add_batch([incoming(data, str(number)) for number, data in enumerate(messages)])
    return path
