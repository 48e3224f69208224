"""Writes the pages of this directory that follow from the code: `make docs`.

Rules: a page is a pure function of the source, so that a test can tell whether the committed one is current; pages that
people write are not touched.
"""

from __future__ import annotations

import datetime
import io
import re
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.text import Text

from pillarbox.cli import samples
from pillarbox.cli.quickstart import ACCOUNT, Place, card
from pillarbox.config.describe import reference
from pillarbox.config.load import parse
from pillarbox.fetch.schema import FetchFile
from pillarbox.wire.states import TABLE, Shape, diagram

HERE = Path(__file__).parent


def states() -> str:
    """The state machine: its diagram, and its rows."""
    lines = [
        "<!-- Made by `make docs` from src/pillarbox/wire/states.py. Do not edit. -->",
        "# The states of a session",
        "",
        "The server, the client and the observer all follow this one table. A command that has no row in a state is",
        "illegal there: it is answered with `-ERR` and changes nothing. `+` after a command means that it comes with",
        "an argument. A state changes when the reply is sent, not when the command comes in, so that pipelined",
        "commands run in order.",
        "",
        "```mermaid",
        diagram().rstrip("\n"),
        "```",
        "",
        "## Every legal command",
        "",
        "| state | command | reply | +OK leads to | -ERR leads to |",
        "| --- | --- | --- | --- | --- |",
    ]
    for (state, verb, given), row in sorted(TABLE.items()):
        name = verb.name + (" +" if given else "")
        lines.append(f"| {state.name} | `{name}` | {row.shape.value} | {row.ok.name} | {row.err.name} |")
    lines += ["", "## Shapes of replies", ""]
    lines += [f"- **{shape.value}**: {_SHAPES[shape]}" for shape in Shape]
    return "\n".join(lines) + "\n"


_SHAPES = {
    Shape.SINGLE: "one status line.",
    Shape.MULTI: "a status line; after `+OK` a body follows, which ends with a line that holds a single dot.",
    Shape.SASL: "any number of `+ ` challenges, each answered by one line of the client; then one status line.",
}


def picture() -> str:
    """A terminal in which the quickstart has printed its card, and its first message is read; as SVG."""
    place = Place(Path("/home/ada/.pillarbox"))
    settings = parse(
        '[[listener]]\ntls = "implicit"\nport = 1995\n[[listener]]\ntls = "starttls"\nport = 1110\n'
        '[tls]\ncertificate = "/c"\nkey = "/k"\n'
    )
    told = card(place, settings, "s2mbh-4xk7w-qp9tz-c3dyn").partition("  Speak POP3")[0].rstrip()
    (command,) = re.findall(r"^  Read message 1 +(.*)$", told, re.MULTILINE)
    message = samples.messages(ACCOUNT, datetime.datetime(2026, 5, 4, 9, 30, tzinfo=datetime.UTC))[0].decode()
    console = Console(record=True, file=io.StringIO(), width=_COLUMNS, color_system="truecolor", force_terminal=True)
    for style, text in (
        ("bold green", "$ make serve"),
        ("", f"{told}\n"),
        ("bold green", f"$ {command}"),
        ("", message.rstrip()),
    ):
        console.print(Text(text, style=style), overflow="fold", highlight=False)
    svg = console.export_svg(title="Pillarbox", unique_id="quickstart")
    # Any monospaced font will do: a picture should not make its reader's browser ask another site for one.
    return re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL).rstrip() + "\n"


_COLUMNS = 110


_FETCH = """\
# Configuration of `pillarbox fetch`

<!-- Made by `make docs` from src/pillarbox/fetch/schema.py and its neighbours. Do not edit. -->

The accounts are in one file in [TOML](https://toml.io/): the one named by `--config`, or by the environment variable
`PILLARBOX_FETCH_CONFIG`, or else `~/.config/pillarbox/fetch.toml`, or else `/etc/pillarbox/fetch.toml`. Relative paths
start at the directory of the file, and `~` is the home directory. `pillarbox fetch check` reports everything that is
wrong at once. What it is all good for is in [fetch.md](fetch.md).
"""


def fetch_reference() -> str:
    """All settings of the fetcher's file."""
    return reference(FetchFile, _FETCH)


PAGES: dict[str, Callable[[], str]] = {
    "states.md": states,
    "configuration.md": reference,
    "fetch-configuration.md": fetch_reference,
    "quickstart.svg": picture,
}


def main() -> None:
    """Write every page, and say which changed."""
    for name, page in PAGES.items():
        path = HERE / name
        text = page()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{name} written\n")


if __name__ == "__main__":
    main()
