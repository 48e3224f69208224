"""HTML mail as plain text, for reading and for searching. Pure; never raises; time in proportion to its length.

Rules: nothing is fetched, run or obeyed; scripts, styles, the head and comments are left out. Block elements begin a
line; list items get a dash, table cells a space; an image shows its alternative text; a link is followed by where it
leads if that is not what it says, since a link that lies is the oldest trick of mail. It is no parser of HTML: a tag is
what stands between < and the next >, quoted or not, and what cannot be understood is text.
"""

from __future__ import annotations

import html
import re

LONGEST = 4 << 20
"""Characters of HTML that are looked at."""

_BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "body", "br", "center", "dd", "div", "dl", "dt", "fieldset"),
        *("figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "li"),
        *("main", "nav", "ol", "option", "p", "pre", "section", "table", "tr", "ul"),
    )
)
_SKIPPED = frozenset(("script", "style", "head", "title", "noscript", "template", "svg", "math", "iframe", "object"))
_ENDS = {name: re.compile(f"</{name}(?![a-z])[^>]*>?", re.IGNORECASE | re.ASCII) for name in _SKIPPED}
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9:-]{0,30})")
_ATTRIBUTE = re.compile(
    r"""(?:^|[\s"'/])(href|alt)\s{0,20}=\s{0,20}(?:"([^"]{0,4000})"|'([^']{0,4000})'|([^\s"'>]{1,4000}))""",
    re.IGNORECASE,
)
_WHITE = re.compile(r"[ \t\n\r\f\v\u00a0]+")
_GAPS = re.compile(r" {2,}")
_LINES = re.compile(r" ?\n ?")
_EMPTY = re.compile(r"\n{3,}")
_BODY = re.compile(r"<body[\s>]", re.IGNORECASE)
_MANY_LINKS = 10_000


class _Writer:
    """Collects the text, and the lines' ends between it."""

    def __init__(self, *, links: bool) -> None:
        self._out: list[str] = []
        self._links = links
        self._open: list[tuple[str, int]] = []  # where the open links lead, and the place where their text begins
        self._count = 0

    def text(self, raw: str) -> None:
        """Text between tags."""
        self._out.append(_WHITE.sub(" ", html.unescape(raw)))

    def tag(self, closing: bool, name: str, inside: str) -> None:
        """A tag; `inside` is what stands behind its name."""
        if name in _BLOCKS:
            self._out.append("\n- " if name == "li" and not closing else "\n")
        elif name in ("td", "th"):
            self._out.append(" ")
        elif name == "img" and not closing:
            self._out.append(_attribute(inside, "alt"))
        elif name == "a" and self._links and self._count < _MANY_LINKS:
            self._link(closing, inside)

    def _link(self, closing: bool, inside: str) -> None:
        if not closing:
            self._open.append((_attribute(inside, "href"), len(self._out)))
            self._count += 1
        elif self._open:
            target, begun = self._open.pop()
            said = "".join(self._out[begun:])[:4000].strip() if len(self._out) - begun < 100 else ""
            bare = target.removeprefix("mailto:").removeprefix("https://").removeprefix("http://").rstrip("/")
            if (
                target
                and not target.startswith("#")
                and bare != said.removeprefix("https://").removeprefix("http://").rstrip("/")
            ):
                self._out.append(f" <{target}>")

    def result(self) -> str:
        """The whole text."""
        joined = _LINES.sub("\n", _GAPS.sub(" ", "".join(self._out)))
        return _EMPTY.sub("\n\n", joined).strip()


def to_text(source: str, *, links: bool = False) -> str:
    """The text of an HTML document; with `links`, where each leads."""
    source = source[:LONGEST]
    writer = _Writer(links=links)
    position = 0
    unclosed: set[str] = set()
    while True:
        start = source.find("<", position)
        if start < 0:
            writer.text(source[position:])
            return writer.result()
        if start > position:
            writer.text(source[position:start])
        if source.startswith("<!--", start):
            end = source.find("-->", start + 4)
            position = end + 3 if end >= 0 else len(source)
            continue
        found = _TAG.match(source, start)
        if found is None and not source.startswith(("<!", "<?", "</"), start):
            writer.text("<")
            position = start + 1
            continue
        end = source.find(">", start)
        if end < 0:
            writer.text(source[start:] if found is None else "")
            return writer.result()
        position = end + 1
        if found is not None:
            name, closing = found[2].lower(), found[1] == "/"
            writer.tag(closing, name, source[found.end() : end])
            if name in _SKIPPED and not closing and source[end - 1] != "/":
                position = _skipped(source, name, position, unclosed)


def _skipped(source: str, name: str, position: int, unclosed: set[str]) -> int:
    """Where an element that is not shown ends. A head that is never closed ends where the body begins.

    `unclosed`: the names of which no end follows, so that it is looked for only once.
    """
    found = None if name in unclosed else _ENDS[name].search(source, position)
    if found is not None:
        return found.end()
    if name in ("script", "style"):
        return len(source)
    if name == "head" and name not in unclosed:
        body = _BODY.search(source, position)
        position = body.start() if body else position
    unclosed.add(name)
    return position


def _attribute(inside: str, name: str) -> str:
    for found in _ATTRIBUTE.finditer(inside[:8000]):
        if found[1].lower() == name:
            return _WHITE.sub(" ", html.unescape(found[2] or found[3] or found[4] or "")).strip()
    return ""
