"""From the text of a `pillarbox.toml` to the server's settings: `read`, and the checks across the sections."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from pillarbox.config.checks import across
from pillarbox.config.fields import BASE, Section
from pillarbox.config.problem import ConfigError, Problem
from pillarbox.config.problem import Path as KeyPath
from pillarbox.config.read import problems_of, table_of, text_of, with_lines
from pillarbox.config.schema import Settings
from pillarbox.config.schema_listener import Listener, Tls
from pillarbox.config.schema_mail import Auth

S = TypeVar("S", bound=Section)


def load(path: str | os.PathLike[str]) -> Settings:
    """Read the settings from the file `path`. Relative paths in it start at the file's own directory.

    Raises:
        ConfigError: the file cannot be read, or what it says cannot be used.
    """
    file = Path(path)
    return parse(text_of(file, "pillarbox.toml"), str(file), base=Path(os.path.abspath(file)).parent)


def parse(text: str, source: str = "", *, base: Path | None = None) -> Settings:
    """Read the settings from the `text` of a file.

    Args:
        text: TOML.
        source: the file's name, for messages.
        base: the directory that relative paths start at; without it they are refused.

    Raises:
        ConfigError: with everything that is wrong.
    """
    data = table_of(text, source)
    context = {BASE: base}
    try:
        settings = Settings.model_validate(data, context=context)
    except ValidationError as error:
        found = problems_of(error, Settings)
        reported = {problem.key for _, problem in found}
        rest = [(_path(problem.key), problem) for problem in _across_the_rest(data, context)]
        found += [(path, problem) for path, problem in rest if problem.key not in reported]
    else:
        rest_of = across(settings.listener, settings.tls, settings.auth)
        found = [(_path(problem.key), problem) for problem in rest_of]
        if not found:
            return settings
    raise ConfigError(with_lines(found, text, source))


def _across_the_rest(data: Mapping[str, Any], context: Mapping[str, Path | None]) -> Iterator[Problem]:
    """The problems between those sections that are right by themselves, so that one slip does not hide another."""
    raw = data.get("listener")
    listeners: list[Listener | None]
    if "listener" not in data:
        listeners = list(Settings().listener)
    else:
        listeners = [_or_none(Listener, table, context) for table in raw] if isinstance(raw, list) else []
    tls = _or_none(Tls, data.get("tls", {}), context)
    auth = _or_none(Auth, data.get("auth", {}), context)
    return across(listeners, tls, auth)


def _or_none(model: type[S], table: object, context: Mapping[str, Path | None]) -> S | None:
    try:
        return model.model_validate(table, context=context)
    except ValidationError:
        return None


def _path(key: str) -> KeyPath:
    """The path of a key as `checks` writes it: plain names and 1-based positions."""
    path: KeyPath = ()
    for part in key.split("."):
        name, _, position = part.removesuffix("]").partition("[")
        path = (*path, name, int(position) - 1) if position else (*path, name)
    return path
