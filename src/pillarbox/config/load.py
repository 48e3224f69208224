"""From the text of a `pillarbox.toml` to settings, or to all of its problems at once.

Rules: a file is either used whole or refused whole; every problem of a readable file is reported in one go, in the
order of its lines; no exception but `ConfigError` leaves. Wording is in `messages`, checks in the schema and `checks`.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from pillarbox.config import messages
from pillarbox.config.checks import across
from pillarbox.config.fields import BASE, Section
from pillarbox.config.lines import line_numbers, nearest_line
from pillarbox.config.problem import ConfigError, Problem, dotted
from pillarbox.config.problem import Path as KeyPath
from pillarbox.config.schema import Settings
from pillarbox.config.schema_listener import Listener, Tls
from pillarbox.config.schema_mail import Auth

MAX_FILE = 1024 * 1024
"""Octets: far more than any configuration; keeps a mail file named by mistake from being read whole."""

_USUAL = "pillarbox.toml"

S = TypeVar("S", bound=Section)


def load(path: str | os.PathLike[str]) -> Settings:
    """Read the settings from the file `path`. Relative paths in it start at the file's own directory.

    Raises:
        ConfigError: the file cannot be read, or what it says cannot be used.
    """
    file = Path(path)
    return parse(_text(file, _USUAL), str(file), base=Path(os.path.abspath(file)).parent)


def parse(text: str, source: str = "", *, base: Path | None = None) -> Settings:
    """Read the settings from the `text` of a file.

    Args:
        text: TOML.
        source: the file's name, for messages.
        base: the directory that relative paths start at; without it they are refused.

    Raises:
        ConfigError: with everything that is wrong.
    """
    data = _table(text, source)
    context = {BASE: base}
    try:
        settings = Settings.model_validate(data, context=context)
    except ValidationError as error:
        found = _found(error, Settings)
        reported = {problem.key for _, problem in found}
        rest = [(_path(problem.key), problem) for problem in _across_the_rest(data, context)]
        found += [(path, problem) for path, problem in rest if problem.key not in reported]
    else:
        rest_of = across(settings.listener, settings.tls, settings.auth)
        found = [(_path(problem.key), problem) for problem in rest_of]
        if not found:
            return settings
    raise ConfigError(_with_lines(found, text, source))


def load_as(schema: type[S], path: str | os.PathLike[str], usual: str = _USUAL, *, base: Path | None = None) -> S:
    """Read the file `path` as another program's configuration.

    Args:
        schema: its outermost section.
        path: the file.
        usual: the name such a file usually has.
        base: the directory that relative paths start at; by default the file's own.

    Raises:
        ConfigError: the file cannot be read, or what it says cannot be used.
    """
    file = Path(path)
    text, source = _text(file, usual), str(file)
    base = base or Path(os.path.abspath(file)).parent
    try:
        return schema.model_validate(_table(text, source), context={BASE: base})
    except ValidationError as error:
        raise ConfigError(_with_lines(_found(error, schema), text, source)) from None


def _found(error: ValidationError, root: type[Section]) -> list[tuple[KeyPath, Problem]]:
    found = (messages.from_error(one, root) for one in error.errors(include_url=False))
    return [one for one in found if one is not None]


def _text(file: Path, usual: str) -> str:
    """The text of `file`. `usual` is the name of such files."""

    def refused(what: str, instead: str) -> ConfigError:
        return ConfigError([Problem("", what, instead, str(file))])

    try:
        # Looked at before it is opened: opening a named pipe would wait for ever.
        mode = file.stat().st_mode
        if stat.S_ISDIR(mode):
            raise refused("this is a directory", f"name the file in it: {file / usual}")
        if not stat.S_ISREG(mode):
            raise refused("this is not a regular file", "name a file")
        with file.open("rb") as stream:
            octets = stream.read(MAX_FILE + 1)
    except FileNotFoundError:
        raise refused("there is no such file", "create it, or name another one with --config") from None
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "no usable name"
        raise refused(f"the file cannot be read: {reason}", "mend its permissions, or name another file") from None
    if len(octets) > MAX_FILE:
        raise refused(f"the file is larger than {MAX_FILE} octets", "name a configuration file")
    try:
        return octets.decode("utf-8-sig")  # Windows editors put a mark before the text
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        problem = Problem("", "the file is not in UTF-8", "save it in UTF-8", str(file), line)
        raise ConfigError([problem]) from None


def _table(text: str, source: str) -> dict[str, Any]:
    # `Any`: whatever values the file holds.
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([messages.from_toml(str(error), text, source)]) from None
    except (RecursionError, ValueError):
        # Lists nested a thousand deep, or a number of thousands of digits.
        raise ConfigError([Problem("", "a value is too deep or too long to be read", "", source)]) from None


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


def _with_lines(found: list[tuple[KeyPath, Problem]], text: str, source: str) -> list[Problem]:
    """The problems with their source and line, in the order of the lines; those without a line last."""
    lines = line_numbers(text)
    placed = [
        Problem(problem.key or dotted(path), problem.what, problem.instead, source, nearest_line(lines, path))
        for path, problem in found
    ]
    return sorted(placed, key=lambda problem: (problem.line is None, problem.line or 0))
