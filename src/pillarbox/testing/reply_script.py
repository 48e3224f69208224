r"""The reply layer of a scripted server: an honest reply in, the octets that are sent instead out.

Rules: a reply that nothing changes is passed on as it is, slices and all; a change that needs the whole body gathers it
first. Counting and naming (`behaviour`) comes before faults, so that "bare LF" also concerns an odd listing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pillarbox.testing.behaviour import Behaviour
from pillarbox.testing.faults import Action, Fault
from pillarbox.wire.replies import END

_PAD = b"x" * 70 + b"\r\n"
_COUNTS = re.compile(rb"\+OK (\d+) (\d+)")
_NAME = re.compile(rb"\+OK (\d+) (\S+)")


@dataclass(slots=True)
class Scripted:
    """What is to be sent.

    Attributes:
        status: the status line, with its line ending, and what a fault puts before it.
        body: the body in slices, in wire form without the final line; None for a single line.
        end: the final line.
        suffix: octets behind all of it.
        endless: a pattern that is sent without end, behind `status`; b"" for none.
    """

    status: bytes
    body: Iterator[bytes] | None = None
    end: bytes = END
    suffix: bytes = b""
    endless: bytes = b""
    changed: list[Fault] = field(default_factory=list)

    def gather(self) -> bytes:
        """The whole body, which is held from then on."""
        whole = b"".join(self.body or ())
        self.body = iter((whole,))
        return whole


def count_and_name(reply: Scripted, verb: str, behaviour: Behaviour, session: int) -> None:
    """Let a behaviour say what it says of the maildrop."""
    if not reply.status.startswith(b"+OK"):
        return
    if reply.body is None:
        reply.status = _single(reply.status, verb, behaviour, session)
        return
    if verb not in ("CAPA", "LIST", "UIDL"):
        return
    lines = reply.gather().split(b"\r\n")[:-1]
    if verb == "CAPA":
        lines = behaviour.capabilities(lines)
    elif verb == "LIST":
        pairs = (line.split(b" ") for line in lines)
        lines = behaviour.listing(
            [b"%s %d" % (number, behaviour.sizes(int(number), int(octets))) for number, octets in pairs]
        )
    else:
        named = (line.split(b" ", 1) for line in lines)
        lines = behaviour.naming(
            [b"%s %s" % (number, behaviour.unique_ids(int(number), uid, session)) for number, uid in named]
        )
    reply.body = iter((b"".join(line + b"\r\n" for line in lines),))


def _single(status: bytes, verb: str, behaviour: Behaviour, session: int) -> bytes:
    if verb == "STAT" and (found := _COUNTS.match(status)) is not None:
        return b"+OK %d %d\r\n" % behaviour.stat(int(found[1]), int(found[2]))
    if verb == "LIST" and (found := _COUNTS.match(status)) is not None:
        return b"+OK %d %d\r\n" % (int(found[1]), behaviour.sizes(int(found[1]), int(found[2])))
    if verb == "UIDL" and (found := _NAME.match(status)) is not None:
        number = int(found[1])
        return b"+OK %d %s\r\n" % (number, behaviour.unique_ids(number, found[2], session))
    return status


def apply(reply: Scripted, faults: list[Fault]) -> None:
    """Let faults change a reply, in the order they were given."""
    for fault in faults:
        if _change(reply, fault):
            reply.changed.append(fault)


def _change(reply: Scripted, fault: Fault) -> bool:
    """Returns whether the fault is one that changes replies, and could change this one."""
    match fault.action:
        case Action.REPLACE:
            reply.status, reply.body = line(fault.text), None
        case Action.PREFIX:
            reply.status = line(fault.text) + reply.status
        case Action.SUFFIX:
            reply.suffix += line(fault.text)
        case Action.ENDLESS:
            # A body goes on in lines; the greeting and a status line go on in status lines.
            reply.endless = b"+OK and on\r\n" if reply.body is None else b"and on, and on, and on\r\n"
        case Action.ENDLESS_LINE:
            reply.endless = b"x"
            if reply.body is None:
                reply.status = reply.status.rstrip(b"\r\n")
        case Action.BARE_LF:
            reply.status = reply.status.replace(b"\r\n", b"\n")
            if reply.body is not None:
                reply.body = iter((reply.gather().replace(b"\r\n", b"\n"),))
                reply.end = reply.end.replace(b"\r\n", b"\n")
        case _ if reply.body is not None:
            return _change_body(reply, fault)
        case _:
            return False
    return True


def _change_body(reply: Scripted, fault: Fault) -> bool:
    match fault.action:
        case Action.NO_BODY:
            reply.body = None
        case Action.NO_END:
            reply.end = b""
        case Action.SHORTEN:
            left = reply.gather()[: fault.number]
            reply.body = iter((left if left.endswith(b"\r\n") or not left else left.rstrip(b"\r") + b"\r\n",))
        case Action.PAD:
            padding = (_PAD * (fault.number // len(_PAD) + 1))[: max(fault.number - 2, 0)].rstrip(b"\r\n")
            reply.body = iter((reply.gather(), padding + b"\r\n"))
        case Action.UNSTUFF:
            reply.body = iter((re.sub(rb"(\A|\r\n)\.", rb"\1", reply.gather()),))
        case _:
            return False
    return True


def line(text: bytes) -> bytes:
    """A fault's text with a line ending, where it has none."""
    return text if text.endswith(b"\n") or not text else text + b"\r\n"
