from pathlib import Path

import pytest
from pydantic import ValidationError

from pillarbox.config.load import parse
from pillarbox.config.problem import ConfigError
from pillarbox.config.schema import Settings
from pillarbox.config.schema_mail import Auth, Domain
from pillarbox.config.schema_server import Server

TLS = '[tls]\ncertificate = "/c.pem"\nkey = "/k.pem"\n'


def test_settings_are_frozen() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.log = settings.log  # type: ignore[misc]  # the point of the test


def test_the_database_of_accounts_is_in_the_state_directory_unless_named() -> None:
    assert Settings().accounts_file == Path("/var/lib/pillarbox/accounts.sqlite")
    assert Settings(server=Server(state_directory=Path("/s"))).accounts_file == Path("/s/accounts.sqlite")
    assert Settings(auth=Auth(accounts=Path("/a.db"))).accounts_file == Path("/a.db")


def test_a_domain_has_its_own_template_or_the_common_one() -> None:
    settings = Settings(domains={"example.org": Domain(maildir="/x/{user}"), "example.net": Domain()})
    assert settings.maildir_template("example.org") == "/x/{user}"
    assert settings.maildir_template("example.net") == settings.maildir.path
    assert settings.maildir_template("") == settings.maildir.path


def test_domains_are_compared_without_case_and_only_written_once() -> None:
    settings = parse(TLS + '[domains."Example.ORG"]\nmaildir = "/x/{user}"\n')
    assert settings.maildir_template("example.org") == "/x/{user}"
    with pytest.raises(ConfigError, match="written twice"):
        parse(TLS + '[domains."Example.ORG"]\n[domains."example.org"]\n')
