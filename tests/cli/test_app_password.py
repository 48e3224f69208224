"""`pillarbox app-password`, as a script uses it."""

import json
import os
import re
import time
from pathlib import Path

import pytest
from tests.cli.installation import PASSWORD, Installation

from pillarbox.auth.accounts import AccountStore
from pillarbox.auth.app_password_text import PATTERN, AppPasswordText, parse
from pillarbox.auth.app_passwords import DAY
from pillarbox.auth.mfa import Policy


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def read(printed: str) -> AppPasswordText:
    text = parse(printed.strip().encode())
    assert isinstance(text, AppPasswordText)
    return text


def test_it_is_printed_once_and_opens(here: Installation) -> None:
    done = here.app_password("add", "alice", "--name", "phone")
    assert re.fullmatch(PATTERN + "\n", done.stdout)
    text = read(done.stdout)
    found = here.app_passwords.verify("alice", text)
    assert found is not None
    assert (found.name, found.minted, found.read_only, found.expires) == ("phone", "unverified", False, None)
    for command in (["list", "alice"], ["list", "alice", "--json"]):
        shown = here.app_password(*command).output
        assert text.id in shown
        assert text.canonical.decode()[12:] not in shown  # P60


def test_everything_that_can_be_said(here: Installation) -> None:
    arguments = ["--read-only", "--network", "192.0.2.0/24", "--network", "2001:db8::1", "--expires", "90d"]
    arguments += ["--idle", "8w", "--newer-than", "2026-01-31", "--json"]
    made = json.loads(here.app_password("add", "alice", "--name", " printer ", *arguments).stdout)
    found = here.app_passwords.verify("alice", read(made.pop("password")))
    assert found is not None
    assert (found.name, found.read_only, found.idle_days, found.newer_than) == ("printer", True, 56, 1769817600)
    assert [str(network) for network in found.networks] == ["192.0.2.0/24", "2001:db8::1/128"]
    assert found.expires is not None
    assert abs(found.expires - time.time() - 90 * DAY) < 60
    assert made == json.loads(here.app_password("list", "alice", "--json").stdout)[0]
    assert (made["scope"], made["last_used"], made["ended"]) == ("read-only", None, None)
    mint = json.loads(here.app_password("add", "alice", "--name", "x", "--newer-than", "now", "--json").stdout)
    assert abs(time.time() - (here.app_passwords.lookup("alice", mint["id"]) or found).newer_than - 0) < 60  # type: ignore[operator]


@pytest.mark.parametrize(
    "wrong",
    [
        ["--expires", "2020-01-01"],
        ["--expires", "soon"],
        ["--idle", "2027-01-01"],
        ["--newer-than", "yesterday"],
        ["--network", "192.0.2.7/24"],
        ["--network", "office"],
    ],
)
def test_what_cannot_be_meant_makes_nothing(here: Installation, wrong: list[str]) -> None:
    assert "write one such as" in (said := here.app_password("add", "alice", "--name", "x", *wrong, code=1).stderr) or (
        "over already" in said
    )
    assert here.app_passwords.list("alice") == []


def test_names(here: Installation) -> None:
    for name in ("", "  ", "x" * 65, "a\nb"):
        here.app_password("add", "alice", "--name", name, code=1)
    assert here.app_password("add", "nobody", "--name", "x", code=1).stderr.startswith("error: there is no account")


def test_revoking(here: Installation) -> None:
    text = read(here.app_password("add", "alice", "--name", "x").stdout)
    assert "there is no app password" in here.app_password("revoke", "bob", text.id, code=1).stderr
    here.app_password("revoke", "alice", text.id.upper())
    assert here.app_passwords.verify("alice", text) is None
    assert "has no app passwords" in here.app_password("list", "alice").stderr


def test_with_mfa_required_there_is_none_without_two_factors(here: Installation) -> None:
    here.store.set_mfa("alice", Policy.REQUIRED)
    assert "first pillarbox account totp" in here.app_password("add", "alice", "--name", "x", code=1).stderr
    recovery = here.enrol("alice")
    code = here.code()
    for wrong in (f"wrong\n{code}\n", f"{PASSWORD}\n000000\n", f"{PASSWORD}{code}\n", f"{PASSWORD}\n\n", ""):
        here.app_password("add", "alice", "--name", "x", given=wrong, code=1)
    assert here.app_passwords.list("alice") == []
    made = read(here.app_password("add", "alice", "--name", "x", given=f"{PASSWORD}\n{code[:3]} {code[3:]}\n").stdout)
    found = here.app_passwords.verify("alice", made)
    assert found is not None
    assert found.minted == "mfa"
    here.app_password("add", "alice", "--name", "y", given=f"{PASSWORD}\n{code}\n", code=1)  # each code once
    here.app_password("add", "alice", "--name", "y", given=f"{PASSWORD}\n{recovery[0]}\n")
    here.app_password("add", "alice", "--name", "z", given=f"{PASSWORD}\n{recovery[0]}\n", code=1)


def test_who_has_totp_shows_it_even_where_it_is_optional(here: Installation) -> None:
    here.enrol("alice")
    here.app_password("add", "alice", "--name", "x", given="wrong\n000000\n", code=1)
    here.app_password("add", "alice", "--name", "x", given=f"{PASSWORD}\n{here.code()}\n")
    assert here.app_passwords.list("alice")[0].after_mfa


def test_only_root_vouches(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    here.store.set_mfa("alice", Policy.REQUIRED)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "root alone" in here.app_password("add", "alice", "--name", "x", "--administrator", code=1).stderr
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    here.app_password("add", "alice", "--name", "x", "--administrator")
    assert here.app_passwords.list("alice")[0].minted == "administrator"


def test_a_lost_key_is_said(here: Installation) -> None:
    here.app_password("add", "alice", "--name", "x")
    (here.state / "secret.key").unlink()
    assert "restore it from a backup" in here.app_password("add", "alice", "--name", "y", code=3).stderr
    assert not (here.state / "secret.key").exists()
    here.app_password("list", "alice")


def test_settings_for_new_ones(tmp_path: Path) -> None:
    here = Installation(tmp_path, '[auth.app_passwords]\nidle_days = 30\n[auth]\nmechanisms = ["PLAIN", "CRAM-MD5"]\n')
    text = read(here.app_password("add", "alice", "--name", "x").stdout)
    found = here.app_passwords.lookup("alice", text.id)
    assert found is not None
    assert found.idle_days == 30
    ((id_, secret),) = here.app_passwords.recoverable("alice")
    assert (id_, secret.reveal()) == (text.id, text.canonical)


def test_the_database_is_the_configured_one(here: Installation) -> None:
    assert isinstance(here.store, AccountStore)
    here.store.remove("alice")
    here.app_password("list", "alice", code=1)
