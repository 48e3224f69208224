"""`pillarbox account mfa|totp|pop3|idle`."""

import json
import re
import sqlite3
import time
from base64 import b32decode
from pathlib import Path

import pytest
from tests.cli.installation import Installation
from typer.testing import CliRunner

from pillarbox.auth import totp
from pillarbox.auth.mfa import Policy
from pillarbox.auth.totp import TotpStore, code_at, step_at
from pillarbox.cli import account_rules

DAY = 86_400


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def test_mfa(here: Installation) -> None:
    done = here.account("mfa", "alice", "required")
    assert "neither TOTP nor an app password" in done.stderr
    assert here.store.show("alice").mfa is Policy.REQUIRED
    here.enrol("alice")
    assert here.account("mfa", "alice", "required").stderr == ""
    here.account("mfa", "alice", "off")
    assert here.store.show("alice").mfa is Policy.OFF
    assert "optional" in here.account("mfa", "alice", "inherit").stdout
    assert here.store.show("alice").mfa is None
    here.account("mfa", "nobody", "off", code=1)


def test_enrolling(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The secret that is shown is the one that is stored; the code that confirms it is used up."""
    secret = b"abcdefghijklmnopqrst"
    monkeypatch.setattr(totp, "new_secret", lambda: secret)
    shown = here.account("totp", "alice", given=f"{code_at(secret, step_at(time.time()))}\n").stdout
    assert b32decode(re.findall(r"authenticator app: ([A-Z2-7]+)\n", shown)[0]) == secret
    assert "otpauth://totp/Pillarbox:alice?secret=" in shown
    codes = re.findall(r"^    ([0-9a-z]{4}(?:-[0-9a-z]{4}){3})$", shown, re.MULTILINE)
    assert len(codes) == 10
    assert here.store.show("alice").totp
    store = TotpStore(here.store, here.keys, clock=time.time)
    assert store.use_recovery_code("alice", codes[3])
    assert not store.use_code("alice", code_at(secret, step_at(time.time()) - 1))
    assert store.use_code("alice", code_at(secret, step_at(time.time()) + 1))
    assert "has TOTP already" in here.account("totp", "alice", code=1).stderr


def test_a_wrong_code_enrols_nothing(here: Installation) -> None:
    for given in ("000000\n", "\n", "", "１２３４５６\n"):
        CliRunner().invoke(account_rules.app, ["totp", "alice", "--config", str(here.config)], input=given)
        assert not here.store.show("alice").totp


def test_removing_totp(here: Installation) -> None:
    here.enrol("alice")
    here.store.set_mfa("alice", Policy.REQUIRED)
    assert "its password alone does not let it in" in here.account("totp", "alice", "--remove").stderr
    assert not here.store.show("alice").totp
    assert "has no TOTP" in here.account("totp", "alice", "--remove", code=1).stderr


def test_the_qr_code_is_drawn_where_the_library_is(here: Installation) -> None:
    segno = pytest.importorskip("segno")
    assert segno.__version__ >= "1.6"
    shown = CliRunner().invoke(account_rules.app, ["totp", "alice", "--config", str(here.config)], input="0\n").output
    assert "█" in shown or "▄" in shown or "\x1b[7m" in shown


def test_pop3(here: Installation) -> None:
    assert "off" in here.account("pop3", "alice", "off").stdout
    here.account("pop3", "alice", "--primary", "no", "--idle-days", "30")
    found = here.store.show("alice")
    assert (found.pop3, found.primary_over_pop3, found.pop3_idle_days) == (False, False, 30)
    here.account("pop3", "alice", "inherit", "--primary", "inherit", "--idle-days", "-1")
    found = here.store.show("alice")
    assert (found.pop3, found.primary_over_pop3, found.pop3_idle_days) == (None, None, None)
    assert "say what to set" in here.account("pop3", "alice", code=1).stderr
    shown = here.account("show", "alice").stdout
    assert "POP3       on" in shown
    assert "mfa        optional" in shown
    described = json.loads(here.account("show", "alice", "--json").stdout)
    assert (described["pop3"], described["pop3_own"], described["mfa"]) == (True, None, "optional")


def aged(here: Installation, name: str, days: float, *, last_login: bool) -> None:
    connection = sqlite3.connect(here.state / "accounts.sqlite")
    then = time.time() - days * DAY
    connection.execute(
        "UPDATE account SET pop3_since = ?, last_login = ? WHERE name = ?", (then, then if last_login else None, name)
    )
    connection.commit()
    connection.close()


def test_idle_accounts_are_listed_first_and_switched_off_when_told(here: Installation) -> None:
    aged(here, "alice", 40, last_login=True)
    aged(here, "bob", 20, last_login=False)
    assert "no account is idle" in here.account("idle").stderr  # no limit is set
    dry = here.account("idle", "--days", "30")
    assert dry.stdout.startswith("alice  idle for 40 days (limit 30)")
    assert "bob" not in dry.stdout
    assert "nothing was changed" in dry.stderr
    assert here.store.show("alice").pop3 is None
    (found,) = json.loads(here.account("idle", "--days", "30", "--apply", "--json").stdout)
    assert (found["name"], found["switched_off"]) == ("alice", True)
    assert here.store.show("alice").pop3 is False
    assert here.store.show("bob").pop3 is None
    assert json.loads(here.account("idle", "--days", "30", "--json").stdout) == []  # it is off already
    here.account("pop3", "alice", "on")
    assert json.loads(here.account("idle", "--days", "30", "--json").stdout) == []  # its days begin anew


def test_the_limit_of_the_account_the_domain_and_the_server(tmp_path: Path) -> None:
    here = Installation(
        tmp_path,
        '[auth.pop3]\nidle_days = 10\n[domains."long.example"]\npop3_idle_days = 100\n'
        '[domains."never.example"]\npop3_idle_days = 0\n',
    )
    for name in ("a@long.example", "b@never.example"):
        here.store.add(name, "x")
    here.store.set_pop3_idle_days("bob", 60)
    for name in ("alice", "bob", "a@long.example", "b@never.example"):
        aged(here, name, 50, last_login=False)
    assert [one["name"] for one in json.loads(here.account("idle", "--json").stdout)] == ["alice"]


def test_a_login_between_report_and_switch_counts(here: Installation) -> None:
    aged(here, "alice", 40, last_login=True)
    before = time.time() - 30 * DAY
    with here.store.transaction() as connection:
        connection.execute("UPDATE account SET last_login = ? WHERE name = 'alice'", (time.time(),))
    assert not here.store.switch_off_idle("alice", before)
    assert here.store.show("alice").pop3 is None


def test_new_accounts_can_begin_with_pop3_off(tmp_path: Path) -> None:
    here = Installation(tmp_path, '[auth.pop3]\nnew_accounts = "off"\n')
    here.account("add", "carol@example.org", given="a long and odd sentence\n")
    assert here.store.show("carol@example.org").pop3 is False
