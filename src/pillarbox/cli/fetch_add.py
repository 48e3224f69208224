"""`pillarbox fetch add`: a new account, asked for, tried, and written into the file.

Rules: nothing is written into the file before the login and the destination have worked (unless `--no-test` says so);
what stands in the file stays as it is; a password goes into a private file or the keyring, never into the file of
accounts; a private file that was made for an account that did not work is removed.

Elsewhere: the questions (`fetch_add_ask`, `fetch_add_password`), the file (`pillarbox.fetch.new_account`), the trial
(`pillarbox.fetch.trial`).
"""

from __future__ import annotations

import contextlib
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pillarbox.cli.fetch_add_ask import ISPDB, Asker, Kind, Provider, absolute, destination, find_server
from pillarbox.cli.fetch_add_password import Kept, password_place
from pillarbox.cli.fetch_login import Way, WayOption, get_tokens
from pillarbox.cli.fetch_place import ConfigOption, fail, find_config, messages, octets, read_file
from pillarbox.cli.telling import WRONG_USE, fail_with, note
from pillarbox.watch.clean import clean

if TYPE_CHECKING:
    from pillarbox.client.discover import Discovery, Proposal
    from pillarbox.fetch.settings import FetchAccount

_TRIES = 3
_TRUST = "--set tls.ca_file=FILE names whom to trust, --set 'tls.verify=\"first use\"' takes the key seen now"

Account = dict[str, Any]
"""An account's table. `Any`: what TOML can hold."""


def add(
    address: Annotated[str, typer.Argument(help="The mail address.", show_default=False)] = "",
    name: Annotated[str, typer.Option(help="What the account is called from now on.")] = "",
    url: Annotated[str, typer.Option(help="The server, if it is known: pops://mail.example.org")] = "",
    user: Annotated[str, typer.Option(help="The user, where it is not the address.")] = "",
    password_file: Annotated[str, typer.Option(help="A private file; it is made if it is missing.")] = "",
    password_command: Annotated[str, typer.Option(help="A program that prints the password.")] = "",
    password_keyring: Annotated[str, typer.Option(help="A service of the desktop's keyring.")] = "",
    password_credential: Annotated[str, typer.Option(help="A credential that systemd gives.")] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password that is kept from standard input.")
    ] = False,
    oauth: Annotated[Provider | None, typer.Option(help="Log in with this provider's tokens.")] = None,
    client_id: Annotated[str, typer.Option(help="Your application's id at the provider (see docs/oauth.md).")] = "",
    client_secret_file: Annotated[str, typer.Option(help="A private file with its secret (Google).")] = "",
    way: WayOption = Way.BROWSER,
    to: Annotated[Kind | None, typer.Option(help="The kind of destination.")] = None,
    path: Annotated[str, typer.Option(help="The Maildir, mbox or archive.")] = "",
    command: Annotated[str, typer.Option(help="For pipe: the program and its arguments.")] = "",
    host: Annotated[str, typer.Option(help="For smtp and imap: the server.")] = "",
    socket: Annotated[str, typer.Option(help="For lmtp: the socket.")] = "",
    recipient: Annotated[str, typer.Option(help="For lmtp and smtp: to whom.")] = "",
    delete: Annotated[
        bool | None, typer.Option("--delete/--keep", help="Whether messages are deleted on the server.")
    ] = None,
    keep_days: Annotated[int, typer.Option(min=0, help="With --delete: after so many days.")] = 0,
    more: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other setting, as in the file.")
    ] = None,
    ispdb: Annotated[str, typer.Option(help='A public list of servers; "" asks none.')] = ISPDB,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: options and defaults.")] = False,
    test: Annotated[bool, typer.Option("--test/--no-test", help="Try login and destination before writing.")] = True,
    config: ConfigOption = None,
) -> None:
    """Add an account: look for its server, ask what is not given, try it out, and write it into the file."""
    if keep_days and not delete:
        fail("--keep-days says when messages are deleted on the server: add --delete", WRONG_USE)
    ask = Asker(yes=yes)
    place = find_config(config)
    known = read_file(place).account if place.exists() else {}
    if not address and not (url and name):
        address = ask.text("Which mail address?", "ADDRESS")
    proposal = None if url else find_server(ask, address, _discover, ispdb)
    where = _where(ask, url, proposal)
    name = ask.text("What shall the account be called?", "--name", name, _free_name(address, set(known)))
    if name in known:
        fail(f"there is an account {name} already: choose another name with --name", WRONG_USE)
    account: Account = {"url": where}
    _name_user(account, where, user or (proposal.user if proposal else "") or address)
    kept: Kept | None = None
    if oauth or (proposal is not None and proposal.provider):
        provider = oauth or Provider(proposal.provider if proposal else "")
        account["oauth"] = _oauth(ask, provider, client_id, client_secret_file)
    else:
        given = {"password_file": password_file, "password_keyring": password_keyring,
                 "password_credential": password_credential}  # fmt: skip
        kept = password_place(ask, account, name, place, given, password_command, from_stdin=password_stdin)
    with _tidy(kept):
        answers = {"path": path, "command": command, "host": host, "socket": socket, "recipient": recipient}
        chosen: Account = {}
        for text in more or ():
            _set(chosen, text)
        settled = chosen.pop("deliver", None) or {}
        if not isinstance(settled, dict):
            fail("--set deliver: it is a table: write deliver.KEY=VALUE", WRONG_USE)
        account["deliver"] = destination(ask, name, to, answers, settled)
        if delete is None:
            delete = ask.agreed(
                "Delete messages on the server once they are safe?", default=False, option="--delete or --keep"
            )
        if delete:
            account |= {"delete": "after delivery"} | ({"keep_days": keep_days} if keep_days else {})
        for key, value in chosen.items():
            both = isinstance(value, dict) and isinstance(account.get(key), dict)
            account[key] = {**account[key], **value} if both else value
        _write(ask, place, name, account, kept, way, test=test)


# ---- answers to settings ----------------------------------------------------------------------------------------


def _discover(address: str, ispdb: str) -> Discovery:
    from pillarbox.client.discover import DnsResolver, LookupFailed, discover, https_get

    try:
        return discover(address, resolver=DnsResolver(), fetch=https_get, ispdb=ispdb)
    except LookupFailed as error:
        fail(f"{error}; or name the server with --url")


def _where(ask: Asker, url: str, proposal: Proposal | None) -> str:
    return proposal.url if proposal is not None else ask.text("Which server? Write pops://HOST", "--url", url)


def _free_name(address: str, taken: set[str]) -> str:
    short = address.partition("@")[0]
    return short if short not in taken else address


def _name_user(account: Account, url: str, user: str) -> None:
    from pillarbox.client import address
    from pillarbox.client.errors import UsageError

    try:
        in_url = address.parse(url).user
    except UsageError as error:
        fail(str(error), WRONG_USE)
    if user and user != in_url:
        account["user"] = user


def _oauth(ask: Asker, provider: Provider, client_id: str, secret_file: str) -> Account:
    note("Your own application at the provider is needed; docs/oauth.md says how to get one in five minutes.")
    table: Account = {"provider": provider.value, "client_id": ask.text("Its client id?", "--client-id", client_id)}
    if secret_file or provider is Provider.GOOGLE:
        table["client_secret_file"] = absolute(ask.text("A file with its secret?", "--client-secret-file", secret_file))
    return table


def _set(account: Account, text: str) -> None:
    """Carry out one `--set deliver.recipient=ada@example.org`; what is not TOML is a text."""
    key, equals, value = text.partition("=")
    if not equals:
        fail(f"--set {text}: write KEY=VALUE, as in the file", WRONG_USE)
    try:
        read: Any = tomllib.loads(f"value = {value.strip()}")["value"]  # Any: what TOML can hold
    except tomllib.TOMLDecodeError:
        read = value.strip()
    *tables, last = key.strip().split(".")
    for name in tables:
        account = account.setdefault(name, {})
    account[last] = read


# ---- trying and writing -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _tidy(kept: Kept | None) -> Iterator[None]:
    try:
        yield
    except BaseException:
        if kept is not None:
            kept.remove()
        raise


def _write(ask: Asker, place: Path, name: str, account: Account, kept: Kept | None, way: Way, *, test: bool) -> None:
    from pillarbox.fetch.new_account import CannotAdd, read_text, replace_text, table_text, with_account

    try:
        before = read_text(place)
        with_account(before, name, account)  # that it can be added is known before anything is tried
        made = _built(before, name, table_text(name, account), place)
        if test:
            if "oauth" in account:
                _log_in(place, made, account, way)
            while not _works(ask, made, kept):
                account["tls"] = {**account.get("tls", {}), "verify": "first use"}
                made = _built(before, name, table_text(name, account), place)
        replace_text(place, before, with_account(before, name, account))
    except CannotAdd as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or place}: {error.strerror or error}: nothing was added")
    typer.echo(f"{name} is added to {clean(str(place))}; fetch its mail: pillarbox fetch run --once {name}")


def _built(before: str, name: str, table: str, place: Path) -> FetchAccount:
    """The account as the file would have it. Ends the command with its problems."""
    from pillarbox.config import ConfigError, Problem
    from pillarbox.config.toml import inline
    from pillarbox.fetch import accounts_file

    state = tomllib.loads(before).get("fetch", {}).get("state")
    head = f"[fetch]\nstate = {inline(str(place.parent.absolute() / Path(state).expanduser()))}\n" if state else ""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "new.toml"
        file.write_text(head + table, encoding="utf-8")
        try:
            read = accounts_file.read(file, base=place.parent.absolute())
            (made,) = accounts_file.build(read).accounts
        except ConfigError as error:
            fail_with(
                [Problem(one.key.replace(f"account.{name}.", ""), one.what, one.instead) for one in error.problems]
            )
        except ValueError:
            fail("an account that is not enabled cannot be tried: add it without `enabled`", WRONG_USE)
    ca_file = read.account[name].tls.ca_file
    if ca_file is not None and not ca_file.is_file():
        fail(f"tls.ca_file: there is no file {ca_file}; nothing was added", WRONG_USE)
    return made.account


def _log_in(place: Path, made: FetchAccount, account: Account, way: Way) -> None:
    from pillarbox.client.oauth import OAuth2
    from pillarbox.fetch.accounts_file import token_file

    assert isinstance(made.auth, OAuth2)
    get_tokens(made.auth.application, token_file(made.journals.parent, made.name), way)


def _works(ask: Asker, made: FetchAccount, kept: Kept | None) -> bool:
    """Try login and destination; a password that was typed may be typed again. Ends the command when it fails.

    Returns: True; False when its key is to be trusted as it is seen now.
    """
    from pillarbox.fetch.trial import try_account

    for left in reversed(range(_TRIES)):
        note(f"Trying {made.url} …")
        trial = try_account(made)
        if trial.destination:
            fail(f"{trial.destination}; nothing was added")
        if not trial.login:
            note(f"It works: {messages(trial.messages)} ({octets(trial.octets)}) on the server.")
            if not trial.unique_ids:
                note("This server gives no unique-ids: what it holds is downloaded at each run to be recognised.")
            return True
        if trial.certificate:
            note(f"{trial.login}.")
            if ask.agreed("Trust the key seen now, and later no other (first use)?", default=False):
                return False
            fail(f"the certificate is not trusted, nothing was added: {_TRUST}")
        if not (left and ask.retries() and ask.agreed(f"{trial.login}. Try again?", default=True)):
            fail(f"{trial.login}; nothing was added")
        if trial.password and kept is not None:
            kept.keep(ask.secret("The password", from_stdin=False))
    raise AssertionError  # the last try ends above
