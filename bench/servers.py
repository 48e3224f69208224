"""The servers under test and how each is configured. A line of a configuration that matters says why it is there.

Dovecot is tuned for speed, as its own documentation advises, but promises what it promises by default. Ours runs as
a user would run it: password verification, guard, events and log are on.
"""

from __future__ import annotations

import datetime
import os
import pwd
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.corpus import Owner
from bench.load import PASSWORD
from bench.process import ServerError, free_port
from pillarbox.auth.accounts import AccountStore
from pillarbox.auth.app_passwords import AppPasswordStore, Grant
from pillarbox.auth.keys import KeyFile

__all__ = ["Certificate", "Dovecot", "Kit", "Nginx", "Pillarbox"]


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of the certificate and key that all the servers show."""

    chain: Path
    key: Path

    @classmethod
    def create(cls, directory: Path) -> Certificate:
        """Make a self-signed ECDSA P-256 certificate with openssl(1)."""
        made = cls(directory / "cert.pem", directory / "key.pem")
        command = (
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30"
            f" -subj /CN=localhost -keyout {made.key} -out {made.chain}"
        )
        subprocess.run(command.split(), check=True, capture_output=True)
        return made


class Kit(Protocol):
    """A server that can be configured and started, with its own copy of the mail."""

    name: str
    mail: Path
    owner: Owner
    port: int
    tls_port: int
    log: Path

    def configure(self, workers: int) -> Sequence[str]:
        """Write the configuration for that many processes, and return the command that runs it in the foreground."""
        ...


class Dovecot:
    """A Dovecot of Debian's package with a configuration and directories of its own, on ports of its own."""

    def __init__(self, name: str, directory: Path, users: Sequence[str], certificate: Certificate) -> None:
        self.name = name
        self.mail = directory / "mail"
        self.log = directory / "dovecot.log"
        self.port, self.tls_port = free_port(), free_port()
        # Dovecot refuses to read mail as root. An ordinary user runs all of it as that user.
        account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.getuid())
        self.owner = Owner(account.pw_uid, account.pw_gid)
        self._directory = directory
        self._certificate = certificate
        for path in (directory, self.mail):
            path.mkdir(mode=0o755)
        os.chown(self.mail, self.owner.user, self.owner.group)
        (directory / "passwd").write_text("".join(f"{user}:{{PLAIN}}{PASSWORD}\n" for user in users))

    def configure(self, workers: int) -> Sequence[str]:
        """Write dovecot.conf; `workers` is the number of login processes."""
        path = self._directory / "dovecot.conf"
        path.write_text(self._configuration(workers))
        return ["dovecot", "-F", "-c", str(path)]

    def _configuration(self, workers: int) -> str:
        here, owner = self._directory, self.owner
        unprivileged = pwd.getpwuid(os.getuid()).pw_name
        rootless = f"""
default_internal_user = {unprivileged}
default_login_user = {unprivileged}
service anvil {{
  chroot =
}}
service pop3-login {{
  chroot =
}}
"""
        return f"""# Made by bench/servers.py.
protocols = pop3
listen = 127.0.0.1
base_dir = {here}/run
state_dir = {here}/state
instance_name = {self.name}
log_path = {self.log}
# One core: one login process, used for every connection, never replaced.
service pop3-login {{
  service_count = 0
  process_min_avail = {workers}
  process_limit = {workers}
  client_limit = 20000
  inet_listener pop3 {{
    port = {self.port}
  }}
  inet_listener pop3s {{
    port = {self.tls_port}
    ssl = yes
  }}
}}
# A session's process serves further sessions when its own has ended, instead of a new one being started for each.
service pop3 {{
  service_count = 1000
  process_limit = 2000
}}
service auth {{
  client_limit = 30000
}}
service anvil {{
  client_limit = 30000
}}
# Passwords: plain text, so no hash is computed, and remembered in any case.
auth_mechanisms = plain
auth_cache_size = 16 M
auth_cache_ttl = 1 hour
auth_failure_delay = 0
disable_plaintext_auth = no
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {here}/passwd
}}
userdb {{
  driver = static
  args = uid={owner.user} gid={owner.group} home={here}/home/%u
}}
first_valid_uid = {min(owner.user, 500)}
first_valid_gid = {min(owner.group, 1)}
mail_location = maildir:{self.mail}/%u
# All connections come from one address.
mail_max_userip_connections = 0
# Reading a message must not write to the maildrop: no \\Seen flag, so no rename.
pop3_no_flag_updates = yes
# mail_fsync stays as it is, so that deletions are as durable as Dovecot makes them by default;
# pop3_lock_session stays off, which spares Dovecot a lock file a session; maildir_very_dirty_syncs stays off, because
# with it nobody but Dovecot may touch cur/, and Pillarbox allows that too.
ssl = yes
ssl_cert = <{self._certificate.chain}
ssl_key = <{self._certificate.key}
ssl_min_protocol = TLSv1.3
{"" if os.geteuid() == 0 else rootless}"""


class Pillarbox:
    """Our server, from the checkout's environment."""

    def __init__(
        self, name: str, directory: Path, users: Sequence[str], certificate: Certificate, guard: bool = True
    ) -> None:
        self.name = name
        self.mail = directory / "mail"
        self.log = directory / "pillarbox.log"
        self.port, self.tls_port = free_port(), free_port()
        self._program = Path(sys.executable).with_name("pillarbox")
        if not self._program.exists():
            raise ServerError(f"{self._program} does not exist: install this checkout, or use --self-test")
        self._directory = directory
        self._file = directory / "pillarbox.toml"
        self._certificate = certificate
        self._guard = guard
        self._user, self.owner = _unprivileged()
        for path in (directory, self.mail, directory / "state"):
            path.mkdir(mode=0o755)
            os.chown(path, self.owner.user, self.owner.group)
        os.chown(certificate.key, self.owner.user, self.owner.group)
        self.configure(workers=1)
        self._add_accounts(users)

    def configure(self, workers: int) -> Sequence[str]:
        """Write pillarbox.toml; `workers` is the number of worker processes."""
        next_year = datetime.datetime.now(tz=datetime.UTC).date() + datetime.timedelta(days=365)
        user = f'user = "{self._user}"\n' if self._user else ""
        self._file.write_text(f"""# Made by bench/servers.py.
[server]
workers = {workers}
state_directory = "{self._directory}/state"
{user}
[[listener]]
name = "pop3"
address = "127.0.0.1"
port = {self.port}
tls = "starttls"
cleartext_login = [{{ networks = ["127.0.0.0/8"], until = {next_year}, reason = "benchmark" }}]

[[listener]]
name = "pop3s"
address = "127.0.0.1"
port = {self.tls_port}
tls = "implicit"

[tls]
certificate = "{self._certificate.chain}"
key = "{self._certificate.key}"

[maildir]
path = "{self.mail}/{{account}}"

# The load generator's password is short, and known to all.
[auth.policy]
min_characters = 8
common_list = false

# All connections come from one address.
[limits]
connections = 100000
connections_per_address = 100000
connections_per_account = 100

[guard]
enabled = {str(self._guard).lower()}

[log]
format = "json"
target = "{self.log}"
""")
        return [str(self._program), "serve", "--config", str(self._file)]

    def _add_accounts(self, users: Sequence[str]) -> None:
        def add(user: str) -> None:
            command = [str(self._program), "account", "add", user, "--stdin", "--config", str(self._file)]
            result = subprocess.run(command, input=f"{PASSWORD}\n", capture_output=True, text=True, check=False)
            if result.returncode:
                raise ServerError(f"pillarbox account add {user}: {result.stderr or result.stdout}")

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(add, users))
        self._give_away()

    def app_password(self, user: str) -> str:
        """Make an app password for an account, and return it."""
        state = self._directory / "state"
        store = AccountStore(state / "accounts.sqlite", clock=time.time)
        _, secret = AppPasswordStore(store, KeyFile(state / "secret.key")).add(user, Grant("bench", "unverified"))
        store.close()
        self._give_away()
        return secret.reveal().decode()

    def _give_away(self) -> None:
        for path in (self._directory / "state").rglob("*"):
            os.chown(path, self.owner.user, self.owner.group)


class Nginx:
    """The yardstick: the same octets as static files. `www` holds USER/1, USER/2, ... as links to the mail."""

    def __init__(self, directory: Path, certificate: Certificate) -> None:
        self.www = directory / "www"
        self.log = directory / "nginx.log"
        self.port, self.tls_port = free_port(), free_port()
        self._directory = directory
        self._certificate = certificate
        for path in (directory, self.www):
            path.mkdir(mode=0o755)

    def link(self, mail: Path, users: Sequence[str]) -> None:
        """Offer the messages of these users under numbers."""
        for user in users:
            (self.www / user).mkdir()
            files = (entry for part in ("new", "cur") for entry in os.scandir(mail / user / part))
            for number, entry in enumerate(sorted(files, key=lambda entry: entry.name), start=1):
                os.link(entry.path, self.www / user / str(number))

    def configure(self) -> Sequence[str]:
        """Write nginx.conf, and return the command that runs it in the foreground."""
        here = self._directory
        path = here / "nginx.conf"
        user = "user nobody nogroup;" if os.geteuid() == 0 else ""
        places = "".join(
            f"  {kind}_temp_path {here}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        path.write_text(f"""{user}
daemon off;
worker_processes 1;
pid {here}/nginx.pid;
error_log {self.log};
events {{ worker_connections 10000; }}
http {{
{places}  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000;
  ssl_certificate {self._certificate.chain};
  ssl_certificate_key {self._certificate.key};
  ssl_protocols TLSv1.3;
  server {{
    listen 127.0.0.1:{self.port};
    listen 127.0.0.1:{self.tls_port} ssl;
    root {self.www};
  }}
}}
""")
        return ["nginx", "-e", str(self.log), "-c", str(path)]


def _unprivileged() -> tuple[str, Owner]:
    """The user our server shall run as, and the owner of its mail.

    Started as root it drops to "nobody", if nobody may read this Python at all: an interpreter below /root is closed
    to it, and then the server is told to stay root.
    """
    if os.geteuid() != 0:
        return "", Owner(os.getuid(), os.getgid())
    nobody = pwd.getpwnam("nobody")
    try:
        subprocess.run(
            [sys.executable, "-c", "import pillarbox"],
            user=nobody.pw_uid,
            group=nobody.pw_gid,
            extra_groups=[],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "root", Owner(0, 0)
    return "nobody", Owner(nobody.pw_uid, nobody.pw_gid)
