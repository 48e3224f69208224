"""THE TABLE: which command is legal in which state, what its reply looks like, and where it leads.

A missing row is an illegal command. The diagram in docs/states.md is generated from these rows (`diagram`), and server,
client and observer all follow them through `dialogue`.
Serves RFC 1939 §3-§7, RFC 2449 §5, RFC 2595 §4, RFC 5034 §4, RFC 6856 §2-§3.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from pillarbox.wire.commands import Verb


class State(enum.IntEnum):
    """Where a session stands. The RFC's three states, with the moments between them that a parser must know."""

    GREETING = 0  # connected; the server speaks first
    AUTHORIZATION = 1
    NAMED = 2  # AUTHORIZATION, and USER was accepted: the only place for PASS
    SASL = 3  # AUTHORIZATION, inside an AUTH exchange: lines are no commands
    TLS = 4  # STLS was accepted: the next octets are a handshake, not ours to read
    TRANSACTION = 5
    CLOSED = 6  # nothing more is said


class Shape(enum.Enum):
    """What a reply looks like."""

    SINGLE = "single line"
    MULTI = "multi-line when +OK"
    SASL = "continuations, then a single line"


class Row(NamedTuple):
    """What a legal command leads to."""

    shape: Shape
    ok: State
    err: State


_A, _N, _T, _END = State.AUTHORIZATION, State.NAMED, State.TRANSACTION, State.CLOSED

# (state, verb, whether it has an argument) -> row. The grammar has already refused wrong arguments.
_Key = tuple[State, Verb, bool]


def _anywhere_before_login(here: State) -> dict[_Key, Row]:
    """AUTHORIZATION and NAMED differ only in PASS; what is not about the login keeps the name (P43)."""
    return {
        (here, Verb.USER, True): Row(Shape.SINGLE, _N, _A),
        (here, Verb.APOP, True): Row(Shape.SINGLE, _T, _A),
        (here, Verb.AUTH, True): Row(Shape.SASL, _T, _A),
        (here, Verb.AUTH, False): Row(Shape.MULTI, here, here),  # lists the mechanisms, for old clients (P45)
        (here, Verb.STLS, False): Row(Shape.SINGLE, State.TLS, here),
        (here, Verb.CAPA, False): Row(Shape.MULTI, here, here),
        (here, Verb.UTF8, False): Row(Shape.SINGLE, here, here),
        (here, Verb.LANG, True): Row(Shape.SINGLE, here, here),
        (here, Verb.LANG, False): Row(Shape.MULTI, here, here),
        (here, Verb.QUIT, False): Row(Shape.SINGLE, _END, _END),
    }


TABLE: dict[_Key, Row] = {
    **_anywhere_before_login(_A),
    **_anywhere_before_login(_N),
    (_N, Verb.PASS, True): Row(Shape.SINGLE, _T, _A),
    (_N, Verb.PASS, False): Row(Shape.SINGLE, _T, _A),  # an empty password is a wrong one (P42)
    (_T, Verb.STAT, False): Row(Shape.SINGLE, _T, _T),
    (_T, Verb.LIST, False): Row(Shape.MULTI, _T, _T),
    (_T, Verb.LIST, True): Row(Shape.SINGLE, _T, _T),
    (_T, Verb.RETR, True): Row(Shape.MULTI, _T, _T),
    (_T, Verb.DELE, True): Row(Shape.SINGLE, _T, _T),
    (_T, Verb.NOOP, False): Row(Shape.SINGLE, _T, _T),
    (_T, Verb.RSET, False): Row(Shape.SINGLE, _T, _T),
    (_T, Verb.TOP, True): Row(Shape.MULTI, _T, _T),
    (_T, Verb.UIDL, False): Row(Shape.MULTI, _T, _T),
    (_T, Verb.UIDL, True): Row(Shape.SINGLE, _T, _T),
    (_T, Verb.CAPA, False): Row(Shape.MULTI, _T, _T),
    (_T, Verb.LANG, True): Row(Shape.SINGLE, _T, _T),
    (_T, Verb.LANG, False): Row(Shape.MULTI, _T, _T),
    # RFC 1939 §6: QUIT enters UPDATE; whatever UPDATE answers, the connection closes.
    (_T, Verb.QUIT, False): Row(Shape.SINGLE, _END, _END),
}


def illegal_text(state: State, verb: Verb) -> str:
    """Why a command has no row here, for the -ERR."""
    if verb is Verb.PASS:
        return "USER comes first"
    if any((other, verb, given) in TABLE for other in (_A, _N) for given in (True, False)):
        return "not possible after login"
    return "log in first"


_TITLES = {
    State.GREETING: "connected",
    _A: "AUTHORIZATION",
    _N: "AUTHORIZATION, user named",
    State.SASL: "AUTHORIZATION, SASL exchange",
    State.TLS: "TLS handshake",
    _T: "TRANSACTION",
    _END: "UPDATE and close",
}


def diagram() -> str:
    """The table as a Mermaid state diagram, one arrow for each pair of states."""
    arrows: dict[tuple[State, State], list[str]] = {}

    def arrow(start: State, stop: State, label: str) -> None:
        labels = arrows.setdefault((start, stop), [])
        if label not in labels:
            labels.append(label)

    arrow(State.GREETING, _A, "+OK greeting")
    arrow(State.GREETING, _END, "-ERR greeting")
    arrow(State.TLS, _A, "handshake done, all state forgotten")
    arrow(State.TLS, _END, "handshake failed")
    for (state, verb, _), row in TABLE.items():
        if row.shape is Shape.SASL:
            arrow(state, State.SASL, f"{verb.name} +")
            arrow(State.SASL, row.ok, f"{verb.name} +OK")
            arrow(State.SASL, row.err, f"{verb.name} -ERR")
        if row.ok is row.err:
            arrow(state, row.ok, verb.name)
        else:
            arrow(state, row.ok, f"{verb.name} +OK")
            arrow(state, row.err, f"{verb.name} -ERR")
    lines = ["stateDiagram-v2"]
    lines += [f"    {state.name}: {title}" for state, title in _TITLES.items()]
    lines += [f"    [*] --> {State.GREETING.name}"]
    lines += [f"    {start.name} --> {stop.name}: {', '.join(labels)}" for (start, stop), labels in arrows.items()]
    lines += [f"    {_END.name} --> [*]"]
    return "\n".join(lines) + "\n"
