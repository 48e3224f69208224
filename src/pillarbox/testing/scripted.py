r"""A POP3 server inside your test process: real sockets, real TLS, any mail, any fault, and a record of what happened.

Rules: it listens on loopback alone and serves from threads, so that it can be used from blocking and from asynchronous
tests alike; everything it is asked to do can be asked while it runs; it has ended when the `with` block has.

    with ScriptedServer(mail=[b"Subject: hello\r\n\r\nhello\r\n"], faults=["drop at octet 100 of RETR 1"]) as server:
        fetch_with_my_client(server.url, server.password, ca=server.ca)
        assert not server.deleted

Elsewhere: `behaviour` (what it is like), `presets` (servers people know), `faults` (what goes wrong).
"""

from __future__ import annotations

import atexit
import functools
import shutil
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote

from pillarbox.events import MemorySink
from pillarbox.session.context import Context, Door, Policy
from pillarbox.session.session import Session
from pillarbox.testing.behaviour import Behaviour
from pillarbox.testing.certificates import Authority, Pair, Quality
from pillarbox.testing.conversation import Conversation
from pillarbox.testing.faults import Fault
from pillarbox.testing.mails import Mail, octets_of_each
from pillarbox.testing.presets import preset
from pillarbox.testing.shelf import Shelf, Shelved
from pillarbox.testing.users import Login, Users

__all__ = ["ScriptedServer", "ScriptedServerError", "authority"]

HOST = "localhost"

Tls = Literal["implicit", "stls", "none"]

_STOP_SECONDS = 10.0  # how long threads may take to end
_BACKLOG = 128
_authority_lock = threading.Lock()  # a cache alone lets two threads make two of them


class ScriptedServerError(Exception):
    """What was waited for did not happen. The text holds what did."""


def authority() -> Authority:
    """The throw-away certificate authority of this process."""
    with _authority_lock:
        return _made_authority()


@functools.cache
def _made_authority() -> Authority:
    directory = Path(tempfile.mkdtemp(prefix="pillarbox-authority-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Authority(directory)


class ScriptedServer:
    """A POP3 server that behaves as it is told.

    Args:
        mail: messages of the first user, or of each user by name.
        users: passwords by name; the first user is `user`.
        tokens: OAuth access tokens, and whose they are.
        behaviour: what it is like: a `Behaviour` or a preset's name.
        faults: what goes wrong, as values or sentences.
        tls: from the first octet ("implicit"), after STLS ("stls"), or not at all ("none").
        cleartext: whether a login is accepted without TLS; by default only where there is none.
        certificate: the quality of its certificate; the attribute of this name can be changed while it runs.
        port: where to listen; 0 for any free port.
    """

    def __init__(
        self,
        mail: Mail | Iterable[Mail] | Mapping[str, Mail | Iterable[Mail]] = (),
        *,
        users: Mapping[str, str] | None = None,
        tokens: Mapping[str, str] | None = None,
        behaviour: Behaviour | str = "pillarbox",
        faults: Iterable[Fault | str] = (),
        tls: Tls = "implicit",
        cleartext: bool | None = None,
        certificate: Quality | str = Quality.VALID,
        port: int = 0,
    ) -> None:
        self.behaviour = preset(behaviour) if isinstance(behaviour, str) else behaviour
        self.tls = tls
        self.certificate = Quality(certificate)
        passwords = dict(users) if users is not None else {"ada": "open sesame"}
        self.user = next(iter(passwords))
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self.events = MemorySink()
        self._happened = threading.Condition()
        self._faults = [_fault(fault) for fault in faults]
        self._users = Users(passwords, tokens or {}, self.behaviour.recent_prefix)
        self._shelf = Shelf(
            clock=time.time,
            hides_retrieved=self.behaviour.hides_retrieved,
            recent_prefix=self.behaviour.recent_prefix,
        )
        self._retrieved: list[bytes] = []
        self._sessions: list[Conversation] = []
        self._threads: list[threading.Thread] = []
        self._clear = tls == "none" if cleartext is None else cleartext
        self.context = Context(
            authenticator=self._users,
            store=self._shelf,
            sink=self.events,
            now=time.monotonic,
            policy=Policy(self.behaviour.implementation, self.behaviour.login_delay, 10_000, 10_000, 10_000),
            mechanisms=self.behaviour.mechanisms,
        )
        self._listener = socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)
        self.port: int = self._listener.getsockname()[1]
        for user, theirs in mail.items() if isinstance(mail, Mapping) else [(self.user, mail)]:
            self.add(*octets_of_each(theirs), user=user)
        self._accepting = threading.Thread(target=self._accept, name=f"pop3-{self.port}", daemon=True)
        self._accepting.start()

    # ---- how to reach it ----------------------------------------------------------------------------------------

    @property
    def host(self) -> str:
        """The name to connect to, which is in the certificate."""
        return HOST

    @property
    def password(self) -> str:
        """Of `user`."""
        return self._users.passwords[self.user]

    @property
    def url(self) -> str:
        """Where it is and who logs in, without the password: "pops://ada@localhost:40995"."""
        scheme = "pops" if self.tls == "implicit" else "pop3"
        return f"{scheme}://{quote(self.user)}@{HOST}:{self.port}"

    @property
    def ca(self) -> Path:
        """The authority to trust, as a PEM file."""
        return authority().path

    @property
    def _door(self) -> Door:
        stls = self.tls == "stls" and "STLS" not in self.behaviour.refused
        return Door(stls=stls, cleartext_until="9999-12-31" if self._clear else "")

    def client_context(self) -> ssl.SSLContext:
        """A TLS context for clients that trusts this server's authority, and no other."""
        return ssl.create_default_context(cafile=str(self.ca))

    def client_certificate(self, user: str = "") -> Pair:
        """A client certificate for a user: for EXTERNAL."""
        return authority().client_pair(user or self.user)

    # ---- what it holds and does -----------------------------------------------------------------------------------

    def add(self, *mail: Mail | Iterable[Mail], user: str = "", unique_id: bytes | None = None) -> list[bytes]:
        """Add mail, also while it runs; a session that is open does not see it. Returns the unique-ids."""
        octets = [message for each in mail for message in octets_of_each(each)]
        with self.lock:
            return [self._shelf.add(user or self.user, message, unique_id) for message in octets]

    def remove(self, unique_id: bytes, *, user: str = "") -> None:
        """Take a message away as another program would."""
        with self.lock:
            self._shelf.remove(user or self.user, unique_id)

    def script(self, *faults: Fault | str, behaviour: Behaviour | None = None) -> None:
        """Replace the faults, from the next command on; and the behaviour, where one is given.

        What a behaviour says of mechanisms, hiding and delays stays what it was at the start.
        """
        with self.lock:
            self._faults = [_fault(fault) for fault in faults]
            if behaviour is not None:
                self.behaviour = behaviour

    def behave(self, **changes: object) -> None:
        """Change attributes of the behaviour, from the next command on; see `script`."""
        self.script(*self._faults, behaviour=replace(self.behaviour, **changes))  # type: ignore[arg-type]  # by name

    def accept_token(self, token: str, user: str = "") -> None:
        """Let an access token in."""
        self._users.tokens[token] = user or self.user

    def revoke_token(self, token: str) -> None:
        """Refuse an access token from now on."""
        self._users.tokens.pop(token, None)

    # ---- what happened --------------------------------------------------------------------------------------------

    @property
    def messages(self) -> tuple[Shelved, ...]:
        """What the first user's maildrop holds now."""
        return self.messages_of(self.user)

    def messages_of(self, user: str) -> tuple[Shelved, ...]:
        """What a user's maildrop holds now."""
        with self.lock:
            return self._shelf.messages(user)

    @property
    def deleted(self) -> tuple[bytes, ...]:
        """The unique-ids of what UPDATE removed, oldest first."""
        return tuple(shelved.unique_id for shelved in self.deleted_messages)

    @property
    def deleted_messages(self) -> tuple[Shelved, ...]:
        """What UPDATE removed, oldest first."""
        with self.lock:
            return tuple(self._shelf.deleted)

    @property
    def retrieved(self) -> tuple[bytes, ...]:
        """The unique-ids of the messages whose RETR was answered as a whole, each time it was."""
        with self.lock:
            return tuple(self._retrieved)

    @property
    def logins(self) -> tuple[Login, ...]:
        """Every attempt to log in."""
        with self.lock:
            return tuple(self._users.logins)

    @property
    def sessions(self) -> tuple[Conversation, ...]:
        """Every connection so far."""
        with self.lock:
            return tuple(self._sessions)

    @property
    def transcript(self) -> str:
        """What was said in the last connection: `C:` and `S:` lines, without secrets; "" before the first."""
        sessions = self.sessions
        return str(sessions[-1].transcript) if sessions else ""

    @property
    def transcripts(self) -> str:
        """What was said in all of them."""
        return "".join(f"--- connection {each.number}\n{each.transcript}" for each in self.sessions)

    def wait_for(self, what: Callable[[ScriptedServer], object], *, seconds: float = 10.0) -> None:
        """Wait until something is true of this server.

        Raises:
            ScriptedServerError: it did not become true in time.
        """
        end = time.monotonic() + seconds
        with self._happened:
            while not what(self):
                if (left := end - time.monotonic()) <= 0:
                    raise ScriptedServerError(f"{seconds:g} seconds passed; what was said:\n{self.transcripts}")
                self._happened.wait(left)

    def wait_for_sessions(self, count: int, *, seconds: float = 10.0) -> Sequence[Conversation]:
        """Wait until so many connections are over, and return them all.

        Raises:
            ScriptedServerError: they were not in time.
        """
        self.wait_for(lambda server: sum(1 for each in server.sessions if each.how) >= count, seconds=seconds)
        return self.sessions

    # ---- for its conversations ------------------------------------------------------------------------------------

    def faults(self) -> list[Fault]:
        """Those in force now."""
        with self.lock:
            return list(self._faults)

    def used(self, fault: Fault) -> None:
        """A fault has struck; one that is for once is over."""
        with self.lock:
            if fault.once and fault in self._faults:
                self._faults.remove(fault)

    def was_retrieved(self, session: Session, number: int) -> None:
        """The message with this number was sent as a whole."""
        with self.lock:
            if session.snapshot is not None:
                self._retrieved.append(session.snapshot.unique_ids[number - 1])

    def changed(self) -> None:
        """Something happened that somebody may wait for."""
        with self._happened:
            self._happened.notify_all()

    # ---- running --------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End every connection, and listen no more. Safe to repeat."""
        self.stopping.set()
        # Closing alone would not wake the thread that waits in accept.
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._accepting.join(_STOP_SECONDS)
        self._listener.close()
        for conversation in self.sessions:
            if not conversation.how:
                conversation.shut()
        for thread in self._threads:
            thread.join(_STOP_SECONDS)

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._begin(sock)

    def _begin(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = None if self.tls == "none" else authority().server_context(self.certificate)
        implicit = self.tls == "implicit"
        try:
            with self.lock:
                number = len(self._sessions) + 1
                conversation = Conversation(self, sock, number, self._door, context, implicit=implicit)
                self._sessions.append(conversation)
        except OSError:  # it left before it was looked at
            sock.close()
            return
        thread = threading.Thread(target=conversation.run, name=f"pop3-{self.port}-{number}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _fault(fault: Fault | str) -> Fault:
    return Fault.parse(fault) if isinstance(fault, str) else fault
