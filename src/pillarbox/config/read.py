"""From the text of a TOML file to a section of settings, or to all of its problems at once: for any schema.

Rules: a file is either used whole or refused whole; every problem of a readable file is reported in one go, in the
order of its lines; no exception but `ConfigError` leaves. Wording is in `messages`, checks in the schema. The server's
own file, with checks across its sections, is read by `load`.
"""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from pillarbox.config import messages
from pillarbox.config.fields import BASE, Section
from pillarbox.config.lines import line_numbers, nearest_line
from pillarbox.config.problem import ConfigError, Problem, dotted
from pillarbox.config.problem import Path as KeyPath

MAX_FILE = 1024 * 1024
"""Octets: far more than any configuration; keeps a mail file named by mistake from being read whole."""

S = TypeVar("S", bound=Section)


def load_as(
    schema: type[S], path: str | os.PathLike[str], usual: str = "pillarbox.toml", *, base: Path | None = None
) -> S:
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
    text, source = text_of(file, usual), str(file)
    base = base or Path(os.path.abspath(file)).parent
    try:
        return schema.model_validate(table_of(text, source), context={BASE: base})
    except ValidationError as error:
        raise ConfigError(with_lines(problems_of(error, schema), text, source)) from None


def problems_of(error: ValidationError, root: type[Section]) -> list[tuple[KeyPath, Problem]]:
    """What pydantic found, in our words, with where it stands in the file."""
    found = (messages.from_error(one, root) for one in error.errors(include_url=False))
    return [one for one in found if one is not None]


def text_of(file: Path, usual: str) -> str:
    """The text of a file; `usual` is the name of such files. Raises `ConfigError`."""

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


def table_of(text: str, source: str) -> dict[str, Any]:
    """The outermost table of a TOML text. Raises `ConfigError`."""
    # `Any`: whatever values the file holds.
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([messages.from_toml(str(error), text, source)]) from None
    except (RecursionError, ValueError):
        # Lists nested a thousand deep, or a number of thousands of digits.
        raise ConfigError([Problem("", "a value is too deep or too long to be read", "", source)]) from None


def with_lines(found: list[tuple[KeyPath, Problem]], text: str, source: str) -> list[Problem]:
    """The problems with their source and line, in the order of the lines; those without a line last."""
    lines = line_numbers(text)
    placed = [
        Problem(problem.key or dotted(path), problem.what, problem.instead, source, nearest_line(lines, path))
        for path, problem in found
    ]
    return sorted(placed, key=lambda problem: (problem.line is None, problem.line or 0))
