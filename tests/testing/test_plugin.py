"""The pytest plugin, in pytest runs of its own."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

pytest_plugins = ["pytester"]

_NAME = "pillarbox.testing.plugin"
_FOUND = any(entry.value == _NAME for entry in entry_points(group="pytest11"))
_LOAD = () if _FOUND else ("-p", _NAME)


def test_the_fixtures(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import poplib
        import pytest

        def test_empty(pop3_server):
            client = poplib.POP3_SSL(pop3_server.host, pop3_server.port, context=pop3_server.client_context())
            client.user(pop3_server.user)
            client.pass_(pop3_server.password)
            assert client.stat() == (0, 0)
            client.quit()

        @pytest.mark.pop3_server([b"Subject: x\\r\\n"], tls="none")
        def test_marked(pop3_server):
            assert len(pop3_server.messages) == 1
            assert pop3_server.tls == "none"

        def test_two(pop3_server_factory):
            one, two = pop3_server_factory(), pop3_server_factory(behaviour="gmail")
            assert one.port != two.port
        """
    )
    result = pytester.runpytest_subprocess(*_LOAD, "-W", "error", "--strict-markers")
    result.assert_outcomes(passed=3)


def test_a_failed_test_shows_what_was_said(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import socket

        def test_fails(pop3_server_factory):
            server = pop3_server_factory(tls="none")
            with socket.create_connection((server.host, server.port)) as client:
                client.sendall(b"PASS sesame\\r\\n")
                client.recv(1000)
                server.wait_for(lambda server: server.sessions[0].commands)
            assert False
        """
    )
    result = pytester.runpytest_subprocess(*_LOAD)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*POP3 server on port *", "*C: PASS [*]", "S: -ERR USER comes first"])
    result.stdout.no_fnmatch_line("C: *sesame*")


def test_starting_pytest_imports_nothing_heavy(pytester: pytest.Pytester) -> None:
    """A suite that uses no server must not pay for one."""
    pytester.makepyfile(
        """
        import sys

        def test_nothing():
            heavy = {"cryptography", "pydantic", "pillarbox.session", "pillarbox.testing.scripted"}
            assert not heavy & set(sys.modules)
        """
    )
    pytester.runpytest_subprocess(*_LOAD).assert_outcomes(passed=1)


def test_what_the_package_names_can_be_had_and_nothing_else() -> None:
    import pillarbox.testing as package

    assert set(package.__all__) == set(package._HOMES)
    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing
