"""The one schema of `pillarbox.toml`: everything that can be set.

Rules: the attribute names are the file's keys; every setting has a default, a check and a sentence of doc, from which
messages, `config explain` and the reference page are made; values are frozen. Sections live in `schema_server`,
`schema_listener`, `schema_mail`, `schema_guard` and `schema_policy_api`; checks that need several of them in `checks`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from pillarbox.config.fields import DomainName, Section, not_empty, setting
from pillarbox.config.problem import Wrong
from pillarbox.config.schema_guard import Guard
from pillarbox.config.schema_listener import Listener, Tls, default_listeners
from pillarbox.config.schema_mail import Auth, Domain, Maildir
from pillarbox.config.schema_policy_api import PolicyApi
from pillarbox.config.schema_server import Limits, Log, Server, Timeouts

__all__ = ["Settings"]


def _distinct(domains: Any) -> Any:
    # `Any`: what the file held. Without this check the last of two spellings would win silently.
    seen: set[str] = set()
    for name in domains if isinstance(domains, dict) else ():
        if name.lower() in seen:
            raise Wrong(f'the domain "{name.lower()}" is written twice', "keep one of the two tables")
        seen.add(name.lower())
    return domains


class Settings(Section):
    """The settings of one server."""

    server: Server = setting(Server, "The server as a whole.")
    listener: Annotated[tuple[Listener, ...], Field(strict=False), AfterValidator(not_empty)] = setting(
        default_listeners,
        "The ports the server answers on, one table each.",
        kind="one or more tables [[listener]]",
    )
    tls: Tls = setting(Tls, "Certificates and the TLS versions spoken.")
    limits: Limits = setting(Limits, "How much of everything at once.")
    timeouts: Timeouts = setting(Timeouts, "How long the server waits, in seconds.")
    auth: Auth = setting(Auth, "Who may log in, and how passwords are checked.")
    guard: Guard = setting(Guard, "Against guessing: how many secrets are checked, and who is refused (docs/guard.md).")
    policy_api: PolicyApi = setting(PolicyApi, "Other servers, such as a Dovecot, that ask the guard (docs/guard.md).")
    maildir: Maildir = setting(Maildir, "Where the mail is, and how messages are named to clients.")
    domains: Annotated[dict[DomainName, Domain], BeforeValidator(_distinct)] = setting(
        dict,
        'What is different for the accounts of one domain, each in a table [domains."example.org"].',
        kind='tables [domains."example.org"]',
    )
    log: Log = setting(Log, "What the server tells about itself.")

    @property
    def accounts_file(self) -> Path:
        """The database of accounts."""
        return self.auth.accounts or self.server.state_directory / "accounts.sqlite"

    @property
    def guard_file(self) -> Path:
        """The file of the guard's shared state."""
        return self.guard.state or self.server.state_directory / "guard.sqlite"

    @property
    def policy_key_file(self) -> Path:
        """The file with the key of the policy API."""
        return self.policy_api.key or self.server.state_directory / "policy-api.key"

    def maildir_template(self, domain: str) -> str:
        """The Maildir template for accounts of `domain` (in canonical form; "" for accounts without one)."""
        own = self.domains.get(domain)
        return own.maildir if own and own.maildir else self.maildir.path
