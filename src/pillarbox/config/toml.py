"""Writing TOML: single values on one line.

Rules: what `inline` writes, `tomllib` reads back as the same value. Whole documents are written in `describe`.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

from pillarbox.config.fields import whole


def inline(value: Any) -> str:
    """`value` as TOML on one line. `Any`: a setting's value; what is not a TOML type (paths, networks) becomes text."""
    match value:
        case None:
            return '""'
        case bool():
            return "true" if value else "false"
        case float():
            return str(whole(value))
        case int():
            return str(value)
        case datetime.date():
            return value.isoformat()
        case list() | tuple():
            return "[" + ", ".join(inline(item) for item in value) + "]"
        case Mapping():
            return "{ " + ", ".join(f"{quoted(k)} = {inline(v)}" for k, v in value.items()) + " }"
    return quoted(str(value))


def quoted(text: str) -> str:
    """`text` as a TOML basic string. JSON's escapes are TOML's, except that TOML wants DEL escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
