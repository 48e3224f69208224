"""What is wrong with a configuration, as plain data for whoever shows it.

Rules: a problem names its key, says what is wrong and what to write instead, in sentences for people; positions in a
list count from 1, as people count. How problems are found is in `load`, `checks` and `messages`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Where a value stands: names of tables and settings, and 0-based positions in lists."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def dotted(path: Path) -> str:
    """The key of `path` as people write it: `listener[2].port`, `domains."example.org".maildir`."""
    key = ""
    for part in path:
        if isinstance(part, int):
            key += f"[{part + 1}]"
        else:
            name = part if _BARE_KEY.fullmatch(part) else f'"{part}"'
            key += f".{name}" if key else name
    return key


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or (from `checks.warnings`) worth a look.

    Attributes:
        key: the dotted key, or "" when the file as a whole is meant.
        what: what is wrong.
        instead: what to write or do instead; "" when `what` says it all.
        source: the file's name, or "".
        line: the line of the file, from 1, where it is known.
    """

    key: str
    what: str
    instead: str = ""
    source: str = ""
    line: int | None = None

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source or 'line'}:{self.line}"
        text = ": ".join(part for part in (place, self.key, self.what) if part)
        return f"{text}\n    {self.instead}" if self.instead else text


class ConfigError(Exception):
    """A configuration cannot be used. `problems` holds everything that was found wrong, in the file's order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = list(problems)


class Wrong(ValueError):
    """Raised by a check of the schema: `what` is wrong with the value, and what to do `instead`."""

    def __init__(self, what: str, instead: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.instead = instead
