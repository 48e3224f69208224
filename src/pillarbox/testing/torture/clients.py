"""Client programs for the torture suite: how each is configured and started, as data.

Rules: a description is a TOML table with a command and files; {host}, {port}, {user}, {password}, {ca}, {home},
{maildir} and {python} stand for themselves in both, and so does whatever `implicit` or `stls` define. Every client is
given the safety options it has: TLS verified, a time-out of `TIMEOUT` seconds.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)+")

TIMEOUT = 5
"""Seconds without an answer after which a client should give up: what {timeout} stands for."""


class ClientError(Exception):
    """A description of a client that cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Description:
    """A client program.

    Attributes:
        name: what the report calls it.
        command: the program and its arguments.
        files: configuration files, by their name in {home}.
        modes: what "implicit" and "stls" define; a mode that is missing cannot be tested.
        delivers: whether it delivers into a Maildir and deletes; one that does not is only watched.
        own: whether failures may be told in every detail.
        version: a command that prints the version.
        note: what a reader has to know.
    """

    name: str
    command: tuple[str, ...]
    files: Mapping[str, str]
    modes: Mapping[str, Mapping[str, str]]
    delivers: bool = True
    own: bool = False
    version: tuple[str, ...] = ()
    note: str = ""

    def available(self) -> bool:
        """Whether the program is here."""
        program = self.command[0]
        return program == "{python}" or shutil.which(program) is not None

    def told_version(self) -> str:
        """The first version number it prints, or ""."""
        if not self.version:
            return ""
        command = [sys.executable if word == "{python}" else word for word in self.version]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        found = _VERSION.search(done.stdout + done.stderr)
        return found[0] if found is not None else ""

    def prepare(self, home: Path, values: Mapping[str, str], *, stls: bool) -> list[str]:
        """Write its files; return the command.

        Raises:
            ClientError: it cannot do that mode.
        """
        mode = "stls" if stls else "implicit"
        if mode not in self.modes:
            raise ClientError(f"{self.name} cannot do {mode}")
        # What a mode defines comes first: it may itself name a host or a port.
        known = {**self.modes[mode], "timeout": str(TIMEOUT), "python": sys.executable, "home": str(home), **values}
        for name, text in self.files.items():
            path = home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(0o600)
            path.write_text(_filled(text, known), encoding="utf-8")
        return [_filled(word, known) for word in self.command]


def _filled(text: str, values: Mapping[str, str]) -> str:
    # Not str.format: configuration files have braces of their own.
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


def built_in() -> dict[str, Description]:
    """The clients that are described here already."""
    return read(resources.files(__package__).joinpath("clients.toml").read_text(encoding="utf-8"))


def read(text: str) -> dict[str, Description]:
    """Descriptions from TOML, by name.

    Raises:
        ClientError: it is no TOML, or lacks what is needed.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ClientError(f"not TOML: {error}") from None
    found = {}
    for name, table in tables.items():
        match table:
            case {"command": [str(), *_] as command, "modes": dict(modes)} if modes.keys() <= {"implicit", "stls"}:
                found[name] = Description(
                    name=name,
                    command=tuple(map(str, command)),
                    files={str(key): str(value) for key, value in table.get("files", {}).items()},
                    modes={mode: {str(k): str(v) for k, v in values.items()} for mode, values in modes.items()},
                    delivers=bool(table.get("delivers", True)),
                    own=bool(table.get("own", False)),
                    version=tuple(map(str, table.get("version", ()))),
                    note=str(table.get("note", "")),
                )
            case _:
                raise ClientError(f"[{name}] needs a command (a list of words) and modes.implicit or modes.stls")
    return found
