"""Adding an account to `fetch.toml` without touching anything that stands in it: comments, order and spaces stay.

Rules: the new table is text behind the old text; what comes out is read again and has to be the old accounts and the
new one, or nothing is written; the file is replaced whole and durably, through a symbolic link too, with the mode it
had; a file that somebody changed in the meantime is left alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pillarbox.config.toml import inline, quoted
from pillarbox.files import sync_directory

Table = Mapping[str, Any]
"""Settings by name; a mapping among them is a table of its own. `Any`: what TOML can hold."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_HEAD = "# The accounts of `pillarbox fetch`; docs/fetch.md explains them.\n"


class CannotAdd(Exception):
    """The account cannot be added to this file. The text says why, and what to do."""


def table_text(name: str, account: Table) -> str:
    """An account as it stands in the file."""
    return "\n".join(_lines(("account", name), account)) + "\n"


def _lines(path: tuple[str, ...], table: Table) -> list[str]:
    lines = [f"[{'.'.join(map(_key, path))}]"]
    lines += [f"{_key(key)} = {inline(value)}" for key, value in table.items() if not isinstance(value, Mapping)]
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += ["", *_lines((*path, key), value)]
    return lines


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else quoted(name)


def with_account(text: str, name: str, account: Table) -> str:
    """The text of a file with one account more.

    Raises:
        CannotAdd: it has such an account, or is written in a way that nothing can be added behind.
    """
    before = _read(text)
    accounts = before.get("account", {})
    if isinstance(accounts, dict) and name in accounts:
        raise CannotAdd(f"there is an account {name} already: choose another name with --name")
    separator = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    after = (text or _HEAD + "\n") + separator + table_text(name, account)
    try:
        read = tomllib.loads(after)
    except tomllib.TOMLDecodeError:
        read = {}
    accounts = read.get("account")
    added = accounts.pop(name, None) if isinstance(accounts, dict) else None
    if added is None or _without_empty(read) != _without_empty(before):
        raise CannotAdd("the file is written in a way that no table can be added to: write the account by hand")
    return after


def _read(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CannotAdd(f"the file is not right as it is ({error}): pillarbox fetch check") from None


def _without_empty(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != "account" or value}


def read_text(path: Path) -> str:
    """The text of a file; "" where there is none.

    Raises:
        CannotAdd: it is not in UTF-8.
        OSError: it cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise CannotAdd(f"{path}: the file is not in UTF-8: save it in UTF-8") from None


def replace_text(path: Path, before: str, after: str) -> None:
    """Write the new text in the place of the old one, durably.

    Raises:
        CannotAdd: somebody else has changed the file since `before` was read.
        OSError: it cannot be written; the old file is still there.
    """
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(after)
            file.flush()
            _take_over(target, file.fileno())
            os.fsync(file.fileno())
        if read_text(target) != before:
            raise CannotAdd(f"{path}: somebody has changed the file just now: try again")
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    sync_directory(target.parent)


def _take_over(target: Path, descriptor: int) -> None:
    """The mode and, as far as may be, the owner of the old file; a new one is its maker's only."""
    with contextlib.suppress(FileNotFoundError):
        old = target.stat()
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, old.st_uid, old.st_gid)
        os.fchmod(descriptor, old.st_mode & 0o7777)
