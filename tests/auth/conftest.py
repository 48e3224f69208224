"""An empty accounts database, for the tests of what it keeps and of how it is shared."""

from pathlib import Path

import pytest

from pillarbox.auth.accounts import AccountStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "accounts.sqlite"


@pytest.fixture
def store(path: Path) -> AccountStore:
    store = AccountStore(path, clock=lambda: 1_800_000_000.0, busy_seconds=0.05)
    assert store.create()
    return store
