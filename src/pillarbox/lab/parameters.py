"""The numbers of the simulation, read from parameters.toml and rivals.toml beside this file.

Rules: no number of the simulation is written anywhere else; each has a source or a reason beside it; one without is
refused. Tuning seeds and reporting seeds never overlap, and asking for so many that they would is an error.
"""

from __future__ import annotations

import dataclasses
import itertools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

Setting = dict[str, float]
"""One choice of a rival's parameters, by name."""


class ParameterError(Exception):
    """A number is missing, or has no source. The text names it."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """All numbers, by "section.name" of parameters.toml, and where each comes from."""

    values: Mapping[str, Any]  # numbers, and lists of numbers: what TOML holds
    sources: Mapping[str, str]

    def number(self, name: str) -> float:
        """A number. Raises ParameterError when there is none of that name."""
        value = self._get(name)
        if not isinstance(value, (int, float)):
            raise ParameterError(f"{name} is not a number")
        return value

    def count(self, name: str) -> int:
        """A whole number. Raises ParameterError when there is none of that name."""
        return int(self.number(name))

    def numbers(self, name: str) -> tuple[float, ...]:
        """A list of numbers. Raises ParameterError when there is none of that name."""
        value = self._get(name)
        if not isinstance(value, list):
            raise ParameterError(f"{name} is not a list")
        return tuple(value)

    def replaced(self, **changes: float) -> Parameters:
        """A copy with some numbers changed; a dot in a name is written as two underscores."""
        values = dict(self.values)
        for name, value in changes.items():
            key = name.replace("__", ".")
            if key not in values:
                raise ParameterError(f"there is no parameter {key}")
            values[key] = value
        return dataclasses.replace(self, values=values)

    def reporting_seeds(self, count: int) -> range:
        """The seeds that results are reported on. Raises ParameterError when they would reach the tuning seeds."""
        first = self.count("seeds.first_report")
        seeds = range(first, first + count)
        if any(int(seed) in seeds for seed in self.numbers("seeds.tuning")):
            raise ParameterError(f"{count} reporting seeds would include a tuning seed")
        return seeds

    def _get(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise ParameterError(f"there is no parameter {name}") from None


@dataclass(frozen=True, slots=True)
class Rival:
    """One rival as rivals.toml describes it: where its defaults are written, its best, and the grid searched for it."""

    key: str
    name: str
    source: str
    default: Setting
    best: Setting
    grid: Mapping[str, list[float]]

    def choices(self) -> list[Setting]:
        """Every setting of the grid."""
        return [dict(zip(self.grid, one, strict=True)) for one in itertools.product(*self.grid.values())]


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("pillarbox.lab").joinpath(name).read_text(encoding="utf-8"))


def flattened(table: Mapping[str, Any]) -> Parameters:
    """Parameters from a parsed TOML document.

    Raises:
        ParameterError: a leaf is not a table of `value` and a `source` that says something.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}

    def walk(prefix: str, node: Mapping[str, Any]) -> None:
        for key, child in node.items():
            name = f"{prefix}.{key}" if prefix else key
            if not isinstance(child, dict):
                raise ParameterError(f"{name} has no source")
            if "value" in child:
                if not child.get("source"):
                    raise ParameterError(f"{name} has no source")
                values[name], sources[name] = child["value"], child["source"]
            else:
                walk(name, child)

    walk("", table)
    return Parameters(values, sources)


@cache
def load() -> Parameters:
    """The parameters that ship with the package."""
    return flattened(_read("parameters.toml"))


@cache
def rivals() -> dict[str, Rival]:
    """The rivals that ship with the package, by key."""
    return {
        key: Rival(key, one["name"], one["source"], one["default"], one["best"], one["grid"])
        for key, one in _read("rivals.toml").items()
    }


def quick(parameters: Parameters) -> Parameters:
    """Shorter attacks and thinner traffic: for a first look, and for searching grids. The users stay as many."""
    return parameters.replaced(
        attack__none__days=7,
        attack__single__hours=1.0,
        attack__flood__seconds=1.0,
        population__warm_days=5,
        population__samples_owner=12,
    )
