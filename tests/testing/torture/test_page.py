"""docs/torture.md: its description of a client works, and it names what there is."""

from __future__ import annotations

import re
from pathlib import Path

from pillarbox.testing.torture import report
from pillarbox.testing.torture.cases import Family
from pillarbox.testing.torture.clients import TIMEOUT, read
from pillarbox.testing.torture.run import Bounds
from pillarbox.testing.torture.suite import HONEST_RUNS, Plan, Suite

PAGE = (Path(__file__).parents[3] / "docs" / "torture.md").read_text(encoding="utf-8")


def test_the_client_on_the_page_works(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (client,) = read(text).values()
    assert Suite(client, Plan(), tmp_path).cases([Family.CUT])


def test_the_page_says_what_is_so() -> None:
    for family in Family:
        assert f"\n| {family.value} | " in PAGE, family
    bounds = Bounds()
    assert f"within {bounds.seconds:g} seconds; where it has time-outs of its own, they are set to {TIMEOUT}" in PAGE
    assert f"at most {bounds.memory >> 20} MB of memory and {bounds.disk >> 20} MB of disk" in PAGE
    assert HONEST_RUNS == 2
    assert report.inserted(PAGE, "x") != PAGE
