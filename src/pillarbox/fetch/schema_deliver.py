"""The schema of an account's destination, and the kinds of values that the fetcher's file has beside the server's.

Rules: those of `schema`. One table serves all kinds of destinations: what a kind needs must be there, and what it has
no use for must not, so that a slip is told and never ignored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, model_validator

from pillarbox.config.fields import Section, absolute_path, not_empty, setting
from pillarbox.config.problem import Wrong
from pillarbox.fetch.destinations.envelope import is_address


def _read(value: str | Path) -> Path:
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise Wrong(f'there is no home directory for "{value}"', "write the full path") from None


def _path(value: Any, info: ValidationInfo) -> Path | None:
    # `Any`: as in `absolute_path`.
    return absolute_path(value, info, _read)


UserPath = Annotated[Path | None, PlainValidator(_path)]
"""An absolute path, one from `~` or from the file's directory, or None, which a file writes as ""."""

Words = Annotated[tuple[str, ...], Field(strict=False), AfterValidator(not_empty)]
"""A program and its arguments."""


class SecretPlace(Section):
    """Where a password is: at most one of these. The file itself never holds one."""

    password_command: Words | None = setting(
        None,
        "A program and its arguments that prints the password on its first line; no shell is involved.",
        kind="a list of texts in quotes",
        example=("pass", "show", "mail/ada"),
    )
    password_file: UserPath = setting(
        None,
        "A file whose first line is the password; nobody but its owner may be able to read it.",
        kind="the path of a file in quotes",
        example="~/.config/pillarbox/ada.password",
    )
    password_credential: str = setting(
        "",
        "The name of a systemd credential that is the password (LoadCredential=, SetCredentialEncrypted=).",
        kind="a text in quotes",
        example="ada",
    )
    password_keyring: str = setting(
        "",
        "The name of a service in the desktop's keyring that holds the password for the user; needs the extra "
        "`keyring`.",
        kind="a text in quotes",
        example="pillarbox",
    )

    @property
    def places(self) -> list[str]:
        """The names of the settings that say where the password is."""
        return [name for name in SecretPlace.model_fields if getattr(self, name)]

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.places) > 1:
            both = " and ".join(f"`{name}`" for name in self.places)
            raise Wrong(f"{both} both say where the password is", "keep one of them")
        return self


def _address(text: str) -> str:
    if text and not is_address(text):
        raise Wrong(f'"{text}" is not a plain mail address', 'write one such as "ada@example.org"')
    return text


MailAddress = Annotated[str, AfterValidator(_address)]

Kind = Literal["maildir", "mbox", "archive", "pipe", "lmtp", "smtp", "imap"]

_NEEDS: dict[str, tuple[str, ...]] = {
    "maildir": ("path",),
    "mbox": ("path",),
    "archive": ("path",),
    "pipe": ("command",),
    "lmtp": ("recipient",),
    "smtp": ("host", "recipient"),
    "imap": ("host",),
}
_EXAMPLES: dict[str, str] = {
    "path": 'path = "~/Mail"',
    "command": 'command = ["/usr/bin/procmail", "-d", "ada"]',
    "host": 'host = "mail.example.org"',
    "recipient": 'recipient = "ada@example.org"',
}
_TAKES: dict[str, tuple[str, ...]] = {
    "maildir": ("line_ends",),
    "mbox": ("line_ends", "lock_file"),
    "archive": (),
    "pipe": ("line_ends", "shell", "time_limit", "sender", "recipient"),
    "lmtp": ("host", "port", "socket", "sender", "tls", "ca_file", "user"),
    "smtp": ("port", "sender", "tls", "ca_file", "user"),
    "imap": ("port", "folder", "create_folder", "tls", "ca_file", "user", "flags"),
}
_WITH_LOGIN = ("lmtp", "smtp", "imap")


class Deliver(SecretPlace):
    """Where an account's mail goes."""

    to: Kind = setting(
        "maildir",
        "The kind of destination: a Maildir, an mbox file, Pillarbox's archive, a program that reads the message "
        "(pipe), or a server (LMTP, SMTP, IMAP).",
        required=True,
        example="maildir",
    )
    path: UserPath = setting(
        None,
        "The Maildir, mbox or archive. It is made if it is missing; the directory it is in has to exist.",
        kind="a path in quotes",
        example="~/Mail",
    )
    line_ends: Literal["lf", "crlf"] = setting(
        "lf",
        'How lines end there. "lf" is what mail programs on Unix expect; a message that cannot be turned back exactly '
        'is kept as it came. "crlf" keeps every message as it came.',
    )
    lock_file: bool = setting(
        True, "Whether an mbox is locked with a file beside it, too, as other mail programs do. fcntl is always used."
    )
    command: Words | None = setting(
        None,
        "The program and its arguments; {sender} and {recipient} stand for the addresses. With `shell` one text.",
        kind="a list of texts in quotes",
        example=("/usr/bin/procmail", "-d", "ada"),
    )
    shell: bool = setting(False, "Whether /bin/sh reads the command.")
    time_limit: float = setting(300.0, "Seconds the program may take for one message.", ge=1, le=86_400)
    host: str = setting("", "The server's name.", kind="a text in quotes", example="mail.example.org")
    port: int = setting(0, "The server's port; 0 for the usual one.", ge=0, le=65_535)
    socket: UserPath = setting(
        None, "LMTP's Unix socket, instead of `host`.", kind="a path in quotes", example="/run/dovecot/lmtp"
    )
    tls: Literal["implicit", "starttls", "off"] = setting(
        "starttls",
        'How TLS begins. "off" is only allowed to this machine. IMAP and SMTP with "implicit" use the ports 993 and '
        "465.",
    )
    ca_file: UserPath = setting(
        None,
        "The authorities to trust instead of the system's (PEM).",
        kind="the path of a file in quotes",
        example="/etc/ssl/ours.pem",
    )
    user: str = setting(
        "", "The user to log in as there; without one, nobody logs in.", kind="a text in quotes", example="ada"
    )
    recipient: MailAddress = setting(
        "", "Whom the mail is delivered to (RCPT TO).", kind="an address in quotes", example="ada@example.org"
    )
    sender: MailAddress | Literal["<>"] = setting(
        "",
        'The envelope\'s sender; "" takes the message\'s Return-Path, "<>" is nobody, so that nothing bounces.',
        kind='an address in quotes, or "<>"',
        example="<>",
    )
    folder: str = setting("INBOX", "The IMAP folder.", kind="a text in quotes")
    create_folder: bool = setting(True, "Whether that folder is created if it is missing.")
    flags: Annotated[tuple[str, ...], Field(strict=False)] = setting(
        (), "Flags of the messages there.", kind="a list of texts in quotes", example=("\\Seen",)
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name in _NEEDS[self.to]:
            if not getattr(self, name):
                raise Wrong(f'to = "{self.to}" needs `{name}`', f"for example: {_EXAMPLES[name]}")
        if self.to == "lmtp" and bool(self.host) == bool(self.socket):
            raise Wrong(
                'to = "lmtp" needs `host` or `socket`, and not both', 'for example: socket = "/run/dovecot/lmtp"'
            )
        useful = {"to", *_NEEDS[self.to], *_TAKES[self.to]}
        if self.to in _WITH_LOGIN:
            useful |= set(SecretPlace.model_fields)
        for name in sorted(self.model_fields_set - useful):
            raise Wrong(f'to = "{self.to}" has no use for `{name}`', "take it out")
        if bool(self.user) != bool(self.places):
            raise Wrong("`user` and a password go together", "name both, or none")
        if self.to == "imap" and not self.user:
            raise Wrong('to = "imap" needs `user`, and where the password is', 'for example: user = "ada"')
        return self
