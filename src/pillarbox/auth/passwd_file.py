"""A Dovecot-style passwd-file as a source of accounts, so that another server's users can be served unchanged.

    user:password:uid:gid:gecos:home:shell:extra_fields

Rules: a file that cannot be read is "unavailable", never "nobody is known"; a line that cannot be used is skipped,
reported once with its number and never with its content; a field that restricts an account is honoured or closes the
account, never ignored. uid, gid, gecos and shell are not used: the server reads mail as its own user. The schemes of
passwords are in `schemes`.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from pillarbox.auth.names import InvalidName, normalise, split
from pillarbox.auth.schemes import Schemes, UnusableHash
from pillarbox.auth.sources import Credential, SourceUnavailable
from pillarbox.events import Sink
from pillarbox.events.types import Warned

# 100 MB holds more accounts than one machine serves; more is some other file.
_MAX_FILE_OCTETS = 100_000_000
# Extra fields that say "not here, or not like this": an account that has one is closed here.
_CLOSING_FIELDS = {"nologin", "nopassword", "proxy", "proxy_maybe", "host"}
_DOVECOT_VARIABLE = re.compile(r"%([undh%])")
_Fingerprint = tuple[int, int, int, int]


class _BrokenLine(Exception):
    """A line cannot be used. The message does not repeat it."""


@dataclass(frozen=True, slots=True)
class _Contents:
    credentials: dict[str, Credential]
    problems: list[tuple[int, str]]
    fingerprint: _Fingerprint


class PasswdFileSource:
    """The accounts of one passwd-file; a changed file is read anew at the next lookup, in a thread.

    Args:
        path: the file.
        schemes: checks the passwords, and knows the default scheme.
        maildir: the path template of accounts that name no place of their own.
        default_domain: the domain of names in the file that have none.
        sink: is told of lines that cannot be used.
    """

    name = "passwd-file"

    def __init__(self, path: Path, *, schemes: Schemes, maildir: str, default_domain: str, sink: Sink) -> None:
        self._path = str(path)
        self._schemes = schemes
        self._maildir = maildir
        self._default_domain = default_domain
        self._sink = sink
        self._credentials: dict[str, Credential] = {}
        self._fingerprint: _Fingerprint | None = None
        self._reading = asyncio.Lock()
        self._reported: set[tuple[int, str]] = set()

    def lookup(self, account: str) -> Credential | Awaitable[Credential | None] | None:
        """See `Source.lookup`. Answers at once while the file is unchanged."""
        try:
            status = os.stat(self._path)
        except OSError as error:
            raise self._unavailable(error) from error
        if _fingerprint(status) != self._fingerprint:
            return self._read_and_look_up(account)
        return self._credentials.get(account)

    def verify(self, credential: Credential, password: bytes) -> bool:
        """See `Source.verify`."""
        return self._schemes.verify(credential.stored, password)

    def upgrade(self, credential: Credential, password: bytes) -> None:
        """See `Source.upgrade`: the file belongs to another server, so nothing is changed."""

    async def _read_and_look_up(self, account: str) -> Credential | None:
        async with self._reading:
            try:
                if _fingerprint(os.stat(self._path)) != self._fingerprint:
                    self._take(await asyncio.to_thread(self._read))
            except OSError as error:
                raise self._unavailable(error) from error
        return self._credentials.get(account)

    def _unavailable(self, error: OSError) -> SourceUnavailable:
        self._fingerprint = None
        return SourceUnavailable(f"{self._path}: {error.strerror}")

    def _take(self, contents: _Contents) -> None:
        self._credentials = contents.credentials
        self._fingerprint = contents.fingerprint
        for problem in contents.problems:
            if problem not in self._reported:
                number, text = problem
                self._sink.emit(Warned(about="passwd-file", text=f"{self._path}, line {number}: {text}"))
        self._reported = set(contents.problems)

    def _read(self) -> _Contents:
        with open(self._path, "rb") as file:
            status = os.fstat(file.fileno())
            if status.st_size > _MAX_FILE_OCTETS:
                raise OSError(0, f"it is larger than {_MAX_FILE_OCTETS} octets")
            octets = file.read(_MAX_FILE_OCTETS)
        parser = _LineParser(self._schemes, self._maildir, self._default_domain)
        credentials: dict[str, Credential] = {}
        problems: list[tuple[int, str]] = []
        for number, line in enumerate(octets.split(b"\n"), start=1):
            try:
                credential, remarks = parser.parse(line.decode("utf-8", "surrogateescape").strip("\r"))
                if credential is None:
                    continue
                if credential.account in credentials:
                    raise _BrokenLine("its user has a line above already; that one counts")
                credentials[credential.account] = credential
                problems += [(number, remark) for remark in remarks]
            except _BrokenLine as error:
                problems.append((number, f"skipped: {error}"))
        return _Contents(credentials, problems, _fingerprint(status))


class _LineParser:
    """Makes credentials of lines."""

    def __init__(self, schemes: Schemes, maildir: str, default_domain: str) -> None:
        self._schemes = schemes
        self._maildir = maildir
        self._default_domain = default_domain

    def parse(self, line: str) -> tuple[Credential | None, list[str]]:
        """The credential of a line, None for a comment or a blank line; and remarks on it for the administrator."""
        if not line.strip() or line.lstrip().startswith("#"):
            return None, []
        fields = [*line.split(":", 7), *[""] * 7][:8]
        account = self._account(fields[0])
        extra = _extra_fields(fields[7])
        closing = sorted(_CLOSING_FIELDS & extra.keys())
        remarks = [f"the account is closed here because of its field {key}" for key in closing if key != "nologin"]
        if not fields[1]:
            remarks.append("it has no password, so nobody can log in with it")
        credential = Credential(
            account=account,
            stored=self._stored(fields[1]),
            enabled=not closing,
            home=_home(fields[5], extra),
            maildir=self._maildir_of(extra, account),
            networks=_networks(extra.get("allow_nets", "")),
        )
        return credential, remarks

    def _account(self, field: str) -> str:
        try:
            return normalise(field.strip(), self._default_domain)
        except InvalidName as error:
            raise _BrokenLine(f"its user name cannot be used: {error}") from None

    def _stored(self, field: str) -> str:
        if not field:
            return ""
        try:
            return self._schemes.checked(field)
        except UnusableHash as error:
            raise _BrokenLine(f"its password cannot be used: {error}") from None

    def _maildir_of(self, extra: dict[str, str], account: str) -> str:
        mail = extra.get("userdb_mail") or extra.get("mail")
        if mail is None:
            return self._maildir
        driver, _, rest = mail.partition(":")
        path, *options = rest.split(":")
        # Dovecot: INBOX=… moves the INBOX, which is all of POP3, away from the rest of the mail.
        path = next((option[len("INBOX=") :] for option in options if option.startswith("INBOX=")), path)
        if driver.lower() != "maildir" or not path:
            raise _BrokenLine("its mail is not in a Maildir (userdb_mail=maildir:PATH)")
        return _template(path, account)


def _extra_fields(field: str) -> dict[str, str]:
    return {key: value for key, _, value in (item.partition("=") for item in field.split())}


def _template(path: str, account: str) -> str:
    """Our path template of a Dovecot path: "~/" is the home; %u, %n, %d and %h are filled in; braces are literal."""
    if re.search(r"[{}]", path):
        raise _BrokenLine("the path of its mail holds a brace")
    if _DOVECOT_VARIABLE.sub("", path).count("%"):
        raise _BrokenLine("the path of its mail has a variable other than %u, %n, %d, %h")
    if path == "~" or path.startswith("~/"):
        path = f"%h{path[1:]}"
    meaning = {"u": "{account}", "n": "{user}", "d": "{domain}", "h": "{home}", "%": "%"}
    if "%d" in path and not split(account)[1]:
        raise _BrokenLine("the path of its mail needs a domain, and its user has none")
    return _DOVECOT_VARIABLE.sub(lambda match: meaning[match[1]], path)


def _home(field: str, extra: dict[str, str]) -> str:
    home = extra.get("userdb_home", field)
    if home and not home.startswith("/"):
        raise _BrokenLine("its home is not an absolute path")
    return home


def _networks(field: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Dovecot's allow_nets; "local" and anything else that is no network closes the line rather than opening it."""
    try:
        return tuple(ip_network(item, strict=False) for item in field.split(",") if item)
    except ValueError:
        raise _BrokenLine("its allow_nets holds something that is not a network") from None


def _fingerprint(status: os.stat_result) -> _Fingerprint:
    # The change time notices what a restored modification time would hide.
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
