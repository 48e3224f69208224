"""Dovecot's IMAP and LMTP servers, of Debian's packages, on ports and directories of their own."""

from __future__ import annotations

import datetime
import imaplib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from pillarbox.client.tls_rules import TlsRules
from pillarbox.fetch.destinations.mail_server import MailServer, Security
from pillarbox.server.certificates import make_self_signed
from pillarbox.testing.live import free_ports

_LIBRARY = Path("/usr/lib/dovecot")
MISSING = (
    None
    if shutil.which("dovecot") and (_LIBRARY / "imap").exists() and (_LIBRARY / "lmtp").exists() and os.geteuid() == 0
    else "needs root, and Debian's packages dovecot-imapd and dovecot-lmtpd"
)
"""Why tests with it are skipped, or None."""

USER, PASSWORD = "ada", 'pä"ss\\word'


class DovecotStore:
    """One Dovecot with the account `USER`; a context manager.

    Args:
        mail: the kind of its store, "maildir" or "mbox".
        imap: settings of protocol imap, such as a shorter list of capabilities.
    """

    def __init__(self, mail: str = "maildir", imap: str = "") -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self.directory.chmod(0o755)
        self.imap_port, self.imaps_port, self.lmtp_port = free_ports(3)
        self.certificate, self._key = make_self_signed(
            self.directory, ["localhost"], datetime.datetime.now(datetime.UTC)
        )
        self.socket = self.directory / "lmtp.sock"
        self.home = self.directory / "home"
        self.home.mkdir()
        nobody = pwd.getpwnam("nobody")
        os.chown(self.home, nobody.pw_uid, nobody.pw_gid)
        where = f"{self.home}/Mail" if mail == "maildir" else f"{self.home}/boxes:INBOX={self.home}/inbox"
        (self.directory / "passwd").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n", encoding="utf-8")
        (self.directory / "dovecot.conf").write_text(
            f"""
protocols = imap lmtp
listen = 127.0.0.1
base_dir = {self.directory}/run
state_dir = {self.directory}/state
instance_name = {self.directory.name}
log_path = {self.directory}/log
ssl = required
ssl_cert = <{self.certificate}
ssl_key = <{self._key}
service imap-login {{
  inet_listener imap {{
    port = {self.imap_port}
  }}
  inet_listener imaps {{
    port = {self.imaps_port}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.lmtp_port}
  }}
  unix_listener {self.socket} {{
    mode = 0666
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
auth_failure_delay = 0
auth_mechanisms = plain login
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%n {self.directory}/passwd
}}
userdb {{
  driver = static
  args = uid={nobody.pw_uid} gid={nobody.pw_gid} home={self.home} allow_all_users=yes
}}
first_valid_uid = 1
first_valid_gid = 1
mail_location = {mail}:{where}
protocol lmtp {{
  auth_username_format = %n
}}
protocol imap {{
  {imap}
}}
""",
            encoding="utf-8",
        )
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        configuration = self.directory / "dovecot.conf"
        with (self.directory / "errors").open("wb") as errors:
            self._process = subprocess.Popen(["dovecot", "-F", "-c", configuration], stdout=errors, stderr=errors)
        end = time.monotonic() + 20
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                said = (self.directory / "errors").read_text()
                self.__exit__(None, None, None)
                raise RuntimeError(f"Dovecot does not answer: {said}")
            time.sleep(0.05)
        return self

    def _answers(self) -> bool:
        try:
            for port in (self.imap_port, self.lmtp_port):
                with socket.create_connection(("127.0.0.1", port), 5) as probe:
                    if probe.recv(3) not in (b"* O", b"220"):
                        return False
        except OSError:
            return False
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def imap(self, *, starttls: bool = False, password: str = PASSWORD, user: str = USER) -> MailServer:
        """Its IMAP server, as a destination's settings name it."""
        port = self.imap_port if starttls else self.imaps_port
        security = Security.STARTTLS if starttls else Security.TLS
        return MailServer("localhost", port, security, user, password, tls=self.tls(), timeout=20.0)

    def lmtp(self, *, unix: bool = False) -> MailServer:
        """Its LMTP server."""
        if unix:
            return MailServer(str(self.socket), 0, Security.NONE, timeout=20.0)
        return MailServer("127.0.0.1", self.lmtp_port, Security.NONE, timeout=20.0)

    def tls(self) -> TlsRules:
        """Trust in this server's certificate, and no other."""
        return TlsRules(ca_file=self.certificate)

    def messages(self, folder: str = "INBOX") -> list[tuple[bytes, bytes]]:
        """What IMAP tells of every message in a folder (flags and date), and its octets."""
        with imaplib.IMAP4_SSL("localhost", self.imaps_port, ssl_context=self.tls().client_context()) as imap:
            imap.authenticate("PLAIN", lambda _: b"\0" + USER.encode() + b"\0" + PASSWORD.encode())
            _, count = imap.select(f'"{folder}"', readonly=True)
            if count[0] == b"0":
                return []
            _, data = imap.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")
            return [(one[0], one[1]) for one in data if isinstance(one, tuple)]
