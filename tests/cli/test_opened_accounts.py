"""What goes wrong with accounts becomes one line and an exit code."""

from pathlib import Path

import pytest
import typer
from tests.cli.installation import Installation

from pillarbox.auth.accounts import AccountExists, AccountsMissing, NoSuchAccount
from pillarbox.auth.app_passwords import NoSuchAppPassword, TooManyAppPasswords
from pillarbox.auth.keys import KeyUnavailable
from pillarbox.auth.mfa import Policy
from pillarbox.auth.totp import TotpEnrolled, TotpMissing, WrongCode
from pillarbox.cli.opened_accounts import OpenedAccounts, when_or_none
from pillarbox.cli.telling import when


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (NoSuchAccount("alcie"), 1, "did you mean alice?"),
        (AccountExists("alice"), 1, "there is an account alice already"),
        (AccountsMissing("/p: there is no accounts database yet"), 3, "made with the first account"),
        (KeyUnavailable("/k: it is damaged"), 3, "/k: it is damaged"),
        (NoSuchAppPassword("k3v9x2m1"), 1, "there is no app password k3v9x2m1"),
        (TooManyAppPasswords("alice"), 1, "alice has 50 app passwords already"),
        (TotpEnrolled("alice"), 1, "--remove"),
        (TotpMissing("alice"), 1, "pillarbox account totp alice"),
        (WrongCode("alice"), 1, "the code is wrong"),
        (OSError(28, "No space left on device", "/p"), 1, "/p: No space left on device"),
    ],
)
def test_one_line_and_a_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], error: Exception, code: int, said: str
) -> None:
    here = Installation(tmp_path)
    with pytest.raises(typer.Exit) as ended, OpenedAccounts(here.config):
        raise error
    printed = capsys.readouterr()
    assert (ended.value.exit_code, printed.out) == (code, "")
    assert said in printed.err
    assert printed.err.count("\n") == 1


def test_a_defect_is_not_hidden(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    with pytest.raises(ZeroDivisionError), OpenedAccounts(here.config):
        raise ZeroDivisionError


def test_rules_come_from_account_domain_and_server(tmp_path: Path) -> None:
    here = Installation(tmp_path, '[auth.mfa]\npolicy = "required"\n[domains."example.org"]\nmfa = "off"\n')
    here.store.add("carol@example.org", "x")
    accounts = OpenedAccounts(here.config)
    held = [accounts.rules(here.store.show(name)).mfa for name in ("alice", "carol@example.org")]
    assert held == [Policy.REQUIRED, Policy.OFF]


def test_times() -> None:
    assert when(1_800_000_000.0) == "2027-01-15T08:00:00Z" == when_or_none(1_800_000_000.9)
    assert when_or_none(None) is None
