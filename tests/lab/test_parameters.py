"""Every number has a source, and tuning never sees the reporting seeds."""

from __future__ import annotations

import pytest

from pillarbox.lab.parameters import ParameterError, flattened, load, quick, rivals


def test_every_number_says_where_it_comes_from() -> None:
    found = load()
    assert set(found.values) == set(found.sources)
    assert all(len(source) > 3 for source in found.sources.values())
    assert all(one.source and one.default.keys() == one.best.keys() == one.grid.keys() for one in rivals().values())


@pytest.mark.parametrize("leaf", [{"value": 3}, {"value": 3, "source": ""}, 3])
def test_a_number_without_a_source_is_refused(leaf: object) -> None:
    with pytest.raises(ParameterError, match=r"a\.b has no source"):
        flattened({"a": {"b": leaf}})


def test_tuning_seeds_and_reporting_seeds_are_apart() -> None:
    found = load()
    assert list(found.reporting_seeds(20)) == list(range(1, 21))
    assert found.count("seeds.reports") >= 20
    with pytest.raises(ParameterError, match="tuning seed"):
        found.reporting_seeds(2000)


def test_numbers_are_asked_for_by_name_and_kind() -> None:
    found = flattened({"a": {"b": {"value": 2.0, "source": "x"}, "c": {"value": [1], "source": "x"}}})
    assert found.number("a.b") == 2.0
    assert found.count("a.b") == 2
    assert found.numbers("a.c") == (1,)
    for wrong in (lambda: found.number("a.x"), lambda: found.number("a.c"), lambda: found.numbers("a.b")):
        with pytest.raises(ParameterError):
            wrong()


def test_a_changed_copy_leaves_the_original() -> None:
    found = load()
    assert found.replaced(attack__none__days=3).number("attack.none.days") == 3
    assert found.number("attack.none.days") == 30
    assert quick(found).number("attack.none.days") < 30
    with pytest.raises(ParameterError, match="there is no parameter"):
        found.replaced(attack__nobody=1)


def test_a_grid_is_every_combination() -> None:
    one = rivals()["strikes"]
    choices = one.choices()
    assert len(choices) == len(one.grid["strikes"]) * len(one.grid["lock"])
    assert all(choice.keys() == one.default.keys() for choice in choices)
