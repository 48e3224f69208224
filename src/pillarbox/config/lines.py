"""Which line of a TOML text a key stands on, found cheaply, for the messages.

Rules: this is a reader of lines, not a parser: `tomllib` has accepted the text before. When it is unsure (keys inside
inline tables) it gives the line of the nearest table or setting around the key; it never raises.
"""

from __future__ import annotations

import re
import tomllib

from pillarbox.config.problem import Path

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_SETTING = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")


def _parts(key: str) -> tuple[str, ...]:
    """The parts of a TOML key such as `domains."example.org"`."""
    try:
        table = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    parts = []
    value: object = table
    while isinstance(value, dict):
        [(name, value)] = value.items()
        parts.append(name)
    return tuple(parts)


def line_numbers(text: str) -> dict[Path, int]:
    """The line, from 1, of every table and setting that begins a line of `text`."""
    found: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    in_string = ""
    for number, line in enumerate(text.split("\n"), 1):
        if in_string:
            in_string = "" if line.count(in_string) % 2 else in_string
            continue
        header = _HEADER.match(line)
        setting = _SETTING.match(line)
        if header:
            table = _table(header[1] == "[[", _parts(header[2]), counts)
            found.setdefault(table, number)
        elif setting:
            found.setdefault((*table, *_parts(setting[1])), number)
        in_string = next((mark for mark in ('"""', "'''") if line.count(mark) % 2), "")
    return found


def _table(repeated: bool, parts: tuple[str, ...], counts: dict[Path, int]) -> Path:
    """The path of a table header, with the position of each list of tables it goes through."""
    path: Path = ()
    for place, part in enumerate(parts):
        path = (*path, part)
        if repeated and place == len(parts) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def nearest_line(lines: dict[Path, int], path: Path) -> int | None:
    """The line of `path`, or of the innermost thing around it."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return None
