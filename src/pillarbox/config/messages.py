"""What is wrong, in plain words: translates pydantic's findings and `tomllib`'s into problems.

Rules: no wording of a library reaches the administrator; every message says what was found and shows a value that would
be right; a misspelt key gets the nearest that exists. The schema's own checks bring their words with them (`Wrong`).
"""

from __future__ import annotations

import datetime
import difflib
import re
from typing import Any

from pydantic_core import ErrorDetails

from pillarbox.config.fields import Section
from pillarbox.config.keys import Setting, find, names_at, settings_by_key
from pillarbox.config.problem import Path, Problem, Wrong, dotted
from pillarbox.config.toml import inline

_KEY_MARK = "[key]"
"""pydantic's mark for "the key itself, not its value"."""

# Whatever cannot be right while another finding stands.
_CONSEQUENCES = frozenset({"default_factory_not_called"})

_SYNTAX = (
    (r"Invalid value", "the value is missing or is not valid; text must stand in double quotes"),
    (r"Expected '=' after a key", "a key must be followed by = and a value"),
    (r"Expected newline or end of document", "there is something after the value; write one setting a line"),
    (r"Cannot overwrite a value", "this key is written twice in one table"),
    (r"Cannot declare .* twice", "this table is written twice; merge the two"),
    (r"Cannot declare", "this table was already written in another form"),
    (r"Cannot mutate immutable|Cannot redefine", "this table was already closed; write its keys in one place"),
    (r"Unclosed array|Unclosed inline table", "a list or table is not closed: a ] or } is missing"),
    (r"Unterminated string", "a text is not closed: a quotation mark is missing"),
    (
        r"Unescaped '\\'|Invalid hex value",
        "a backslash in double quotes must be doubled, or use single quotes: 'C:\\x'",
    ),
    (r"Illegal character '\\n'", "a text is not closed on its line: a quotation mark is missing"),
    (r"Illegal character|Found invalid character", "there is a character that TOML does not allow here"),
    (r"Invalid initial character for a key part", "a key was expected here; keys are letters, digits, _ and -"),
    (r"Expected '\]", "the table's name is not closed: a ] is missing"),
    (r"Invalid date or datetime", "this is not a date; write one such as 2027-06-30"),
    (r"Invalid statement", "this is neither a setting (key = value) nor a table ([name])"),
)


def from_toml(message: str, text: str, source: str) -> Problem:
    """The problem that `tomllib` found in `text`; `message` is its own wording."""
    place = re.search(r"\(at line (\d+), column (\d+)\)", message)
    line = int(place[1]) if place else text.count("\n") + 1
    matching = (words for pattern, words in _SYNTAX if re.search(pattern, message))
    what = next(matching, "this is not valid TOML")
    lines = text.split("\n")
    shown = lines[line - 1].strip() if line <= len(lines) else ""
    instead = f"the line is: {shown[:100]}" if shown else ""
    return Problem("", what, instead, source, line)


def found_words(value: object) -> str:
    """What a file held, in words: `the text "995"`, `a list`."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            shown = value if len(value) <= 60 else value[:57] + "…"
            return f"the text {inline(shown)}"
        case int() | float():
            return f"the number {value}"
        case datetime.datetime() | datetime.date() | datetime.time():
            return f"the date or time {value.isoformat()}"
        case list() | tuple():
            return "a list" if value else "an empty list"
        case dict():
            return "a table"
    return "nothing"


def from_error(error: ErrorDetails, root: type[Section]) -> tuple[Path, Problem] | None:
    """The problem of one finding, with its path in the file; None for a mere consequence of another finding.

    `root` is the schema that the file was checked against.
    """
    path: Path = tuple(part for part in error["loc"] if part != _KEY_MARK)
    if error["type"] in _CONSEQUENCES:
        return None
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, Wrong):
        return path, Problem(dotted(path), cause.what, cause.instead)
    if error["type"] == "extra_forbidden":
        return path, _unknown(path, root)
    setting = find(path, root)
    if setting is None:
        return path, Problem(dotted(path), f"does not fit: found {found_words(error['input'])}")
    if error["type"] == "missing":
        return path, Problem(dotted(path), "is missing; it must be " + setting.kind, _example(setting, path))
    return path, _mismatch(path, setting, error["input"])


def _mismatch(path: Path, setting: Setting, value: Any) -> Problem:
    # `Any`: whatever the file held.
    what = f"must be {setting.kind}; found {found_words(value)}"
    choices = re.findall(r'"([^"]+)"', setting.kind)
    near = difflib.get_close_matches(value.lower(), choices, 1) if isinstance(value, str) else []
    if near:
        return Problem(dotted(path), what, f'did you mean "{near[0]}"?')
    return Problem(dotted(path), what, _example(setting, path))


def _example(setting: Setting, path: Path) -> str:
    name = setting.key.rpartition(".")[2]
    if setting.repeated:
        return f"begin it with a line [[{setting.key}]]"
    if setting.section:
        header = setting.kind.removeprefix("tables ") if setting.named else f"[{dotted(path)}]"
        return f"begin it with a line {header}"
    return f"for example: {name} = {inline(setting.example)}"


def _unknown(path: Path, root: type[Section]) -> Problem:
    """A key that does not exist, with the nearest one that does."""
    *table, name = path
    known = names_at(tuple(table), root)
    near = difflib.get_close_matches(str(name), known, 1, 0.6)
    if near:
        return Problem(dotted(path), "unknown key", f"did you mean `{dotted((*table, near[0]))}`?")
    # Perhaps it is right but stands in the wrong table.
    homes = [key for key in settings_by_key(root) if key.rpartition(".")[2] == name]
    if homes:
        return Problem(dotted(path), "unknown key", "it belongs elsewhere: " + " or ".join(f"`{key}`" for key in homes))
    return Problem(dotted(path), "unknown key", "the keys here are: " + ", ".join(known) if known else "")
