"""Decides from a message's header and size whether it is fetched, by the rules of its account.

Rules: the first rule that fits decides, and a message that fits none is fetched; nothing in a header makes this raise,
and the time it takes is bounded: by the limits of `header_fields`, the linear time of `patterns`, and `MAX_VALUES`. A
rule that deletes needs more than a stranger's mistake: what cannot be read fits no condition.

Elsewhere: what a rule can say (`filter_rule`); when filters are asked (`sifting`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from pillarbox.fetch.filter_rule import FilterRule
from pillarbox.fetch.header_fields import HeaderFields, header_fields
from pillarbox.fetch.patterns import Pattern
from pillarbox.fetch.verdict import Decision, Verdict

MAX_VALUES = 20
"""Values of one field that are looked at, should it be there more often."""

_SENDER = ("from", "sender")
_RECIPIENT = ("to", "cc", "delivered-to", "x-original-to")

_VERDICTS = {"fetch": Verdict.FETCH, "skip": Verdict.SKIP, "delete": Verdict.DELETE}
_FETCH = Decision(Verdict.FETCH)


class HeaderFilter:
    """The rules of one account, as the `Filter` that is asked about each message.

    Args:
        rules: in their order.
        clock: the time as UTC seconds.
    """

    def __init__(self, rules: Sequence[FilterRule], clock: Callable[[], float]) -> None:
        self._rules = tuple(_Rule(rule, number) for number, rule in enumerate(rules, 1))
        self._clock = clock

    def __call__(self, header: bytes, size: int) -> Decision:
        """What is to be done with a message with this header (octets, as TOP gives it) and size (octets)."""
        fields = header_fields(header)
        now = self._clock()
        for rule in self._rules:
            if rule.fits(fields, size, now):
                return rule.decision
        return _FETCH


class _Rule:
    """One rule, ready to be asked."""

    def __init__(self, rule: FilterRule, number: int) -> None:
        self._rule = rule
        self.decision = Decision(_VERDICTS[rule.action], rule.reason or f"rule {number}")
        self._texts = tuple(
            (names, tuple(text.casefold() for text in texts))
            for names, texts in (
                (_SENDER, rule.sender),
                (_RECIPIENT, rule.recipient),
                (("subject",), rule.subject),
                (("list-id",), rule.list_id),
                ((rule.field.lower(),), rule.contains),
            )
            if texts
        )
        self._pattern = None if rule.matches is None else Pattern(rule.matches)

    def fits(self, fields: HeaderFields, size: int, now: float) -> bool:
        """Whether every condition is true. The cheap ones come first."""
        rule = self._rule
        if rule.larger is not None and size <= rule.larger:
            return False
        if rule.smaller is not None and size >= rule.smaller:
            return False
        if rule.older is not None or rule.newer is not None:
            arrived = fields.arrived()
            if arrived is None:
                return False
            age = now - arrived
            if (rule.older is not None and age <= rule.older) or (rule.newer is not None and age >= rule.newer):
                return False
        for names, texts in self._texts:
            if not any(text in value.casefold() for value in _values(fields, names) for text in texts):
                return False
        if self._pattern is not None:
            return any(self._pattern.found_in(value) for value in _values(fields, (rule.field.lower(),)))
        return not rule.field or bool(fields.values(rule.field.lower()))


def _values(fields: HeaderFields, names: Iterable[str]) -> list[str]:
    return list(islice((value for name in names for value in fields.values(name)), MAX_VALUES))
