"""`python -m tests.chaos.table`: the same accidents for several fetchers, and what each has lost or got twice.

Rules: a server with some messages and a program with an empty home for each accident; in the first run something
happens, then honest runs follow until the server is empty and one more run has found nothing. Counted is what lies in
the Maildir then: a message that is neither there nor on the server is lost, each whole copy beyond the first is there
twice, a part of one is cut short; what the program leaves on the server for good is not fetched or not deleted.
A program is killed with its children, as a service manager does it, at a random moment between its login and its end.

The programs and their configurations are those of the torture suite, so every program deletes what it has delivered.
With --into FILE the table replaces what stands between `<!-- fetch-chaos: results -->` and `<!-- fetch-chaos: end -->`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pillarbox.testing.scripted import ScriptedServer, ScriptedServerError
from pillarbox.testing.torture.clients import Description, built_in
from pillarbox.testing.torture.post import arrived, body, messages, token

PROGRAMS = ("pillarbox fetch", "mpop", "fetchmail", "getmail6")
MESSAGES = 20
_LONGEST = 60.0  # seconds of a run
_RUNS = 6  # honest ones at most, until all is quiet
_POLL = 0.001
_MARKS = re.compile(r"(<!-- fetch-chaos: results -->\n).*?(<!-- fetch-chaos: end -->)", re.DOTALL)


@dataclass(slots=True)
class Count:
    """What came of accidents of one kind: how many there were, and after how many something was wrong."""

    accidents: int = 0
    lost: int = 0
    duplicates: int = 0
    cut_short: int = 0
    not_fetched: int = 0
    not_deleted: int = 0
    marred: int = 0

    def add(self, lost: int, duplicates: int, cut_short: int, not_fetched: int, not_deleted: int) -> None:
        """One accident more."""
        self.accidents += 1
        self.lost += lost
        self.duplicates += duplicates
        self.cut_short += cut_short
        self.not_fetched += not_fetched
        self.not_deleted += not_deleted
        self.marred += bool(lost or duplicates or cut_short or not_fetched or not_deleted)

    def __str__(self) -> str:
        wrong = [
            f"{count} {word}"
            for count, word in (
                (self.lost, "lost"),
                (self.duplicates, "twice"),
                (self.cut_short, "cut short"),
                (self.not_fetched, "not fetched"),
                (self.not_deleted, "not deleted"),
            )
            if count
        ]
        return f"{', '.join(wrong)} (in {self.marred} of {self.accidents})" if wrong else f"0 of {self.accidents}"


class Trial:
    """One program, one server, one home. A context manager."""

    def __init__(self, program: Description, count: int) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="fetch-chaos-"))
        self._maildir = self._home / "in"
        for part in ("", "tmp", "new", "cur"):
            (self._maildir / part).mkdir()
        self._expected = {number: (body(octets),) for number, octets in enumerate(messages(count), 1)}
        self.server = ScriptedServer(messages(count))
        values = {
            "host": "localhost",
            "port": str(self.server.port),
            "user": self.server.user,
            "password": self.server.password,
            "ca": str(self.server.ca),
            "maildir": str(self._maildir),
        }
        self._command = program.prepare(self._home, values, stls=False)

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *ended: object) -> None:
        self.server.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    def run(self, kill_after: float | None = None) -> float:
        """One run; killed so many seconds after its login. Returns the seconds from its login to its end."""
        before = len(self.server.logins)
        process = subprocess.Popen(
            self._command,
            cwd=self._home,
            env={**os.environ, "HOME": str(self._home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        end = time.monotonic() + _LONGEST
        while len(self.server.logins) == before and process.poll() is None and time.monotonic() < end:
            time.sleep(_POLL)
        login = time.monotonic()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LONGEST if kill_after is None else kill_after)
        seconds = time.monotonic() - login
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what it left behind, too
        process.wait()
        # Its connection may still be under way in the server, which then holds the maildrop.
        with contextlib.suppress(ScriptedServerError):
            self.server.wait_for_sessions(len(self.server.sessions), seconds=5)
        return seconds

    def finish(self, count: Count) -> None:
        """Honest runs until all is quiet; then count."""
        self.server.script()
        for _ in range(_RUNS):
            empty = not self.server.messages
            self.run()
            if empty:
                break
        found = arrived(self._maildir, self._expected)
        left = {token(each.octets) for each in self.server.messages}
        count.add(
            lost=len(self._expected.keys() - found.whole.keys() - left),
            duplicates=sum(number - 1 for number in found.whole.values()),
            cut_short=sum(found.damaged.values()) + found.strange,
            not_fetched=len(left - found.whole.keys()),
            not_deleted=len(left & found.whole.keys()),
        )


def _killed(program: Description, moments: random.Random, times: int) -> Count:
    with Trial(program, MESSAGES) as trial:
        trial.run()  # what is read from disk for the first time takes longer
    with Trial(program, MESSAGES) as trial:
        longest = trial.run()
    count = Count()
    for _ in range(times):
        with Trial(program, MESSAGES) as trial:
            trial.run(kill_after=moments.uniform(0, longest))
            trial.finish(count)
    return count


def _cut(program: Description, moments: random.Random, times: int) -> Count:
    with Trial(program, MESSAGES) as trial:
        trial.run()
        octets = sum(conversation.sent for conversation in trial.server.sessions)
    count = Count()
    for _ in range(times):
        with Trial(program, MESSAGES) as trial:
            trial.server.script(f"{moments.choice(('drop', 'reset'))} at octet {moments.randrange(1, octets)}")
            trial.run()
            trial.finish(count)
    return count


def _quit_lost(fault: str) -> Callable[[Description, random.Random, int], Count]:
    def accident(program: Description, moments: random.Random, times: int) -> Count:
        count = Count()
        for _ in range(max(1, times // 10)):
            with Trial(program, MESSAGES) as trial:
                trial.server.script(fault)
                trial.run()
                trial.finish(count)
        return count

    return accident


ACCIDENTS: dict[str, Callable[[Description, random.Random, int], Count]] = {
    "SIGKILL at a random moment": _killed,
    "connection cut at a random octet": _cut,
    "QUIT carried out, its reply lost": _quit_lost("drop at octet 0 of QUIT"),
    "QUIT lost, nothing carried out": _quit_lost("drop at QUIT"),
}


def _row(program: Description, times: int, seed: int) -> str:
    cells = [program.name]
    for name, accident in ACCIDENTS.items():
        count = accident(program, random.Random(seed), times)
        print(f"{program.name}: {name}: {count}", file=sys.stderr, flush=True)
        cells.append(str(count))
    return f"| {' | '.join(cells)} |"


def table(programs: Sequence[Description], times: int, seed: int) -> str:
    """Run all of it, the programs side by side; the table in Markdown."""
    lines = [f"| program | {' | '.join(ACCIDENTS)} |", f"|---|{'---|' * len(ACCIDENTS)}"]
    with ThreadPoolExecutor(len(programs)) as pool:
        lines += pool.map(lambda program: _row(program, times, seed), programs)
    versions = "; ".join(f"{program.name}: {program.told_version()}" for program in programs)
    return "\n".join([*lines, "", f"{MESSAGES} messages each; seed {seed}. {versions}.", ""])


def main(arguments: Sequence[str]) -> int:
    """Print the table, or write it into a page."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.table", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("programs", nargs="*", default=PROGRAMS, help=f"of {', '.join(PROGRAMS)}")
    parser.add_argument("--times", type=int, default=50, help="accidents of each kind; a tenth of it around QUIT")
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--into", type=Path, help="the page")
    options = parser.parse_args(arguments)
    known = built_in()
    text = table([known[name] for name in options.programs if known[name].available()], options.times, options.seed)
    if options.into:
        page = options.into.read_text(encoding="utf-8")
        options.into.write_text(_MARKS.sub(lambda marks: marks[1] + text + marks[2], page), encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
