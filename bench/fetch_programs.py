"""The fetchers of the benchmark: how each is told to bring one maildrop into a Maildir, as durably as it can.

Rules: every one speaks TLS from the first octet and verifies the certificate; each run begins with nothing remembered.
mpop and getmail6 deliver into the Maildir by themselves; fetchmail cannot, and hands on to procmail, as is usual, or to
`tee`, which is the least an MDA can do and makes nothing durable. As root, theirs run as the user "nobody", because
getmail6 refuses root a Maildir.
"""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FETCHERS", "Fetcher", "Task"]

_OURS = str(Path(sys.executable).with_name("pillarbox"))


@dataclass(frozen=True, slots=True)
class Task:
    """One run: from which server, into which empty directory."""

    port: int
    user: str
    password: str
    certificate: Path
    directory: Path

    @property
    def maildir(self) -> Path:
        """Where the messages are to be in the end."""
        return self.directory / "in"

    def file(self, name: str, text: str) -> Path:
        """A file that only its owner may read."""
        path = self.directory / name
        path.touch(0o600)
        path.write_text(text, encoding="utf-8")
        return path


@dataclass(frozen=True, slots=True)
class Fetcher:
    """A program: `prepare` writes its files, and gives the command.

    Attributes:
        ours: whether it runs as the user of the benchmark.
        delivered: how many messages are there in the end.
    """

    name: str
    program: str
    prepare: Callable[[Task], list[str]]
    ours: bool = False
    delivered: Callable[[Task], int] = lambda task: sum(1 for _ in (task.maildir / "new").iterdir())

    @property
    def here(self) -> bool:
        """Whether the program is installed."""
        return shutil.which(self.program) is not None

    def environment(self, task: Task) -> Mapping[str, str]:
        """A home of its own."""
        return {**os.environ, "HOME": str(task.directory), "FETCHMAILHOME": str(task.directory)}

    def hand_over(self, task: Task) -> dict[str, int]:
        """Give the directory to whom it runs as; what `subprocess` needs to run it so."""
        if self.ours or os.geteuid() != 0:
            return {}
        nobody = pwd.getpwnam("nobody")
        for path in (task.directory, *task.directory.rglob("*")):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        return {"user": nobody.pw_uid, "group": nobody.pw_gid}


def _ours(task: Task) -> list[str]:
    task.file("password", task.password)
    path = task.file(
        "fetch.toml",
        f"""[fetch]
state = "{task.directory}/state"
[account.bench]
url = "pops://localhost:{task.port}"
user = "{task.user}"
password_file = "{task.directory}/password"
tls.ca_file = "{task.certificate}"
delete = "never"
deliver.to = "maildir"
deliver.path = "{task.maildir}"
""",
    )
    return [_OURS, "fetch", "run", "--once", "--quiet", "--config", str(path)]


def _mpop(task: Task) -> list[str]:
    path = task.file(
        "mpoprc",
        f"""account default
host localhost
port {task.port}
user {task.user}
password {task.password}
auth user
tls on
tls_starttls off
tls_trust_file {task.certificate}
received_header off
uidls_file {task.directory}/uidls
delivery maildir {task.maildir}
keep on
""",
    )
    return ["mpop", f"--file={path}", "--quiet"]


def _fetchmail(task: Task, mda: str) -> list[str]:
    path = task.file(
        "fetchmailrc",
        f"""set invisible
set no bouncemail
poll localhost protocol pop3 port {task.port} timeout 60 uidl
  user "{task.user}" there with password "{task.password}" is "nobody" here
  options keep no rewrite no dropdelivered ssl sslcertck
  sslcertfile "{task.certificate}"
  mda "{mda}"
""",
    )
    return ["fetchmail", "--fetchmailrc", str(path), "--nodetach", "--nosyslog", "--silent"]


def _fetchmail_procmail(task: Task) -> list[str]:
    rules = task.file("procmailrc", f"MAILDIR={task.directory}\nDEFAULT={task.maildir}/\nLOGFILE=/dev/null\n")
    return _fetchmail(task, f"/usr/bin/procmail -m {rules}")


def _fetchmail_tee(task: Task) -> list[str]:
    return _fetchmail(task, f"/bin/sh -c 'exec tee {task.maildir}/new/$$.mail >/dev/null'")


def _getmail(task: Task) -> list[str]:
    task.file(
        "getmailrc",
        f"""[retriever]
type = SimplePOP3SSLRetriever
server = localhost
port = {task.port}
username = {task.user}
password = {task.password}
ca_certs = {task.certificate}

[destination]
type = Maildir
path = {task.maildir}/

[options]
read_all = false
delete = false
delivered_to = false
received = false
verbose = 0
""",
    )
    return ["getmail", f"--getmaildir={task.directory}"]


FETCHERS = (
    Fetcher("pillarbox", _OURS, _ours, ours=True),
    Fetcher("mpop", "mpop", _mpop),
    Fetcher("fetchmail, procmail", "procmail", _fetchmail_procmail),
    Fetcher("fetchmail, tee", "fetchmail", _fetchmail_tee),
    Fetcher("getmail6", "getmail", _getmail),
)
"""In the order of the table; the first is ours."""
