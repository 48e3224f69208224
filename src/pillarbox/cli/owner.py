"""How the command line makes sure that an account's owner is there: the password, and a code of TOTP.

Rules: asked on the terminal, or taken from standard input, a line each; which of the two was wrong is not said. A code
of TOTP or a recovery code is used up.
"""

from __future__ import annotations

import getpass
import sys

from pillarbox.auth.accounts import StoredAccount
from pillarbox.cli.new_password import PasswordRefused, asked_once
from pillarbox.cli.opened_accounts import OpenedAccounts, fail

_LONGEST = 64
_SPACES = str.maketrans("", "", " ")


def ask_code(prompt: str) -> str:
    """A code, without the spaces that apps show in it.

    Raises:
        PasswordRefused: none was given.
    """
    try:
        typed = getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.buffer.readline(_LONGEST).decode("ascii")
    except (EOFError, UnicodeDecodeError):
        typed = ""
    code = typed.strip().translate(_SPACES)
    if not code:
        raise PasswordRefused("no code was given; nothing was changed")
    return code


def show_owner(accounts: OpenedAccounts, account: StoredAccount) -> None:
    """Ask for the account's password and a code of its TOTP; does not return if they are not right.

    Raises:
        PasswordRefused: none was given.
        AccountsUnavailable, KeyUnavailable: nobody can tell now.
    """
    right = accounts.hasher().verify(account.password_hash, asked_once(from_stdin=False))
    code = ask_code("Code shown by the app, or a recovery code: ")
    store = accounts.totp
    # The code is looked at, and used up, only behind a right password.
    if not (right and (store.use_code(account.name, code) or store.use_recovery_code(account.name, code))):
        fail("the password or the code is wrong, or the code was used already; nothing was changed")
