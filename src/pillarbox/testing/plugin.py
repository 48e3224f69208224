r"""The pytest plugin: `pop3_server` and `pop3_server_factory`.

Rules: nothing heavy is imported before a test asks for a server; every server a test made is stopped when the test is
over; the report of a test that failed shows what its servers heard and said.

    @pytest.mark.pop3_server(mail=[b"Subject: hello\r\n\r\nhello\r\n"], faults=["drop at QUIT"])
    def test_a_cut_connection(pop3_server): ...

Elsewhere: the server itself, and what `mark` and factory take (`scripted.ScriptedServer`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pillarbox.testing.scripted import ScriptedServer

    Factory = Callable[..., ScriptedServer]

_SERVERS: pytest.StashKey[list[ScriptedServer]] = pytest.StashKey()
_SHOWN = 20_000  # characters of transcripts in a report


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line(
        "markers", "pop3_server(**arguments): how the fixture pop3_server is made; see pillarbox.testing.ScriptedServer"
    )


@pytest.fixture
def pop3_server_factory(request: pytest.FixtureRequest) -> Iterator[Factory]:
    """Makes servers that are stopped with the test: the arguments are those of `ScriptedServer`."""
    from pillarbox.testing.scripted import ScriptedServer

    servers: list[ScriptedServer] = []
    request.node.stash[_SERVERS] = servers

    def make(*arguments: Any, **named: Any) -> ScriptedServer:  # Any: the class itself checks them
        servers.append(ScriptedServer(*arguments, **named))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def pop3_server(request: pytest.FixtureRequest, pop3_server_factory: Factory) -> ScriptedServer:
    """One POP3 server, made as the mark `pop3_server` says; without a mark it is honest and empty."""
    mark = request.node.get_closest_marker("pop3_server")
    return pop3_server_factory(*mark.args, **mark.kwargs) if mark is not None else pop3_server_factory()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the transcripts where a test failed."""
    report = yield
    if report.failed:
        for server in item.stash.get(_SERVERS, []):
            if said := server.transcripts:
                report.sections.append((f"POP3 server on port {server.port}", said[-_SHOWN:]))
    return report
