"""One world for each test."""

import asyncio
from collections.abc import Iterator

import pytest
from tests.session.talk import World


@pytest.fixture
def world() -> Iterator[World]:
    """Accounts, mail, and a loop to run sessions on."""
    with asyncio.Runner() as runner:
        yield World(runner)
