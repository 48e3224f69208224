"""`Client`: the blocking shell around a conversation. Everything of the protocol is in there; here it is carried out.

    with Client("pops://ada@mail.example.org", password=...) as box:
        for message in box.messages():
            print(message.number, message.size, message.email()["Subject"])

Rules: leaving `with` normally says QUIT, which commits deletions; an exception closes without it, and nothing is
deleted. One thread at a time. The same names, awaitable, are in `aio`.
"""

from __future__ import annotations

import email
import email.policy
import os
from collections.abc import Iterable, Iterator, Sequence
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar, overload

from pillarbox.client.auth import Auth, SecretSource
from pillarbox.client.batch import WINDOW
from pillarbox.client.body import Body, News
from pillarbox.client.conversation import Conversation
from pillarbox.client.face import Face, MessageFace, planned
from pillarbox.client.saving import target
from pillarbox.client.seen import Seen
from pillarbox.client.settings import Limits, Timeout
from pillarbox.client.tls_rules import TlsRules
from pillarbox.client.transport import Connector, Transport, connect
from pillarbox.client.values import Entry, ProgressCallback, Stat
from pillarbox.client.wants import Call, Close, Connect, Receive, Send, StartTls, Want, Work
from pillarbox.events import NullSink, Sink
from pillarbox.files import DurableFile
from pillarbox.wire.replies import Status

T = TypeVar("T")


class Client(Face):
    """A session with a maildrop, as a context manager.

    Args:
        url: "pops://user@host" for TLS from the first octet, "pop3://user@host" for STLS. Never with a password.
        user: instead of the URL's.
        password: text, octets, a `Secret`, or a function that gives one.
        auth: instead of a password: how to log in. Without both, there is no login (to look at a server).
        tls: whom to trust. Without TLS only by `TlsRules(cleartext=True)`.
        timeout, limits: how patient to be, and how much to take.
        events: takes `ServerMisbehaved` and `ListingDoubtful`.
        connect: opens connections instead of TCP sockets.
        lenient_lf: accept lines that end in bare LF; only for servers that are known to send nothing else.
        pipelining: what `Client.pipelining` said of this server before; None to find out.
        progress: called for every piece of a message that arrives.

    Raises:
        UsageError: the arguments do not fit.
    """

    def __init__(
        self,
        url: str,
        *,
        user: str | None = None,
        password: SecretSource | None = None,
        auth: Auth | None = None,
        tls: TlsRules | None = None,
        timeout: Timeout | None = None,
        limits: Limits | None = None,
        events: Sink | None = None,
        connect: Connector = connect,
        lenient_lf: bool = False,
        pipelining: bool | None = None,
        progress: ProgressCallback | None = None,
    ) -> None:
        plan = planned(
            url, user, password, auth, tls, timeout, limits, events or NullSink(), lenient_lf, pipelining, progress
        )
        super().__init__(Conversation(plan))
        self._connect = connect
        self._transport: Transport | None = None

    # ---- carrying out ---------------------------------------------------------------------------------------------

    def _run(self, work: Work[T]) -> T:
        """Do what a piece of logic wants, until it has its result."""
        try:
            want = next(work)
            while True:
                try:
                    answer = self._do(want)
                except Exception as error:
                    want = work.throw(error)
                else:
                    want = work.send(answer)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return] # a Work[T] returns a T
        except (Exception, GeneratorExit):
            raise
        except BaseException:
            self._hang_up()  # interrupted in the middle: nobody knows what the server has got
            raise

    def _do(self, want: Want) -> object:
        match want:
            case Receive():
                return self._wire().receive(want.deadline)
            case Send():
                self._wire().send(want.data, want.deadline)
            case Connect():
                self._transport = self._connect(want.host, want.port, want.deadline)
            case StartTls():
                return self._wire().start_tls(want.context, want.name, want.deadline)
            case Call():
                return want.function()
            case Close():
                self._hang_up()
        return None

    def _wire(self) -> Transport:
        if self._transport is None:
            raise ConnectionError("there is no connection")
        return self._transport

    def _hang_up(self) -> None:
        self._talk.exchange.line.over()
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    # ---- the session ----------------------------------------------------------------------------------------------

    def open(self) -> Self:
        """Connect, secure the channel and log in; `with` does it.

        Raises:
            ClientError: it cannot be done; the connection is closed.
        """
        try:
            self._run(self._talk.begin())
        except BaseException:
            self._hang_up()
            raise
        return self

    def quit(self) -> bool | None:
        """Say QUIT, which carries the deletions out, and close.

        Returns True: the server says it is done; False: it says it is not; None: its answer is missing.
        """
        try:
            return self._run(self._talk.quit())
        finally:
            self._hang_up()

    def close(self) -> None:
        """Close without QUIT: nothing is deleted. Safe to repeat."""
        self._hang_up()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.quit()
        else:
            self.close()

    # ---- the maildrop ---------------------------------------------------------------------------------------------

    def stat(self) -> Stat:
        """How many messages there are, and how many octets."""
        return self._run(self._talk.stat())

    def listing(self) -> tuple[Entry, ...]:
        """All messages with their sizes and unique-ids; asked for once."""
        return self._run(self._talk.listing())

    def messages(self) -> Messages:
        """All messages; none is retrieved before its octets are wanted."""
        return Messages(self, self.listing())

    def message(self, number: int) -> Message:
        """One message.

        Raises:
            UsageError: it is not listed.
        """
        return Message(self, Body(self._talk, self._run(self._talk.entry(number))))

    def new(self, seen: Seen, *, prefetch: int = 1) -> Iterator[Message]:
        """The messages that `seen` does not know; what is due there is marked to be deleted.

        Args:
            seen: remembers messages between sessions.
            prefetch: messages asked for ahead. With more than 1, a skipped message may be on its way already.
        """
        news = News(self._talk, seen, prefetch)
        while (body := self._run(news.next())) is not None:
            yield Message(self, body)

    def retrieve(self, entries: Iterable[Entry], *, window: int = WINDOW) -> Iterator[Retrieval]:
        """Messages one after the other, asked for `window` ahead. What is not read of one is dropped by the next."""
        batch = self._talk.batch(entries, window=window)
        while (found := self._run(batch.next())) is not None:
            entry, ticket, status = found
            yield Retrieval(self, Body(self._talk, entry, ticket), None if status.ok else status)

    def top(self, number: int, lines: int = 0) -> bytes:
        """The headers of a message, and so many lines of its body.

        Raises:
            Refused: the server does not have TOP.
        """
        return self._run(self._talk.top(self._run(self._talk.entry(number)), lines))

    def headers(
        self, entries: Iterable[Entry], lines: int = 0, *, window: int = WINDOW
    ) -> Iterator[tuple[Entry, bytes]]:
        """The headers of messages, asked for ahead; b"" where the server refuses."""
        batch = self._talk.batch(entries, lines=lines, window=window)
        while (found := self._run(batch.next())) is not None:
            entry, ticket, status = found
            yield entry, self._run(self._talk.head(ticket)) if status.ok else b""

    def delete(self, numbers: Iterable[int]) -> dict[int, Status]:
        """Mark messages to be deleted at QUIT; returns what the server said to each (`ok` or not).

        Raises:
            UsageError: a number is not listed.
        """
        return self._run(self._talk.delete(numbers))

    def reset(self) -> None:
        """Take all deletion marks back."""
        self._run(self._talk.reset())

    def noop(self) -> None:
        """Keep the session alive."""
        self._run(self._talk.noop())


class Message(MessageFace):
    """A message of the maildrop; nothing is retrieved before it is wanted."""

    __slots__ = ("_client",)

    def __init__(self, client: Client, body: Body) -> None:
        super().__init__(body)
        self._client = client

    def chunks(self) -> Iterator[bytes]:
        """Its octets in wire form (CRLF line ends, dots unstuffed), 64 KiB at a time at most; each call retrieves it.

        Raises:
            Refused: the server does not give it.
        """
        run, body = self._client._run, self._body
        ticket = run(body.open())
        while (piece := run(body.piece(ticket))) is not None:
            yield piece

    def read(self) -> bytes:
        """All octets at once, in wire form."""
        return b"".join(self.chunks())

    def email(self) -> EmailMessage:
        """The message, parsed."""
        return email.message_from_bytes(self.read(), policy=email.policy.default)

    def headers(self, lines: int = 0) -> bytes:
        """The headers as octets, and so many lines of the body, by TOP."""
        return self._client.top(self.number, lines)

    def save_to(self, where: str | os.PathLike[str]) -> Path:
        """Write the message to a file, or into a directory, as it comes; when it returns, the file is durable.

        Returns the file's path. The octets are in wire form.

        Raises:
            OSError: it cannot be written; nothing is left behind.
        """
        with DurableFile(target(where, self._client.account, self.entry)) as file:
            for chunk in self.chunks():
                file.write(chunk)
            return file.commit()

    def delete(self) -> None:
        """Mark the message to be deleted at QUIT."""
        self._client._run(self._body.delete())

    def done(self, delete_after: str | float | None = None) -> None:
        """It is safe: have `seen` remember it, and delete it on the server now (0), after a time ("30d"), or never.

        Raises:
            UsageError: it was not read to its end.
        """
        self._client._run(self._body.done(delete_after))


class Retrieval(Message):
    """One message of `retrieve`, on its way.

    Attributes:
        refused: what the server said instead, or None.
    """

    __slots__ = ("refused",)

    def __init__(self, client: Client, body: Body, refused: Status | None) -> None:
        super().__init__(client, body)
        self.refused = refused


class Messages(Sequence[Message]):
    """All messages of a maildrop, in the order of their numbers; indexes begin at 0, as everywhere in Python."""

    def __init__(self, client: Client, entries: Sequence[Entry]) -> None:
        self._client = client
        self._entries = entries

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> Messages: ...
    def __getitem__(self, index: int | slice) -> Message | Messages:
        if isinstance(index, slice):
            return Messages(self._client, self._entries[index])
        return Message(self._client, Body(self._client._talk, self._entries[index]))
