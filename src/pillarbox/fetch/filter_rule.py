r"""One rule of a filter, as it stands in `fetch.toml`, and the values its settings can have.

Rules: every condition that is named has to be true; texts are found anywhere in a field, letters in either case, and a
list of them is true when one is found; a condition about something that the message does not say is never true. A rule
without a condition is refused: it would be about every message.

```toml
[[account.ada.filter]]
sender = "newsletter@"
older = 604800
action = "delete"
reason = "old newsletters"
```

Elsewhere: how rules are applied (`filters`); what patterns can be (`patterns`).
"""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pillarbox.config.fields import Section, setting
from pillarbox.config.problem import Wrong

_FIELD = re.compile(r"[!-9;-~]{1,100}")
MAX_TEXTS = 1000
"""Texts in one condition."""


def _texts(value: Any) -> Any:
    # `Any`: what the file held. One text is a list of one.
    return (value,) if isinstance(value, str) else value


def _not_empty(texts: tuple[str, ...]) -> tuple[str, ...]:
    if len(texts) > MAX_TEXTS:
        raise Wrong(f"a condition has at most {MAX_TEXTS} texts", "write a pattern, or several rules")
    if any(not text.strip() for text in texts):
        raise Wrong("an empty text is in every message", "take it out")
    return texts


def _pattern(text: str) -> str:
    from pillarbox.fetch.patterns import Pattern, PatternError  # most files have no pattern

    try:
        Pattern(text)
    except PatternError as error:
        raise Wrong(f'"{text}" is no pattern that can be used: {error}') from None
    return text


def _field(text: str) -> str:
    if text and not _FIELD.fullmatch(text):
        raise Wrong(f'"{text}" is not the name of a header field', 'write one such as "X-Spam-Flag", without a colon')
    return text


Texts = Annotated[tuple[str, ...], Field(strict=False), BeforeValidator(_texts), AfterValidator(_not_empty)]
_TEXTS = "a text in quotes, or a list of them"
_octets = partial(setting, None, kind="a number of octets, without quotes", le=1 << 50)
_seconds = partial(setting, None, kind="a number of seconds, without quotes", ge=0, le=1e10)


class FilterRule(Section):
    """What to do with messages that fit. The first rule that fits decides; without one a message is fetched."""

    action: Literal["fetch", "skip", "delete"] = setting(
        "skip",
        'What is done: "fetch" it; "skip" leaves it on the server and does not ask again; "delete" deletes it on the '
        "server without fetching it.",
        required=True,
        example="skip",
    )
    sender: Texts = setting((), "Texts in From or Sender.", kind=_TEXTS, example="newsletter@")
    recipient: Texts = setting(
        (), "Texts in To, Cc, Delivered-To or X-Original-To.", kind=_TEXTS, example="sales@example.org"
    )
    subject: Texts = setting((), "Texts in Subject.", kind=_TEXTS, example=("offer", "sale"))
    list_id: Texts = setting((), "Texts in List-Id.", kind=_TEXTS, example="announce.example.org")
    field: Annotated[str, AfterValidator(_field)] = setting(
        "",
        "Any field, with `contains` or `matches`, or alone: then it has to be there.",
        kind="the name of a field in quotes",
        example="X-Spam-Flag",
    )
    contains: Texts = setting((), "Texts in `field`.", kind=_TEXTS, example="YES")
    matches: Annotated[str | None, AfterValidator(lambda text: text if text is None else _pattern(text))] = setting(
        None,
        "A regular expression for `field`. It takes linear time, so it knows no back-references and no looking ahead.",
        kind="a text in single quotes",
        example=r"^\[(spam|bulk)\]",
    )
    larger: int | None = _octets("Octets that LIST has to exceed.", ge=0, example=10_000_000)
    smaller: int | None = _octets("Octets that LIST has to stay below.", ge=1, example=1000)
    older: float | None = _seconds(
        "Seconds since the message came to its server (its topmost Received field, else its Date).", example=604800.0
    )
    newer: float | None = _seconds("Seconds since then, at most.", example=86400.0)
    reason: str = setting("", "For people, in logs.", kind="a text in quotes", example="old newsletters")

    @model_validator(mode="after")
    def _useful(self) -> Self:
        if (self.contains or self.matches is not None) and not self.field:
            raise Wrong("`contains` and `matches` are about a `field`", 'name it: field = "X-Spam-Flag"')
        texts = (self.sender, self.recipient, self.subject, self.list_id, self.field)
        numbers = (self.larger, self.smaller, self.older, self.newer)
        if not any(texts) and all(number is None for number in numbers):
            raise Wrong("the rule has no condition, so it would be about every message", "name one, such as `subject`")
        if self.larger is not None and self.smaller is not None and self.smaller <= self.larger + 1:
            raise Wrong("no message is larger than `larger` and smaller than `smaller`", "mend one of them")
        if self.older is not None and self.newer is not None and self.newer <= self.older:
            raise Wrong("no message is older than `older` and newer than `newer`", "mend one of them")
        return self
