r"""The format of `.pop3` files: readable conversations that are tests.

A file holds cases; each begins with `== its name` and is one conversation in a maildrop of its own. What stands before
the first case holds for all cases of the file; a case may add to it. Before the first `C` or `S` of a case:

    tls: implicit | none     how the connection begins (default: implicit); none is the port with STLS
    login: yes | no          whether the case begins logged in (default: yes)
    mail: OCTETS             one message, in the order of delivery

    C: TEXT                  the client sends a line
    C< OCTETS                the client sends exactly these octets
    S: PATTERN               the server's next line; `<*>` is anything, `<name>` is a word that stays the same
    S: <end>                 the server closes the connection, and says nothing more
    S*: + PATTERN            the rest of a multi-line response has such a line …
    S*: - PATTERN            … has no such line; `S*:` alone takes any (neighbouring `S*:` lines are about one response)
    ! tls                    the TLS handshake
    ! fin                    the client closes its sending side
    ! again                  the client disconnects, connects once more, and logs in
    ! arrive OCTETS          a message is delivered
    ! vanish N               the N-th delivered message is removed by another program

    # dovecot: differs — …   the expectation below this line is ours, not Dovecot's; the text names the RFC line that
                             decides. `D:` lines behind it say what Dovecot does instead; else any other line will do.
    # dovecot: stop — …      the conversation with Dovecot ends here
    # dovecot: skip — …      this case (or file) is not held with Dovecot

Backslash escapes (\r \n \0 \xNN \\) are octets; in C lines `<user>` is the account, `<pass>` its password, `<plain>`
its SASL PLAIN response, `<user64>` and `<pass64>` the two in base64, `<spaces:N>` N spaces and `<x:N>` N times an x.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from pathlib import Path

PASSWORD = "open  sesame!"  # spaces belong to a password (P34)

_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_PLAIN_ESCAPES = {b"n": b"\n", b"r": b"\r", b"0": b"\0", b"\\": b"\\"}
_REPEAT = re.compile(rb"<(.):(\d+)>|<(spaces):(\d+)>")


def octets(text: str) -> bytes:
    """Text of a file with its escapes resolved."""

    def resolve(match: re.Match[bytes]) -> bytes:
        return bytes([int(match[1], 16)]) if match[1] else _PLAIN_ESCAPES[match[2]]

    return _ESCAPE.sub(resolve, text.encode())


def spoken(text: str, account: str) -> bytes:
    """What a `C` line puts on the wire."""
    plain = base64.b64encode(f"\0{account}\0{PASSWORD}".encode())
    data = text.encode().replace(b"<user>", account.encode()).replace(b"<pass>", PASSWORD.encode())
    data = data.replace(b"<plain>", plain)
    data = data.replace(b"<user64>", base64.b64encode(account.encode()))
    data = data.replace(b"<pass64>", base64.b64encode(PASSWORD.encode()))
    data = _REPEAT.sub(lambda match: (match[1] or b" ") * int(match[2] or match[4]), data)
    return octets(data.decode())


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a case. `kind`: "C", "C<", "S", "S*", "!" or "stop"; `dovecot` replaces an "S" for Dovecot."""

    line: int
    kind: str
    text: str
    differs: bool = False
    dovecot: tuple[str, ...] = ()


@dataclass(slots=True)
class Case:
    """One conversation."""

    file: str
    name: str
    line: int
    tls: str = "implicit"
    login: bool = True
    skip_dovecot: str = ""
    mail: list[bytes] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @property
    def identity(self) -> str:
        """A name for test reports."""
        return f"{self.file}:{self.name}"


class ScriptError(ValueError):
    """A file does not follow the format."""


def read(path: Path) -> list[Case]:
    """The cases of a file."""
    default = Case(path.stem, "", 0)
    cases: list[Case] = []
    case, differs = default, False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("== "):
            case = Case(path.stem, line[3:], number, default.tls, default.login, default.skip_dovecot, [*default.mail])
            cases.append(case)
        elif note := re.match(r"# dovecot: (differs|stop|skip) — (.+)", line):
            if note[1] == "skip":
                case.skip_dovecot = note[2]
            elif note[1] == "stop":
                case.steps.append(Step(number, "stop", ""))
            differs = note[1] == "differs"
        elif line.startswith("# dovecot"):
            raise ScriptError(f"{path.name}:{number}: a note on Dovecot that says nothing known")
        elif not line or line.startswith("#"):
            continue
        else:
            differs = _take(case, number, line, path, differs=differs)
    return cases


def _take(case: Case, number: int, line: str, path: Path, *, differs: bool) -> bool:
    """Take in one line; return whether a note on Dovecot still waits for its expectation."""
    found = re.match(r"(C:|C<|S:|S\*:|D:|!|tls:|login:|mail:) ?(.*)", line)
    if not found:
        raise ScriptError(f"{path.name}:{number}: not a line of the format: {line}")
    mark, text = found[1].removesuffix(":"), found[2]
    match mark:
        case "tls":
            case.tls = text
        case "login":
            case.login = text == "yes"
        case "mail":
            case.mail.append(octets(text))
        case "D":
            last = case.steps[-1]
            case.steps[-1] = Step(last.line, last.kind, last.text, last.differs, (*last.dovecot, text))
        case _:
            case.steps.append(Step(number, mark, text, differs=differs and mark in ("S", "S*")))
            return differs and mark not in ("S", "S*")
    return differs


class Patterns:
    """Matches lines, and remembers what `<name>` stood for."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def match(self, pattern: str, line: bytes) -> bool:
        """Whether the line (without its line ending) is one."""
        text = line.decode("latin-1")
        expression, new = "", []
        for part in re.split(r"(<[a-z0-9*]+>)", octets(pattern).decode("latin-1")):
            if part == "<*>":
                expression += ".*"
            elif not re.fullmatch(r"<[a-z0-9]+>", part):
                expression += re.escape(part)
            elif part in self._known:
                expression += re.escape(self._known[part])
            else:
                new.append(part)
                expression += "([!-~]+)"
        found = re.fullmatch(expression, text, re.DOTALL)
        if found:
            self._known.update(zip(new, found.groups(), strict=True))
        return found is not None
