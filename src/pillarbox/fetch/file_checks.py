"""Whether what `fetch.toml` names is there: files, directories, programs. Looks only, connects to nobody.

Rules: one problem for each thing that would make an account fail, with its key and what to do; nothing of a secret is
read, only whether it could be.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from pillarbox.config import Problem
from pillarbox.fetch import schema
from pillarbox.fetch.schema import Account, FetchFile
from pillarbox.fetch.schema_deliver import Deliver, SecretPlace


def check_files(file: FetchFile) -> list[Problem]:
    """Everything that is missing or cannot be used, of the accounts that are enabled."""
    problems = list(_state(file.fetch))
    for name, account in file.account.items():
        if account.enabled:
            problems += _account(f"account.{name}", account)
    return problems


def _state(fetch: schema.Fetch) -> Iterator[Problem]:
    state = fetch.state or schema.default_state()
    yield from _can_be_made("fetch.state", state)
    if fetch.metrics is not None:
        yield from _writable_directory("fetch.metrics", fetch.metrics.parent)


def _account(key: str, account: Account) -> Iterator[Problem]:
    yield from _secret(key, account)
    if account.oauth is not None and account.oauth.client_secret_file is not None:
        yield from _private(f"{key}.oauth.client_secret_file", account.oauth.client_secret_file)
    tls = account.tls
    for name, path in (("ca_file", tls.ca_file), ("certificate", tls.certificate), ("key", tls.key)):
        if path is not None:
            yield from _readable(f"{key}.tls.{name}", path)
    yield from _deliver(f"{key}.deliver", account.deliver)


def _deliver(key: str, deliver: Deliver) -> Iterator[Problem]:
    yield from _secret(key, deliver)
    if deliver.ca_file is not None:
        yield from _readable(f"{key}.ca_file", deliver.ca_file)
    if deliver.command is not None and not deliver.shell:
        yield from _program(f"{key}.command", deliver.command[0])
    if deliver.socket is not None:
        yield from _socket(f"{key}.socket", deliver.socket)
    if deliver.path is not None:
        yield from _place(f"{key}.path", deliver)


def _place(key: str, deliver: Deliver) -> Iterator[Problem]:
    path = deliver.path
    assert path is not None
    if not path.exists():
        yield from _writable_directory(key, path.parent)
    elif deliver.to == "mbox":
        if path.is_dir():
            yield Problem(key, f"{path} is a directory", "name a file for an mbox")
        elif not os.access(path, os.R_OK | os.W_OK):
            yield Problem(key, f"{path} cannot be written", "make it writable for the user that fetches")
    elif not path.is_dir():
        yield Problem(key, f"{path} is not a directory", f'name a directory for to = "{deliver.to}"')
    else:
        yield from _writable_directory(key, path)


def _secret(key: str, place: SecretPlace) -> Iterator[Problem]:
    if place.password_command is not None:
        yield from _program(f"{key}.password_command", place.password_command[0])
    if place.password_file is not None:
        yield from _private(f"{key}.password_file", place.password_file)
    if place.password_keyring and importlib.util.find_spec("keyring") is None:
        yield Problem(f"{key}.password_keyring", "the library keyring is missing", "pip install 'pillarbox[keyring]'")


def _program(key: str, program: str) -> Iterator[Problem]:
    if shutil.which(program) is None:
        yield Problem(key, f"there is no program {program} that can be run", "install it, or name its full path")


def _private(key: str, path: Path) -> Iterator[Problem]:
    found = list(_readable(key, path))
    yield from found
    if not found and stat.S_IMODE(path.stat().st_mode) & 0o077:
        yield Problem(key, f"others can read {path}", f"chmod 600 {path}")


def _readable(key: str, path: Path) -> Iterator[Problem]:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        yield Problem(key, f"{path} cannot be read: {error.strerror}", "name a file that is there and can be read")


def _socket(key: str, path: Path) -> Iterator[Problem]:
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            yield Problem(key, f"{path} is not a socket", "name the socket of the LMTP server")
    except OSError as error:
        yield Problem(key, f"{path}: {error.strerror}", "start the LMTP server, or name its socket")


def _writable_directory(key: str, directory: Path) -> Iterator[Problem]:
    if not directory.is_dir():
        yield Problem(key, f"there is no directory {directory}", f"mkdir -p {directory}")
    elif not os.access(directory, os.W_OK | os.X_OK):
        yield Problem(key, f"{directory} cannot be written", "make it writable for the user that fetches")


def _can_be_made(key: str, path: Path) -> Iterator[Problem]:
    """A directory that is made with all its parents."""
    there = next(parent for parent in (path, *path.parents) if parent.exists())
    yield from _writable_directory(key, there)
