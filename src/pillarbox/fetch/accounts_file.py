"""From `fetch.toml` to accounts that can be fetched: secrets, TLS rules and destinations as the file describes them.

Rules: nothing is connected or written here, and no secret is read: that happens when an account is run, so that one
account's trouble stays its own. What cannot be built is a problem of the file, told with its key.

Elsewhere: the schema (`schema`, `schema_deliver`), where passwords come from (`secrets`), runs (`run`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pillarbox.client import address
from pillarbox.client.auth import Auth, ClientCertificate
from pillarbox.client.errors import UsageError
from pillarbox.client.known_hosts import KnownHostsFile
from pillarbox.client.oauth_providers import GOOGLE, Application, microsoft
from pillarbox.client.tls_rules import TlsRules, Verify
from pillarbox.config import ConfigError, Problem, load_as
from pillarbox.fetch import schema
from pillarbox.fetch.destination import Destination, LineEnds
from pillarbox.fetch.destinations.maildir import MaildirDestination
from pillarbox.fetch.filter_rule import FilterRule
from pillarbox.fetch.plan import Oversize
from pillarbox.fetch.schema import DAY, Account, FetchFile
from pillarbox.fetch.schema_deliver import Deliver
from pillarbox.fetch.secrets import file_secret, secret_source
from pillarbox.fetch.settings import AT_ONCE, KEEP, FetchAccount
from pillarbox.fetch.verdict import Filter

if TYPE_CHECKING:
    from pillarbox.fetch.destinations.mail_server import MailServer

_PORTS = {("imap", "implicit"): 993, ("imap", "starttls"): 143, ("imap", "off"): 143, ("smtp", "implicit"): 465,
          ("smtp", "starttls"): 587, ("smtp", "off"): 25, ("lmtp", "implicit"): 24, ("lmtp", "starttls"): 24,
          ("lmtp", "off"): 24}  # fmt: skip
_PIPELINING = {"auto": None, "on": True, "off": False}


class Scheduled(NamedTuple):
    """One account as the file has it.

    Attributes:
        host: of its server, for the cap of `fetch.per_host`.
        every: seconds between its runs.
    """

    account: FetchAccount
    host: str
    every: float


class Fetcher(NamedTuple):
    """All of the file.

    Attributes:
        state: the directory of journals, tokens, known hosts and status.
        accounts: those that are fetched.
        disabled: the names of those that are not.
    """

    settings: schema.Fetch
    state: Path
    accounts: tuple[Scheduled, ...]
    disabled: tuple[str, ...] = ()


def load(path: str | os.PathLike[str]) -> Fetcher:
    """Read the file.

    Raises:
        ConfigError: with everything that is wrong.
    """
    return build(read(path), str(path))


def read(path: str | os.PathLike[str], *, base: Path | None = None) -> FetchFile:
    """Read what stands in the file. `base`: where relative paths start, by default the file's own directory.

    Raises:
        ConfigError: with everything that is wrong in it.
    """
    return load_as(FetchFile, path, "fetch.toml", base=base)


def build(file: FetchFile, source: str = "") -> Fetcher:
    """The accounts of a file that was read; those that are not enabled are left out.

    Raises:
        ConfigError: a value fits its setting and is still of no use.
    """
    state = file.fetch.state or schema.default_state()
    problems: list[Problem] = []
    accounts: list[Scheduled] = []
    for name, account in file.account.items():
        if not account.enabled:
            continue
        try:
            accounts.append(_scheduled(name, account, state, file.fetch.every))
        except (UsageError, ValueError) as error:
            problems.append(Problem(f"account.{name}", str(error), source=source))
    if problems:
        raise ConfigError(problems)
    disabled = tuple(name for name, account in file.account.items() if not account.enabled)
    return Fetcher(file.fetch, state, tuple(accounts), disabled)


def token_file(state: Path, name: str) -> Path:
    """Where an account's OAuth tokens are kept: a directory that every run makes, with its journal."""
    return state / f"{name}.tokens"


def application(oauth: schema.OAuth) -> Application:
    """The application that the file names. Reads its secret.

    Raises:
        SecretUnavailable: the secret's file cannot be used.
    """
    provider = GOOGLE if oauth.provider == "google" else microsoft(oauth.tenant)
    secret = None if oauth.client_secret_file is None else file_secret("client_secret_file", oauth.client_secret_file)
    return Application(provider, oauth.client_id, secret)


def _scheduled(name: str, account: Account, state: Path, every: float) -> Scheduled:
    where = address.parse(account.url, account.user)
    fetched = FetchAccount(
        name=name,
        url=account.url,
        destination=_destination(account.deliver),
        journals=state / "journals",
        user=account.user or None,
        password=secret_source(account, where.user),
        auth=_auth(name, account, state),
        tls=_tls(account.tls, state),
        lenient_lf=account.lenient_lf,
        exact_sizes=account.exact_sizes,
        pipelining=_PIPELINING[account.pipelining],
        delete_after=KEEP if account.delete == "never" else account.keep_days * DAY or AT_ONCE,
        largest=account.largest or None,
        oversize=Oversize(account.oversize),
        filter=_filter(account.filter),
        commit_messages=account.commit_messages,
        tries=account.tries,
    )
    return Scheduled(fetched, where.host, account.every or every)


def _auth(name: str, account: Account, state: Path) -> Auth | None:
    if account.oauth is not None:
        from pillarbox.client.oauth import OAuth2

        remedy = f"run: pillarbox fetch login {name}"
        return OAuth2(application(account.oauth), token_file(state, name), remedy=remedy)
    return None if account.places else ClientCertificate()


def _tls(tls: schema.Tls, state: Path) -> TlsRules:
    return TlsRules(
        verify=Verify(tls.verify),
        ca_file=tls.ca_file,
        pins=tls.pins,
        known=KnownHostsFile(state / "known-hosts"),
        cleartext=tls.cleartext,
        certificate=tls.certificate,
        key=tls.key,
    )


def _filter(rules: Sequence[FilterRule]) -> Filter | None:
    if not rules:
        return None
    from pillarbox.fetch.filters import HeaderFilter

    return HeaderFilter(rules, time.time)


def _destination(deliver: Deliver) -> Destination:
    return _MADE_BY_KIND[deliver.to](deliver)


def _path(deliver: Deliver) -> Path:
    assert deliver.path is not None  # the schema sees to it
    return deliver.path


# Each kind is imported when an account wants it, as OAuth2 and filters are: they bring libraries of their own, and a
# run of seconds should not begin with half a second of them.


def _maildir(deliver: Deliver) -> Destination:
    return MaildirDestination(_path(deliver), line_ends=LineEnds(deliver.line_ends))


def _mbox(deliver: Deliver) -> Destination:
    from pillarbox.fetch.destinations.mbox import Mbox

    return Mbox(_path(deliver), line_ends=LineEnds(deliver.line_ends), lock_file=deliver.lock_file)


def _archive(deliver: Deliver) -> Destination:
    from pillarbox.fetch.destinations.archive import ArchiveDestination

    return ArchiveDestination(_path(deliver))


def _pipe(deliver: Deliver) -> Destination:
    from pillarbox.fetch.destinations.pipe import Pipe

    command = deliver.command or ()
    return Pipe(
        command[0] if deliver.shell and len(command) == 1 else command,
        line_ends=LineEnds(deliver.line_ends),
        time_limit=deliver.time_limit,
        shell=deliver.shell,
        sender=_sender(deliver),
        recipient=deliver.recipient,
    )


def _lmtp(deliver: Deliver) -> Destination:
    from pillarbox.fetch.destinations.smtp import Lmtp

    return Lmtp(_server(deliver), deliver.recipient, sender=_sender(deliver))


def _smtp(deliver: Deliver) -> Destination:
    from pillarbox.fetch.destinations.smtp import Smtp

    return Smtp(_server(deliver), deliver.recipient, sender=_sender(deliver))


def _imap(deliver: Deliver) -> Destination:
    from pillarbox.fetch.destinations.imap import Imap

    return Imap(_server(deliver), folder=deliver.folder, create=deliver.create_folder, flags=deliver.flags)


def _sender(deliver: Deliver) -> str | None:
    return {"": None, "<>": ""}.get(deliver.sender, deliver.sender)


def _server(deliver: Deliver) -> MailServer:
    from pillarbox.fetch.destinations.mail_server import MailServer, Security

    if deliver.socket is not None:
        return MailServer(str(deliver.socket), 0, Security.NONE)
    security = {"implicit": Security.TLS, "starttls": Security.STARTTLS, "off": Security.NONE}
    return MailServer(
        deliver.host,
        deliver.port or _PORTS[deliver.to, deliver.tls],
        security[deliver.tls],
        user=deliver.user,
        password=secret_source(deliver, deliver.user),
        tls=TlsRules(ca_file=deliver.ca_file),
    )


_MADE_BY_KIND: dict[str, Callable[[Deliver], Destination]] = {
    "maildir": _maildir,
    "mbox": _mbox,
    "archive": _archive,
    "pipe": _pipe,
    "lmtp": _lmtp,
    "smtp": _smtp,
    "imap": _imap,
}
