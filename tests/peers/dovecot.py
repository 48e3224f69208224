"""A Dovecot of Debian's package with a configuration and directories of its own, on ports of its own.

It is the oracle of the dialogues: the same conversation is held with it, to see that what we expect is sane. The
system's own Dovecot and its configuration are never touched.
"""

from __future__ import annotations

import datetime
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from pillarbox.server.certificates import make_self_signed
from pillarbox.testing.live import deliver_to, free_ports, make_maildir

MISSING = None if shutil.which("dovecot") else "needs dovecot (Debian packages dovecot-core and dovecot-pop3d)"
"""Why tests with Dovecot are skipped, or None."""


class Dovecot:
    """One Dovecot with its accounts; a context manager with the same names as `LiveServer`. `more` is configuration."""

    def __init__(self, accounts: Mapping[str, str], more: str = "") -> None:
        self._more = more
        self.directory = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self.directory.chmod(0o755)
        self.pop3s_port, self.pop3_port, self.open_port = free_ports(3)
        now = datetime.datetime.now(datetime.UTC)
        self.certificate, self._key = make_self_signed(self.directory, ["localhost"], now)
        # Dovecot refuses to read mail as root. An ordinary user runs all of it as that user.
        self._owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.getuid())
        passwords = "".join(f"{name}:{{PLAIN}}{password}\n" for name, password in accounts.items())
        (self.directory / "passwd").write_text(passwords, encoding="utf-8")
        for name in accounts:
            make_maildir(self.maildir(name))
            self._hand_over(self.maildir(name))
        self._process: subprocess.Popen[bytes] | None = None

    def _hand_over(self, tree: Path) -> None:
        for path in (tree, *tree.rglob("*")):
            os.chown(path, self._owner.pw_uid, self._owner.pw_gid)

    def maildir(self, account: str) -> Path:
        """The Maildir of an account."""
        return self.directory / "home" / account

    def deliver(self, account: str, message: bytes, name: str = "") -> Path:
        """Deliver a message to an account; see `deliver_to`."""
        path = deliver_to(self.maildir(account), message, name)
        os.chown(path, self._owner.pw_uid, self._owner.pw_gid)
        return path

    def client_context(self) -> ssl.SSLContext:
        """A TLS context for clients that trusts this server's certificate, and no other."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def _configuration(self) -> str:
        here, owner = self.directory, self._owner
        user = pwd.getpwuid(os.getuid()).pw_name
        rootless = (
            f"default_internal_user = {user}\ndefault_login_user = {user}\n"
            "service anvil {\n  chroot =\n}\nservice pop3-login {\n  chroot =\n}\n"
        )
        return f"""
protocols = pop3
listen = 127.0.0.1
base_dir = {here}/run
state_dir = {here}/state
instance_name = {here.name}
log_path = {here}/dovecot.log
ssl = required
ssl_cert = <{self.certificate}
ssl_key = <{self._key}
# No growing delays for clients whose logins were refused.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service pop3-login {{
  process_min_avail = 1
  inet_listener pop3 {{
    port = {self.pop3_port}
  }}
  inet_listener pop3s {{
    port = {self.pop3s_port}
    ssl = yes
  }}
}}
auth_mechanisms = plain login
auth_failure_delay = 0
auth_username_chars =
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {here}/passwd
}}
userdb {{
  driver = static
  args = uid={owner.pw_uid} gid={owner.pw_gid} home={here}/home/%u
}}
first_valid_uid = {min(owner.pw_uid, 500)}
first_valid_gid = {min(owner.pw_gid, 1)}
mail_location = maildir:{here}/home/%u
pop3_lock_session = yes
mail_max_userip_connections = 0
{self._more}
{rootless if os.geteuid() != 0 else ""}"""

    def __enter__(self) -> Self:
        path = self.directory / "dovecot.conf"
        path.write_text(self._configuration(), encoding="utf-8")
        errors = self.directory / "stderr.txt"
        with open(errors, "wb") as file:
            self._process = subprocess.Popen(["dovecot", "-F", "-c", str(path)], stdout=file, stderr=file)
        end = time.monotonic() + 20
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                self._end()
                raise RuntimeError(f"Dovecot does not answer: {errors.read_text()}")
            time.sleep(0.05)
        return self

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.pop3_port), 5) as probe:
                return probe.recv(3) == b"+OK"
        except OSError:
            return False

    def _end(self) -> None:
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._end()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)
