"""Where the password of a new account is, or is kept from now on.

Rules: a password is never in the file of accounts, nor in an argument; what is kept here is a private file, or the
desktop's keyring.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from pillarbox.cli.fetch_add_ask import Asker, absolute
from pillarbox.cli.fetch_place import fail
from pillarbox.cli.telling import WRONG_USE
from pillarbox.files import write_durably


class Kept:
    """A password that is kept for the account: where, and how it is put there and taken away."""

    def __init__(self, file: Path | None, keyring: tuple[str, str] | None, first: str) -> None:
        self.file = file
        self._keyring = keyring
        self.keep(first)

    def keep(self, password: str) -> None:
        """Put it there."""
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_durably(self.file, f"{password}\n".encode())
        elif self._keyring is not None:
            import keyring

            keyring.set_password(*self._keyring, password)

    def remove(self) -> None:
        """Take it away again."""
        if self.file is not None:
            self.file.unlink(missing_ok=True)


def password_place(
    ask: Asker,
    account: dict[str, Any],
    name: str,
    place: Path,
    given: dict[str, str],
    command: str,
    *,
    from_stdin: bool,
) -> Kept | None:
    """Where the password is; returns where it is kept, if it is kept by us."""
    named = {setting: value for setting, value in given.items() if value}
    if command:
        named["password_command"] = command
    if len(named) > 1:
        fail("the password is in one place: name one of the --password options", WRONG_USE)
    if not named:
        ways = ["file", "command", "keyring", "credential"]
        way = ask.choice("Where is the password, or where shall it be kept?", "--password-file", ways, "file")
        default = {"file": str(place.parent / f"{name}.password"), "keyring": "pillarbox", "credential": name}
        named[f"password_{way}"] = ask.text(_PLACES[way], f"--password-{way}", default=default.get(way, ""))
    ((setting, value),) = named.items()
    account[setting] = shlex.split(value) if setting == "password_command" else value
    if setting == "password_file":
        account[setting] = absolute(value)
        file = Path(value).expanduser()
        if not file.exists():
            return Kept(file, None, ask.secret("The password", from_stdin=from_stdin))
    if setting == "password_keyring":
        return _in_keyring(ask, account, value, from_stdin=from_stdin)
    return None


def _in_keyring(ask: Asker, account: dict[str, Any], service: str, *, from_stdin: bool) -> Kept | None:
    from pillarbox.client import address

    try:
        import keyring
    except ImportError:
        fail("the library keyring is missing: pip install 'pillarbox[keyring]'")
    user = account.get("user") or address.parse(account["url"]).user
    if keyring.get_password(service, user):
        return None
    return Kept(None, (service, user), ask.secret("The password", from_stdin=from_stdin))


_PLACES = {
    "file": "Which file? It is made, for you alone",
    "command": "Which program, with its arguments?",
    "keyring": "Under which service in the keyring?",
    "credential": "Which credential?",
}
