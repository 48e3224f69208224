"""The picture: well-formed, with every policy and every goal, and marks on the right side."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

from tests.lab.test_report import results

from pillarbox.lab.measure import goals
from pillarbox.lab.plot import distance, svg
from pillarbox.lab.report import SIMULATED

GOALS = {goal.key: goal for goal in goals(1000)}


def test_distances_have_the_side_of_the_goal() -> None:
    before = GOALS["single.before"]
    assert distance(before, 10) == 0
    assert distance(before, 1) == -1
    assert distance(before, 100) == 1
    assert distance(before, math.inf) == 3 == distance(before, 1e9)
    assert distance(before, 0) == -3
    none = GOALS["distributed.familiar"]
    assert (distance(none, 0), distance(none, 1)) == (-3, 3)
    tagged = GOALS["slow-spray.tagged"]
    assert distance(tagged, 0.99) < 0 < distance(tagged, 0.5)


def test_the_picture_is_svg_and_says_that_it_is_simulated() -> None:
    text = svg(results())
    root = ET.fromstring(text)
    assert root.tag.endswith("svg")
    words = " ".join(root.itertext())
    assert SIMULATED in words
    assert "One" in words
    assert "wrong guesses verified before refusal" in words
    assert text.count("<circle") == 3 + 1  # one for each goal, and the legend
