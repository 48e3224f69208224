"""TRANSACTION and UPDATE: what a client does with its mail.

Rules: a number from the client becomes an index in one place (`_index`), where 0, too large and deleted ones end;
totals come from the snapshot and the marks in one place (`remaining`); only `quit_` removes anything.
Serves RFC 1939 §5-§7.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING

from pillarbox.events import MaildropFailed, MessageUnreadable, UpdateFailed
from pillarbox.maildrop.errors import MaildropUnavailable, MessageGone, PartlyCommitted, ReadOnly
from pillarbox.maildrop.maildrop import Maildrop, Snapshot
from pillarbox.maildrop.retrieval import retrieve
from pillarbox.maildrop.retrieval import top as top_of
from pillarbox.wire.commands import Command
from pillarbox.wire.replies import Body, Reply, ResponseCode

if TYPE_CHECKING:
    from pillarbox.session.session import Session

SLICE_LINES = 4096
"""Lines of a LIST or UIDL that are built at once: some 100 KB, a few milliseconds."""


_DELETED = Reply(True, "message deleted")
_NO_SUCH = Reply(False, "no such message")
_WAS_DELETED = Reply(False, "that message is marked as deleted")
_GONE = Reply(False, "that message was removed or altered by another program")
_CANNOT_READ = Reply(False, "that message cannot be read now", ResponseCode.SYS_TEMP)
_READ_ONLY = Reply(False, "this maildrop is read-only", ResponseCode.SYS_PERM)
_DONE = Reply(True, "done")
_BYE = Reply(True, "bye")


def _opened(session: Session) -> tuple[Maildrop, Snapshot]:
    """The maildrop and its snapshot; both exist in TRANSACTION."""
    assert session.maildrop is not None
    assert session.snapshot is not None
    return session.maildrop, session.snapshot


def _index(session: Session, number: int) -> int | Reply:
    """The index of a message number, or the -ERR that answers it (P15, P16)."""
    if number > _opened(session)[1].count:
        return _NO_SUCH
    return _WAS_DELETED if number - 1 in session.marked else number - 1


def remaining(session: Session) -> tuple[int, int]:
    """Messages not marked as deleted, and their octets."""
    _, snapshot = _opened(session)
    if not session.marked:
        return snapshot.count, snapshot.total
    octets = snapshot.octets
    return snapshot.count - len(session.marked), snapshot.total - sum(octets[index] for index in session.marked)


def _table(session: Session, line: Callable[[int], bytes]) -> Body:
    """One line for each message that is not marked; in slices when there are many."""
    _, snapshot = _opened(session)
    marked = session.marked
    wanted: Iterable[int] = range(snapshot.count)
    if marked:
        # A copy: a stream is read while later commands may change the marks.
        gone = frozenset(marked)
        wanted = (index for index in range(snapshot.count) if index not in gone)
    if snapshot.count <= SLICE_LINES:
        return b"".join(map(line, wanted))

    async def slices() -> AsyncGenerator[bytes | bytearray, None]:
        rest = iter(wanted)
        while part := b"".join(map(line, islice(rest, SLICE_LINES))):
            yield part

    return slices()


async def stat(session: Session, command: Command) -> Reply:
    """STAT (RFC 1939 §5)."""
    messages, octets = remaining(session)
    return Reply(True, f"{messages} {octets}")


async def list_(session: Session, command: Command) -> Reply:
    """LIST (RFC 1939 §5)."""
    octets = _opened(session)[1].octets
    if command.number:
        index = _index(session, command.number)
        return index if isinstance(index, Reply) else Reply(True, f"{command.number} {octets[index]}")
    messages, total = remaining(session)
    return Reply(
        True, f"{messages} messages ({total} octets)", body=_table(session, lambda i: b"%d %d\r\n" % (i + 1, octets[i]))
    )


async def uidl(session: Session, command: Command) -> Reply:
    """UIDL (RFC 1939 §7, P28)."""
    ids = _opened(session)[1].unique_ids
    if command.number:
        index = _index(session, command.number)
        return index if isinstance(index, Reply) else Reply(True, f"{command.number} {ids[index].decode('ascii')}")
    every = list(ids)
    return Reply(True, "unique-ids follow", body=_table(session, lambda i: b"%d %s\r\n" % (i + 1, every[i])))


async def retr(session: Session, command: Command) -> Reply:
    """RETR (RFC 1939 §5)."""
    index = _index(session, command.number)
    if isinstance(index, Reply):
        return index
    maildrop, snapshot = _opened(session)
    try:
        body = await retrieve(maildrop, index)
    except (MessageGone, MaildropUnavailable) as error:
        return _unreadable(session, index, error)
    octets = snapshot.octets[index]
    session.retrieved.add(index)
    session.counts.retrieved_octets += octets
    return Reply(True, f"{octets} octets", body=body)


async def top(session: Session, command: Command) -> Reply:
    """TOP (RFC 1939 §7); never marks a message seen (P24)."""
    index = _index(session, command.number)
    if isinstance(index, Reply):
        return index
    try:
        body = await top_of(_opened(session)[0], index, command.lines)
    except (MessageGone, MaildropUnavailable) as error:
        return _unreadable(session, index, error)
    session.counts.topped += 1
    return Reply(True, "top of message follows", body=body)


def _unreadable(session: Session, index: int, error: MessageGone | MaildropUnavailable) -> Reply:
    assert session.account is not None
    unique_id = _opened(session)[1].unique_ids[index].decode("ascii")
    session.context.sink.emit(
        MessageUnreadable(session=session.id, user=session.account.name, unique_id=unique_id, reason=error.reason)
    )
    return _GONE if isinstance(error, MessageGone) else _CANNOT_READ


async def dele(session: Session, command: Command) -> Reply:
    """DELE (RFC 1939 §5): marks; only QUIT removes."""
    assert session.account is not None
    if session.account.read_only or _opened(session)[0].read_only:
        return _READ_ONLY  # P25
    index = _index(session, command.number)
    if isinstance(index, Reply):
        return index
    session.marked.add(index)
    return _DELETED


async def noop(session: Session, command: Command) -> Reply:
    """NOOP (RFC 1939 §5)."""
    return _DONE


async def rset(session: Session, command: Command) -> Reply:
    """RSET (RFC 1939 §5): unmarks everything, and does not look at the maildrop again (P17)."""
    session.marked.clear()
    messages, octets = remaining(session)
    return Reply(True, f"{messages} messages ({octets} octets)")


async def quit_(session: Session, command: Command) -> Reply:
    """QUIT: in TRANSACTION it enters UPDATE (RFC 1939 §6); before login it touches nothing (P23)."""
    if session.maildrop is None or session.account is None:
        return _BYE
    user = session.account.name
    emit = session.context.sink.emit
    reply = _BYE
    try:
        if session.marked or session.retrieved:
            session.counts.deleted = await session.maildrop.commit(sorted(session.marked), session.retrieved)
    except PartlyCommitted as error:
        session.counts.deleted = error.removed
        emit(
            UpdateFailed(session=session.id, user=user, removed=error.removed, failed=error.failed, reason=error.reason)
        )
        reply = Reply(False, "some deleted messages not removed", ResponseCode.SYS_TEMP)  # P22
    except ReadOnly:
        emit(MaildropFailed(session=session.id, user=user, reason="read-only", permanent=True))
        reply = Reply(False, "this maildrop is read-only, nothing was removed", ResponseCode.SYS_PERM)
    except MaildropUnavailable as error:
        emit(MaildropFailed(session=session.id, user=user, reason=error.reason, permanent=error.permanent))
        reply = Reply(False, "deleted messages not removed", ResponseCode.SYS_TEMP)  # P20
    # The lock is given up before the reply, so that the client's next login finds it free.
    maildrop, session.maildrop = session.maildrop, None
    await maildrop.release()
    return reply
