"""A fetcher that is killed at every step and at random moments, on connections that break at every reply and octet.

What must hold in the end, for Maildir, mbox and archive: no message lost, none there twice; and the server has deleted
what it was told to, and nothing before it was safe. Run at full length with PILLARBOX_CHAOS=full (SIGKILL at every
occurrence of every step, 200 random moments, a cut at each of the first 2,000 octets).
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chaos.fetching import DESTINATIONS, KILLED, End, Fetch, Fetchers, fetch
from tests.fetch.accounts import LARGE, fetched, mail

from pillarbox.archive.archive import Archive
from pillarbox.fetch.settings import Step
from pillarbox.testing.scripted import ScriptedServer

FULL = os.environ.get("PILLARBOX_CHAOS") == "full"
MAIL = [*(mail(number) for number in range(1, 12)), mail(12, LARGE)]
RANDOM_KILLS = 200 if FULL else 12
SEED = 4

_QUIET = 6
"""Runs until nothing may be left to do."""

_ID = re.compile(rb"^Message-ID: <(\d+)@example\.org>\r?$", re.MULTILINE)

STEPS = [step for step in Step if step is not Step.QUARANTINED]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fetchers() -> Iterator[Fetchers]:
    with Fetchers() as running:
        yield running


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory where there is such a place: to a killed process it is like a disk, and fsync is free."""
    memory = Path("/dev/shm")
    directory = tempfile.mkdtemp(prefix="pillarbox-chaos-", dir=memory if os.access(memory, os.W_OK) else None)
    yield Path(directory)
    shutil.rmtree(directory)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(MAIL, tls="none") as running:
        yield running


def ours(server: ScriptedServer, directory: Path, destination: str = "maildir", **more: object) -> Fetch:
    return Fetch(server.url, server.password, str(directory), destination, **more)  # type: ignore[arg-type] # by name


def there(destination: str, directory: Path) -> Counter[int]:
    """The messages in a destination, by number, with how often; octets are compared, but in an mbox."""
    if destination == "maildir":
        got = fetched(directory)
        assert set(got) <= set(MAIL), "octets differ"
        return Counter({MAIL.index(octets) + 1: count for octets, count in got.items()})
    if destination == "mbox":
        mbox = directory / "in.mbox"
        return Counter(int(number) for number in _ID.findall(mbox.read_bytes() if mbox.exists() else b""))
    if not (directory / "archive").exists():
        return Counter()
    with Archive.open(directory / "archive") as archive:
        digests = [hashlib.sha256(octets).digest() for octets in MAIL]
        kept = [archive.path(digest).read_bytes() for digest in digests if archive.contains(digest)]
    return Counter(MAIL.index(octets) + 1 for octets in kept)


def safe(server: ScriptedServer, destination: str, directory: Path) -> None:
    """At this very moment: whatever the server has deleted is in the destination."""
    left = {shelved.octets for shelved in server.messages}
    gone = {number for number, octets in enumerate(MAIL, 1) if octets not in left}
    if gone:
        assert gone <= set(there(destination, directory)), "lost"


def finish(fetchers: Fetchers, server: ScriptedServer, what: Fetch) -> None:
    """Run until all is quiet, then compare."""
    directory = Path(what.directory)
    server.script()
    clean = ours(server, directory, what.destination, delete=what.delete)
    for _ in range(_QUIET):
        end = fetchers.run(clean)
        assert end.status == 0, end
        if not end.error and bool(server.messages) != what.delete:
            break
    assert not end.error, end
    assert there(what.destination, directory) == Counter(range(1, len(MAIL) + 1))
    assert bool(server.messages) != what.delete
    assert not [path for path in directory.rglob("pillarbox.*") if path.is_file()], "part files are left"


def occurrences(step: Step) -> range:
    """Which occurrences of a step to die at. With batches of 4, each step of a batch occurs 3 times."""
    if step is Step.RECEIVED:
        return range(1, len(MAIL) + 1, 1 if FULL else 5)
    if step in (Step.DURABLE, Step.STAGED, Step.HANDED_ON, Step.DELIVERED, Step.CLEARED):
        return range(1, 4) if FULL else range(2, 3)
    return range(1, 2)


@pytest.mark.parametrize("destination", DESTINATIONS)
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_killed_at_every_step(
    fetchers: Fetchers, server: ScriptedServer, tmp_path: Path, destination: str, step: Step
) -> None:
    for nth in occurrences(step):
        directory = tmp_path / str(nth)
        directory.mkdir()
        what = ours(server, directory, destination, step=step.value, nth=nth)
        end = fetchers.run(what)
        assert end.status == KILLED, end
        safe(server, destination, directory)
        finish(fetchers, server, what)
        server.add(*MAIL)


@pytest.mark.parametrize("step", [Step.STAGED, Step.HANDED_ON, Step.DELIVERED], ids=lambda step: step.name)
def test_killed_again_and_again_at_the_same_step(
    fetchers: Fetchers, server: ScriptedServer, tmp_path: Path, step: Step
) -> None:
    what = ours(server, tmp_path, step=step.value)
    while (end := fetchers.run(what)).status == KILLED:
        safe(server, "maildir", tmp_path)
    assert not end.error
    finish(fetchers, server, what)


@pytest.mark.parametrize("step", [Step.STAGED, Step.HANDED_ON, Step.DELIVERED], ids=lambda step: step.name)
def test_killed_where_mail_is_kept(fetchers: Fetchers, server: ScriptedServer, tmp_path: Path, step: Step) -> None:
    what = ours(server, tmp_path, step=step.value, nth=2, delete=False)
    assert fetchers.run(what).status == KILLED
    finish(fetchers, server, what)
    fetchers.run(what)
    assert there("maildir", tmp_path) == Counter(range(1, len(MAIL) + 1))


def test_a_mail_program_moves_messages_before_the_next_run(
    fetchers: Fetchers, server: ScriptedServer, tmp_path: Path
) -> None:
    what = ours(server, tmp_path, step=Step.HANDED_ON.value, nth=1)
    assert fetchers.run(what).status == KILLED
    maildir = tmp_path / "in"
    (maildir / ".Read" / "cur").mkdir(parents=True)
    first, second, *_ = sorted((maildir / "new").iterdir())
    first.rename(maildir / "cur" / f"{first.name}:2,FS")
    moved = second.rename(maildir / ".Read" / "cur" / f"{second.name}:2,S")
    fetchers.run(ours(server, tmp_path))
    moved.rename(maildir / "cur" / moved.name)
    finish(fetchers, server, what)


@pytest.mark.parametrize("destination", DESTINATIONS)
def test_killed_at_random_moments(fetchers: Fetchers, server: ScriptedServer, tmp_path: Path, destination: str) -> None:
    moments = random.Random(SEED)
    (tmp_path / "timed").mkdir()
    longest = fetchers.run(ours(server, tmp_path / "timed", destination)).took
    killed = 0
    for number in range(RANDOM_KILLS):
        server.add(*MAIL)
        directory = tmp_path / str(number)
        directory.mkdir()
        what = ours(server, directory, destination, seconds=moments.uniform(0, longest * 1.1), commit_messages=5)
        while fetchers.run(what).status == KILLED and killed < 3 * RANDOM_KILLS:
            killed += 1
            safe(server, destination, directory)
            if moments.random() < 0.5:
                break
        finish(fetchers, server, what)
    assert killed >= RANDOM_KILLS // 3


def replies(server: ScriptedServer, directory: Path) -> int:
    """How many commands a whole run says."""
    directory.mkdir()
    assert not fetch(ours(server, directory))
    count = server.transcript.count("\nC: ")
    server.add(*MAIL)
    return count


@pytest.mark.parametrize(
    "when", ["drop at command {}", "drop at octet 0 of command {}", "reset at octet 9 of command {}"]
)
def test_cut_at_every_reply(fetchers: Fetchers, server: ScriptedServer, tmp_path: Path, when: str) -> None:
    """Before the command is carried out, after it with no reply, and within the reply."""
    for command in range(1, replies(server, tmp_path / "whole") + 1, 1 if FULL else 3):
        directory = tmp_path / str(command)
        directory.mkdir()
        server.script(when.format(command))
        what = ours(server, directory)
        fetch(what)
        safe(server, "maildir", directory)
        finish(fetchers, server, what)
        server.add(*MAIL)


def test_cut_at_octets(fetchers: Fetchers, server: ScriptedServer, tmp_path: Path) -> None:
    points = random.Random(SEED)
    octets = range(1, 2001) if FULL else [points.randrange(1, 6000) for _ in range(20)]
    for octet in octets:
        directory = tmp_path / str(octet)
        directory.mkdir(exist_ok=True)
        server.script(f"{points.choice(('drop', 'fin', 'reset'))} at octet {octet}")
        what = ours(server, directory)
        fetch(what)
        safe(server, "maildir", directory)
        finish(fetchers, server, what)
        server.add(*MAIL)


@pytest.mark.parametrize("destination", DESTINATIONS)
@pytest.mark.parametrize("commits", [True, False])
def test_the_answer_to_quit_is_lost(
    fetchers: Fetchers, server: ScriptedServer, tmp_path: Path, destination: str, commits: bool
) -> None:
    server.script("drop at octet 0 of QUIT" if commits else "drop at QUIT")
    what = ours(server, tmp_path, destination)
    end: End = fetchers.run(what)
    assert end.status == 0
    assert bool(server.messages) != commits
    before = len(server.retrieved)
    finish(fetchers, server, what)
    assert len(server.retrieved) == before
