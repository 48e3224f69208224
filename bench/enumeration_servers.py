"""The two servers whose refusals are compared, with accounts of every kind that can be refused.

Both keep the delay after failures that they are installed with, and both check argon2id hashes of the same cost.
"""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.probe import Answer
from bench.process import Running, free_port
from pillarbox.auth.accounts import AccountStore
from pillarbox.auth.app_passwords import AppPasswordStore, Grant
from pillarbox.auth.keys import KeyFile
from pillarbox.auth.passwords import Hasher
from pillarbox.auth.totp import TotpStore, code_at, step_at
from pillarbox.testing.live import LiveServer, Value

__all__ = ["BLOCKED", "KINDS", "OURS_ONLY", "Household", "dovecot", "pillarbox"]

RIGHT = "the right password of all"
UNKNOWN, WRONG, OFF, DISABLED, BLOCKED = "unknown user", "wrong password", "POP3 off", "disabled", "blocked"
EMPTY, OVERLONG, LONG_NAME = "empty password", "over-long password", "over-long name"
EXPIRED, NO_CODE = "expired app password", "missing TOTP"

KINDS = (UNKNOWN, WRONG, OFF, DISABLED, BLOCKED, EMPTY, OVERLONG, LONG_NAME, EXPIRED, NO_CODE)
OURS_ONLY = frozenset({OFF, BLOCKED, EXPIRED, NO_CODE})
"""Kinds that Dovecot does not have."""

_BLOCKED_ACCOUNTS = 4  # each costs sixty guesses to block
_LONG_NAME = "n" * 180  # more than any mailbox's name (RFC 5321 §4.5.3.1.1: 64), less than POP3's line


@dataclass(frozen=True, slots=True)
class Household:
    """A running server and who lives there.

    `secrets` is what is tried for a kind and name; where nothing is said, each trial is another wrong guess.
    """

    port: int
    names: Mapping[str, Sequence[str]]
    secrets: Mapping[tuple[str, str], bytes]
    log: LiveServer | None = None

    def reasons(self, answers: Sequence[Answer]) -> dict[str, Counter[str]]:
        """Why the server says it refused each kind; nothing where it does not say."""
        if self.log is None:
            return {}
        kinds = {answer.trial.address: answer.trial.kind for answer in answers}
        found: dict[str, Counter[str]] = {kind: Counter() for kind in kinds.values()}
        for event in self.log.events("LoginFailed"):
            kind = kinds.get(event["peer"])
            if kind is not None:
                found[kind][event["reason"]] += 1
        return found


def _names(kinds: Sequence[str], count: int) -> dict[str, list[str]]:
    """Names of one length for all kinds, mixed, so that neither length nor place in a table tells a kind."""
    numbers = {kind: range(index, count * len(kinds), len(kinds)) for index, kind in enumerate(kinds)}
    found = {kind: [f"user{number:06}" for number in numbers[kind]] for kind in kinds}
    found[LONG_NAME] = [f"{_LONG_NAME}{number:06}" for number in numbers[LONG_NAME]]
    if BLOCKED in found:
        found[BLOCKED] = found[BLOCKED][:_BLOCKED_ACCOUNTS]
    return found


def _secrets(names: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], bytes]:
    of_kind = {OFF: RIGHT.encode(), DISABLED: RIGHT.encode(), NO_CODE: RIGHT.encode(), EMPTY: b""}
    found = {(kind, name): secret for kind, secret in of_kind.items() for name in names.get(kind, [])}
    return {**found, **{(OVERLONG, name): b"x" * 2000 for name in names[OVERLONG]}}


@contextmanager
def pillarbox(kinds: Sequence[str], count: int) -> Iterator[Household]:
    """Our server as it is installed, two workers, guard on."""
    names = _names(kinds, count)
    secrets = _secrets(names)
    known = [name for kind in kinds if kind not in (UNKNOWN, LONG_NAME) for name in names[kind]]
    installed: dict[str, dict[str, Value]] = {
        "auth": {"failure_delay": 1.0, "failure_step": 0.25},
        "log": {"level": "info"},
    }
    server = LiveServer(dict.fromkeys(known, RIGHT), workers=2, cleartext=True, settings=installed)
    state = server.directory / "state"
    store = AccountStore(state / "accounts.sqlite", clock=time.time)
    keys = KeyFile(state / "secret.key")
    totp = TotpStore(store, keys, clock=time.time)
    app_passwords = AppPasswordStore(store, keys)
    for name in names[OFF]:
        store.set_pop3(name, on=False)
    for name in names[DISABLED]:
        store.disable(name)
    for name in names[NO_CODE]:
        seed = os.urandom(20)
        totp.enrol(name, seed, code_at(seed, step_at(time.time())))
    for name in names[EXPIRED]:
        _, secret = app_passwords.add(name, Grant("phone", "unverified", expires=time.time() - 1))
        secrets[EXPIRED, name] = secret.reveal()
    store.close()
    with server:
        yield Household(server.open_port, names, secrets, server)


@contextmanager
def dovecot(kinds: Sequence[str], count: int) -> Iterator[Household]:
    """Debian's Dovecot with its own delay after failures, and hashes of the same cost as ours."""
    names = _names(kinds, count)
    directory = Path(tempfile.mkdtemp(prefix="pillarbox-enumeration-"))
    directory.chmod(0o755)
    try:
        stored = "{ARGON2ID}" + Hasher().hash(RIGHT.encode())
        known = [name for kind in kinds if kind not in (UNKNOWN, LONG_NAME) for name in names[kind]]
        (directory / "passwd").write_text("".join(f"{name}:{stored}\n" for name in known))
        (directory / "closed").write_text("".join(f"{name}:\n" for name in names[DISABLED]))
        port = free_port()
        path = directory / "dovecot.conf"
        path.write_text(_dovecot_configuration(directory, port))
        cores = sorted(os.sched_getaffinity(0))
        with Running("Dovecot", ["dovecot", "-F", "-c", str(path)], cores, port, directory / "dovecot.log"):
            yield Household(port, names, _secrets(names))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _dovecot_configuration(here: Path, port: int) -> str:
    owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.getuid())
    return f"""# Made by bench/enumeration_servers.py.
protocols = pop3
listen = 127.0.0.1
base_dir = {here}/run
state_dir = {here}/state
log_path = {here}/dovecot.log
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
service pop3-login {{
  service_count = 0
  process_min_avail = 2
  process_limit = 2
  client_limit = 5000
  inet_listener pop3 {{
    port = {port}
  }}
}}
# Closed accounts: a deny list, as Dovecot's manual has it.
passdb {{
  driver = passwd-file
  deny = yes
  args = username_format=%u {here}/closed
}}
passdb {{
  driver = passwd-file
  args = scheme=ARGON2ID username_format=%u {here}/passwd
}}
userdb {{
  driver = static
  args = uid={owner.pw_uid} gid={owner.pw_gid} home={here}/home/%u
}}
mail_location = maildir:{here}/mail/%u
"""
