"""The schema of `fetch.toml`: the accounts the fetcher serves, and how it goes about it.

Rules: as for the server's schema (`pillarbox.config`): every setting has a default, a check and a sentence of doc, from
which messages and the reference page are made. A secret never stands in the file: it names where the secret is. Paths
may begin with `~`, for this is a person's file.

Elsewhere: destinations (`schema_deliver`); rules of filters (`filter_rule`); the accounts that are made of it
(`accounts_file`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pillarbox.client import address
from pillarbox.client.errors import UsageError
from pillarbox.config.fields import Section, ShortName, setting
from pillarbox.config.problem import Wrong
from pillarbox.fetch.filter_rule import FilterRule
from pillarbox.fetch.schema_deliver import Deliver, SecretPlace, UserPath

DAY = 86_400


def default_state() -> Path:
    """Where journals and status are: systemd's state directory where it gives one, else the user's (XDG)."""
    given = os.environ.get("STATE_DIRECTORY")
    if given:
        return Path(given.partition(":")[0])
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "pillarbox" / "fetch"


def _url(text: str) -> str:
    try:
        address.parse(text)
    except UsageError as error:
        raise Wrong(str(error), 'write one such as "pops://ada@mail.example.org"') from None
    return text


class Fetch(Section):
    """The fetcher as a whole."""

    state: UserPath = setting(
        None,
        'The directory of journals, tokens and status; it must be on a local disk. "" means systemd\'s '
        "STATE_DIRECTORY, else ~/.local/state/pillarbox/fetch. Moving it means to move what is in it.",
        kind="a path in quotes",
        example="/var/lib/pillarbox-fetch",
    )
    every: float = setting(
        600.0,
        "Seconds from the end of one run of an account to its next one: often enough for people, seldom enough for "
        "servers that count logins.",
        ge=10,
        le=30 * DAY,
    )
    parallel: int = setting(50, "Accounts that are fetched at the same time; each takes a thread.", ge=1, le=1000)
    per_host: int = setting(4, "Of these, how many from one server: providers refuse more.", ge=1, le=100)
    backoff_longest: float = setting(
        3600.0,
        "Seconds: after a failure the pause doubles with each further one, up to this; a part of it is by chance, so "
        "that accounts do not come all at once when a server is back.",
        ge=10,
        le=30 * DAY,
    )
    unhealthy_after: float = setting(
        DAY,
        "Seconds without a successful run after which `pillarbox fetch health` reports an account.",
        ge=60,
        le=365 * DAY,
    )
    metrics: UserPath = setting(
        None,
        "A file for Prometheus' node exporter (its textfile collector), written after each run.",
        kind="the path of a file in quotes",
        example="/var/lib/prometheus/node-exporter/pillarbox.prom",
    )


class OAuth(Section):
    """How to get tokens from a provider. The client id is your own: providers give one to everybody who asks."""

    provider: Literal["google", "microsoft"] = setting("google", "Whose tokens.", required=True, example="google")
    client_id: str = setting(
        "", "The id of your application there.", kind="a text in quotes", required=True, example="123.apps"
    )
    client_secret_file: UserPath = setting(
        None,
        "A file with its secret, where the provider wants one (Google does).",
        kind="the path of a file in quotes",
        example="~/.config/pillarbox/google.secret",
    )
    tenant: str = setting("common", "Microsoft's tenant.", kind="a text in quotes")


class Tls(Section):
    """Whom to trust on the other side."""

    ca_file: UserPath = setting(
        None,
        "The authorities to trust instead of the system's (PEM).",
        kind="the path of a file in quotes",
        example="/etc/ssl/ours.pem",
    )
    pins: Annotated[tuple[str, ...], Field(strict=False)] = setting(
        (),
        "Public keys that the server must show one of: SHA-256 of SubjectPublicKeyInfo in hexadecimal, or as "
        "sha256//BASE64.",
        kind="a list of texts in quotes",
        example=("sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",),
    )
    verify: Literal["authorities", "pins", "first use"] = setting(
        "authorities",
        "What must be true of the certificate: signed by an authority; or its key is one of `pins`; or it is the key "
        "seen at the first connection.",
    )
    cleartext: bool = setting(
        False,
        "Whether to go on without TLS where the server offers none: everybody on the way can read the password and the "
        "mail.",
    )
    certificate: UserPath = setting(
        None,
        "Our own certificate (PEM), to log in with (EXTERNAL) if no password is named.",
        kind="the path of a file in quotes",
        example="~/.config/pillarbox/ada.pem",
    )
    key: UserPath = setting(
        None, "Its key.", kind="the path of a file in quotes", example="~/.config/pillarbox/ada.key"
    )


class Account(SecretPlace):
    """One account to fetch from. Its name is its identity: journals are found by it, not by the server's name."""

    url: Annotated[str, AfterValidator(_url)] = setting(
        "",
        "Where the mail is: pops:// is TLS from the beginning (port 995), pop3:// is STLS (port 110).",
        kind='a URL in quotes, such as "pops://ada@mail.example.org"',
        required=True,
        example="pops://ada@mail.example.org",
    )
    enabled: bool = setting(True, "Whether it is fetched.")
    user: str = setting("", "The user, where it is not in the URL.", kind="a text in quotes", example="ada@example.org")
    oauth: OAuth | None = setting(None, "Log in with a provider's tokens instead of a password.", kind="a table")
    tls: Tls = setting(Tls, "Whom to trust on the other side.")
    deliver: Deliver = setting(None, "Where the mail goes.", kind="a table", required=True)
    delete: Literal["never", "after delivery"] = setting(
        "never", "Whether messages are deleted on the server. Only what is safe in its destination ever is."
    )
    keep_days: float = setting(
        0.0, 'With delete = "after delivery": days that messages stay on the server after it.', ge=0, le=36_500
    )
    largest: int = setting(0, "Octets above which `oversize` applies to a message; 0 for no limit.", ge=0, le=1 << 50)
    oversize: Literal["skip", "headers", "quarantine"] = setting(
        "skip",
        "What is done with a message that is larger: leave it on the server and tell of it once; deliver its headers "
        "with a note; or fetch it into the quarantine directory.",
    )
    filter: Annotated[tuple[FilterRule, ...], Field(strict=False)] = setting(
        (), "Rules that decide by header which messages are fetched; the first that fits.", kind="tables"
    )
    every: float = setting(0.0, "Seconds between runs of this account; 0 for `fetch.every`.", ge=0, le=30 * DAY)
    commit_messages: int = setting(
        1000,
        "Messages after which QUIT makes the deletions final and a new session goes on, so that a broken connection "
        "does not leave them all undone.",
        ge=1,
        le=1_000_000,
    )
    tries: int = setting(3, "Tries of a message that fails, before it is put aside.", ge=1, le=100)
    exact_sizes: bool = setting(
        True,
        "Whether a message that comes more than a hundredth shorter than the server lists it stays on the server: a "
        "part of it may be missing. false for servers that only estimate.",
    )
    lenient_lf: bool = setting(False, "Accept a server that ends lines in LF only.")
    pipelining: Literal["auto", "on", "off"] = setting(
        "auto", "Whether commands are sent ahead: as the server says, or as a short probe shows."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        user = self.user or address.parse(self.url).user
        if not user:
            raise Wrong(
                "nobody to log in as", 'write the user into the URL: "pops://ada@mail.example.org", or name `user`'
            )
        if self.oauth is not None and self.places:
            raise Wrong(f"`oauth` and `{self.places[0]}` both say how to log in", "keep one of them")
        if self.oauth is None and not self.places and self.tls.certificate is None:
            raise Wrong(
                "nothing says where the password is",
                'write one of password_command = ["pass", "show", "mail"], password_file, password_credential, '
                "password_keyring, or a table oauth",
            )
        return self


class FetchFile(Section):
    """All of `fetch.toml`."""

    fetch: Fetch = setting(Fetch, "The fetcher as a whole.")
    account: dict[ShortName, Account] = setting(
        dict, "The accounts, each in a table of its name.", kind="tables [account.NAME]"
    )
