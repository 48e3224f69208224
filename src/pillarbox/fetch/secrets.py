"""Where passwords come from: a command, a file, a systemd credential, the desktop's keyring.

Rules: a secret is got anew at each login, and lives in a `Secret`; nothing of it gets into a message, an event or the
environment of another program; a file that others can read is refused; a command has a time limit and no terminal.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from pillarbox.client.errors import UsageError
from pillarbox.events import Secret
from pillarbox.fetch.schema_deliver import SecretPlace

COMMAND_SECONDS = 60.0
"""A password manager may ask its owner to unlock it."""

_LONGEST = 64 * 1024  # octets: far more than any password


class SecretUnavailable(UsageError):
    """The password cannot be got. The text says where it was looked for, and what to do; it never holds any of it."""


def secret_source(place: SecretPlace, user: str) -> Callable[[], Secret] | None:
    """A function that gets the password of `user`; None where the file names none.

    The function raises `SecretUnavailable`.
    """
    if place.password_command is not None:
        command = place.password_command
        return lambda: _from_command(command)
    if place.password_file is not None:
        path = place.password_file
        return lambda: file_secret("password_file", path)
    if place.password_credential:
        name = place.password_credential
        return lambda: _from_credential(name)
    if place.password_keyring:
        service = place.password_keyring
        return lambda: _from_keyring(service, user)
    return None


def _from_command(command: Sequence[str]) -> Secret:
    shown = command[0]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        text = f"password_command: {shown} did not end within {COMMAND_SECONDS:.0f} seconds: run it by hand once"
        raise SecretUnavailable(text) from None
    except OSError as error:
        raise SecretUnavailable(f"password_command: {shown}: {error.strerror}: name a program that exists") from None
    if done.returncode != 0:
        how = f"status {done.returncode}" if done.returncode > 0 else f"signal {-done.returncode}"
        raise SecretUnavailable(f"password_command: {shown} ended with {how}: run it by hand to see why")
    return _first_line(done.stdout, f"password_command: {shown}")


def file_secret(setting: str, path: Path) -> Secret:
    """The first line of a private file, which `setting` names.

    Raises:
        SecretUnavailable: it cannot be used.
    """
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise SecretUnavailable(f"{setting}: {path} is not a regular file")
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise SecretUnavailable(f"{setting}: others can read {path}: chmod 600 {path}")
            octets = file.read(_LONGEST)
    except OSError as error:
        raise SecretUnavailable(f"{setting}: {path}: {error.strerror}") from None
    return _first_line(octets, f"{setting}: {path}")


def _from_credential(name: str) -> Secret:
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        text = f"password_credential: systemd gave no credentials; start it as a unit with LoadCredential={name}:PATH"
        raise SecretUnavailable(text)
    if "/" in name or name in (".", ".."):
        raise SecretUnavailable("password_credential: the name of a credential has no slash")
    try:
        # systemd owns the directory and its modes.
        octets = (Path(directory) / name).read_bytes()[:_LONGEST]
    except OSError as error:
        text = f"password_credential: {name}: {error.strerror}: give the unit LoadCredential={name}:PATH"
        raise SecretUnavailable(text) from None
    return _first_line(octets, f"password_credential: {name}")


def _from_keyring(service: str, user: str) -> Secret:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        text = "password_keyring: the library keyring is missing: pip install 'pillarbox[keyring]'"
        raise SecretUnavailable(text) from None
    try:
        found = keyring.get_password(service, user)
    except KeyringError as error:
        raise SecretUnavailable(f"password_keyring: the keyring cannot be asked ({type(error).__name__})") from None
    if not found:
        text = f"password_keyring: nothing for {user} under {service}: keyring set {service} {user}"
        raise SecretUnavailable(text)
    return Secret(found)


def _first_line(octets: bytes, where: str) -> Secret:
    line = octets.split(b"\n", 1)[0].rstrip(b"\r")
    if not line:
        raise SecretUnavailable(f"{where}: the first line, where the password is expected, is empty")
    return Secret(line)
