"""The filter before the download. What a whole run makes of it is in test_run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.fetch.accounts import account, fetched, mail, run

from pillarbox.fetch import Decision, Verdict
from pillarbox.testing.behaviour import Behaviour
from pillarbox.testing.scripted import ScriptedServer


@pytest.mark.parametrize("top", [True, False])
def test_the_filter_sees_the_header_in_wire_form_and_the_size(tmp_path: Path, top: bool) -> None:
    seen: list[tuple[bytes, int]] = []

    def look(header: bytes, size: int) -> Decision:
        seen.append((header.partition(b"\r\n\r\n")[0], size))
        return Decision(Verdict.FETCH)

    refused = frozenset[str]() if top else frozenset({"TOP"})
    with ScriptedServer([mail(1), mail(2)], tls="none", behaviour=Behaviour(refused=refused)) as server:
        run(account(server, tmp_path, filter=look))
    assert seen == [(mail(n).partition(b"\r\n\r\n")[0], len(mail(n))) for n in (1, 2)]
    assert fetched(tmp_path) == Counter([mail(1), mail(2)])


def test_a_filter_may_ask_for_lines_of_the_body(tmp_path: Path) -> None:
    seen: list[bytes] = []

    def look(header: bytes, size: int) -> Decision:
        seen.append(header)
        return Decision(Verdict.SKIP)

    with ScriptedServer([mail(1)], tls="none") as server:
        run(account(server, tmp_path, filter=look, filter_lines=2))
        assert not server.retrieved
    assert seen[0].count(b"line of") == 1
    assert seen[0].endswith(b".\r\n")


def test_without_a_filter_no_header_is_asked_for(tmp_path: Path) -> None:
    with ScriptedServer([mail(1)], tls="none") as server:
        run(account(server, tmp_path))
        assert "TOP 1" not in server.transcripts
