"""What came of a case: passed, or why not.

Rules: a verdict rests on what the server carried out, what lies in the client's Maildir, and what the kernel measured;
never on what the client says of itself, and not on its exit status.
"""

from __future__ import annotations

import enum
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pillarbox.testing.channel import ENDLESS
from pillarbox.testing.scripted import ScriptedServer
from pillarbox.testing.torture import post
from pillarbox.testing.torture.cases import Case
from pillarbox.testing.torture.run import Ran

_ESCAPE = b"\x1b"
_C1 = b"\x9b"
_ORDINARY = frozenset({-signal.SIGPIPE})  # what writing to a connection that is gone leads to, by default


class Fault(enum.Enum):
    """Why a client did not pass."""

    TIME = "did not end in time"
    MEMORY = "took more memory than it may"
    DISK = "took more disk than it may"
    CRASH = "ended by a signal"
    LEAK = "sent the password"
    DELETED = "had mail deleted that it does not have"
    LOST = "mail is lost"
    DUPLICATE = "mail is there twice"
    DAMAGED = "handed on what is not whole"
    LEFT = "mail was not fetched"
    TERMINAL = "printed terminal codes"


GRAVE = frozenset({Fault.MEMORY, Fault.DISK, Fault.CRASH})
"""What is told of other programs only to their maintainers."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One reason, with its detail."""

    fault: Fault
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one case with one client.

    Attributes:
        failures: none when it passed.
        lost, duplicates: messages.
        runs: the hostile runs, then the honest ones.
        transcript: what was said in the hostile sessions.
    """

    case: Case
    client: str
    failures: tuple[Failure, ...]
    lost: int
    duplicates: int
    runs: tuple[Ran, ...]
    transcript: str

    @property
    def passed(self) -> bool:
        """Whether there is nothing to blame."""
        return not self.failures

    @property
    def grave(self) -> bool:
        """Whether the details are for the maintainers first."""
        return any(failure.fault in GRAVE for failure in self.failures)


def measured(runs: Sequence[Ran]) -> list[Failure]:
    """What the kernel has to say."""
    found = []
    for at, ran in enumerate(runs, 1):
        match ran.exceeded:
            case "time":
                found.append(Failure(Fault.TIME, f"run {at}: {ran.seconds:.0f} s"))
            case "memory":
                found.append(Failure(Fault.MEMORY, f"run {at}: {ran.memory >> 20} MB"))
            case "disk":
                found.append(Failure(Fault.DISK, f"run {at}: {ran.disk >> 20} MB"))
            case _ if ran.status < 0 and not ran.killed and ran.status not in _ORDINARY:
                found.append(Failure(Fault.CRASH, f"run {at}: signal {-ran.status}"))
    return found


def calm(ran: Ran) -> list[Failure]:
    """Whether what was printed can be printed."""
    if _ESCAPE in ran.output or (_C1 in ran.output and b"\xc2\x9b" not in ran.output):
        return [Failure(Fault.TERMINAL)]
    return []


def endured(server: ScriptedServer) -> list[Failure]:
    """Whether an endless reply was listened to until the server itself gave it up."""
    patient = [session.number for session in server.sessions if session.how == ENDLESS]
    return [Failure(Fault.TIME, f"connection {patient[0]}: took all of an endless reply")] if patient else []


def silent(server: ScriptedServer, sessions: int) -> list[Failure]:
    """Whether no secret was sent in the first so many connections."""
    for session in server.sessions[:sessions]:
        lines = session.transcript.lines
        if any(line.startswith(("C: PASS", "C: APOP", "C: *")) or line.endswith(" *") for line in lines):
            return [Failure(Fault.LEAK, f"connection {session.number}")]
    return []


def mail(case: Case, sent: Sequence[bytes], server: ScriptedServer, maildir: Path) -> tuple[list[Failure], int, int]:
    """What became of the mail: failures, lost messages, duplicates."""
    expected = _expected(case, sent)
    there = post.arrived(maildir, expected)
    on_server = {post.token(shelved.octets) for shelved in server.messages}
    lost = [number for number in expected if number not in on_server and not there.whole.get(number)]
    left = [number for number in expected if number in on_server and not there.whole.get(number)]
    twice = sum(count - 1 for count in there.whole.values())
    found = []
    if lost:
        found.append(Failure(Fault.LOST, f"messages {lost}"))
    if left:
        found.append(Failure(Fault.LEFT, f"messages {left}"))
    if twice:
        found.append(Failure(Fault.DUPLICATE, f"{twice} more than there should be: {there.whole}"))
    if there.damaged or there.strange:
        found.append(Failure(Fault.DAMAGED, f"messages {there.damaged}, without a token {there.strange}"))
    return found, len(lost), twice


def premature(case: Case, sent: Sequence[bytes], server: ScriptedServer, maildir: Path) -> list[Failure]:
    """After the hostile runs: whether something is deleted that has not arrived."""
    there = post.arrived(maildir, _expected(case, sent))
    gone = [post.token(shelved.octets) for shelved in server.deleted_messages]
    early = [number for number in gone if not there.whole.get(number)]
    return [Failure(Fault.DELETED, f"messages {early}")] if early else []


def _expected(case: Case, sent: Sequence[bytes]) -> dict[int, list[bytes]]:
    """The bodies that count as whole, by token."""
    expected = {post.token(octets): [post.body(octets)] for octets in sent}
    for number, octets in case.also.items():
        expected[number].append(post.body(octets))
    return expected
