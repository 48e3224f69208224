"""A message as a person reads it on a terminal: its header, its attachments, its text; and saving attachments safely.

Rules: what is shown are printable characters and line ends (`watch.clean`): a message cannot move the cursor, set a
colour or title, or turn a line around. Nothing is fetched. Text is cut at `TEXT` characters. The name of an attachment
is the sender's choice, and becomes a plain file name in the directory that was named: no path, no hidden file, nothing
overwritten, no link followed.
"""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pillarbox.archive import extract, mime, objects
from pillarbox.archive.errors import ArchiveError
from pillarbox.watch.clean import clean

TEXT = 1 << 20
"""Characters of text that are shown."""

_NAME = 120  # characters of a saved file's name: fewer than 255 octets, with room for a number
_SAME_NAME = 1000
# Invisible and harmless, and often hundreds of them in a newsletter: they are left out instead of shown by their codes.
_INVISIBLE = dict.fromkeys(
    (
        0xAD,
        0x34F,
        0x200B,
        0x200C,
        0x200D,
        0x200E,
        0x200F,
        0x2060,
        0xFEFF,
        *range(0xFE00, 0xFE10),
        *range(0x180B, 0x180F),
    )
)
_SPACES = dict.fromkeys((0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), " ")
_UNSAFE = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]+')
_SHOWN = ("from", "to", "cc", "subject", "date")


@dataclass(frozen=True, slots=True)
class Attachment:
    """An attachment: its number from 1, the name it gives itself, its type, about how many octets it has."""

    number: int
    name: str
    type: str
    octets: int


@dataclass(frozen=True, slots=True)
class View:
    """A message for reading. All texts are safe to print; `cut` says that there is more text than is shown."""

    headers: tuple[tuple[str, str], ...]
    attachments: tuple[Attachment, ...]
    text: str
    cut: bool


def view(path: Path, *, html: bool = False) -> View:
    """Read a message for showing; with `html`, its HTML form where there are two.

    Raises:
        OSError: the file cannot be read.
    """
    with objects.mapped(path) as data:
        header, _ = mime.header_of(data)
        parts = list(mime.walk(data))
        fields = [(name.title(), line(header.texts(name))) for name in _SHOWN if header.raw(name)]
        attachments = tuple(
            Attachment(number, line(part.name), line(part.type), _about(part)) for number, part in _attached(parts)
        )
        text, cut = _text(data, parts, html=html)
    return View(tuple(fields), attachments, text, cut)


def save(path: Path, wanted: str, directory: Path) -> Path:
    """Save an attachment, by its number or name, as a new file in a directory.

    Returns:
        The file that was made.

    Raises:
        ArchiveError: the message has no such attachment, or more than one.
        OSError: it cannot be written.
    """
    with objects.mapped(path) as data:
        part = _chosen(_attached(list(mime.walk(data))), wanted)
        target, descriptor = _new_file(directory, part.name)
        try:
            with open(descriptor, "wb") as file:
                file.writelines(mime.chunks(data, part))
        except BaseException:
            target.unlink(missing_ok=True)
            raise
    return target


def line(text: str) -> str:
    """Text from a message as one line that is safe to print."""
    return clean(" ".join(text.translate(_INVISIBLE).translate(_SPACES).split()))


def lines(text: str) -> str:
    """Text from a message as lines that are safe to print."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").translate(_INVISIBLE).translate(_SPACES)
    return "\n".join(clean(one.expandtabs(8).rstrip()) for one in plain.split("\n"))


def when(seconds: float) -> str:
    """A moment as people read it, in UTC."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return "????-??-?? ??:??"


def safe_name(name: str) -> str:
    """A plain file name made of the one a sender chose."""
    plain = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    plain = "".join(c if c.isprintable() else "_" for c in _UNSAFE.sub("_", plain))
    plain = plain.encode("utf-8", "replace").decode("utf-8").strip(" .")
    stem, dot, suffix = plain.rpartition(".")
    if len(suffix) > 16 or not stem:
        stem, dot, suffix = plain, "", ""
    while len(f"{stem}{dot}{suffix}".encode()) > _NAME and stem:
        stem = stem[:-1]
    return f"{stem}{dot}{suffix}" or "attachment"


def _attached(parts: list[mime.Part]) -> list[tuple[int, mime.Part]]:
    return list(enumerate((part for part in parts if part.attached), 1))


def _chosen(attached: list[tuple[int, mime.Part]], wanted: str) -> mime.Part:
    found = [part for number, part in attached if part.name == wanted or line(part.name) == wanted]
    found = found or [part for number, part in attached if str(number) == wanted]
    if not found:
        raise ArchiveError(f"the message has no attachment {wanted!r}; it has {len(attached)}, and `show` lists them")
    if len(found) > 1:
        raise ArchiveError(f"the message has {len(found)} attachments of that name; give the number that `show` lists")
    return found[0]


def _about(part: mime.Part) -> int:
    octets = part.end - part.start
    return octets * 3 // 4 if part.encoding == "base64" else octets


def _text(data: mime.Octets, parts: list[mime.Part], *, html: bool) -> tuple[str, bool]:
    shown = [part for part in parts if part.type.startswith("text/") and not part.attached]
    preferred = [part for part in shown if (part.type == "text/html") is html] or shown
    found: list[str] = []
    room = TEXT
    for part in preferred:
        text = extract.part_text(data, part, most=room + 1, links=True)
        if text.strip():
            found.append(text[:room])
        room -= len(text)
        if room < 0:
            break
    return lines("\n\n".join(found)).strip("\n"), room < 0


def _new_file(directory: Path, name: str) -> tuple[Path, int]:
    plain = safe_name(name)
    stem, dot, suffix = plain.rpartition(".")
    if not dot:
        stem, suffix = plain, ""
    for number in range(1, _SAME_NAME):
        target = directory / (plain if number == 1 else f"{stem} ({number}){dot}{suffix}")
        try:
            # EXCL also refuses a link that waits for us under that name.
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            return target, os.open(target, flags, 0o600)
        except FileExistsError:
            continue
    raise ArchiveError(f"{directory} holds too many files named {plain!r}; choose another directory")
