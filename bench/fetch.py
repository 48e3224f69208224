"""`python -m bench fetch`: how long fetchers take for the same mail, from start to exit, side by side.

What is timed is the whole program by the clock, its start included, as a user waits for it: by CPU alone, waiting for
the disk and for the line would count nothing. So the rounds are interleaved, each begins with another program, and the
figure is the ratio to ours within a round. Every run begins with an empty Maildir and nothing remembered, the server
is warm, and all messages must be there in the end.

    loopback    3,000 messages, 36 MB, from Dovecot and from Pillarbox
    delay       200 messages through a round trip of 50 ms
    memory      the highest resident memory for one message of 1 MB, and for one of 200 MB
    accounts    50 accounts of 20 messages each, in one process (ours alone)
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.corpus import SEED, Owner, Writer, maildrop_sizes, make_maildrop, user_name
from bench.delay import Delay
from bench.fetch_programs import FETCHERS, Fetcher, Task
from bench.load import PASSWORD
from bench.method import compare, sample
from bench.process import Running, ServerError
from bench.servers import Certificate, Dovecot, Kit, Pillarbox

__all__ = ["main"]

MESSAGES = 3_000
MEAN = 12_000  # octets: 36 MB together
FEW = 200
ROUND_TRIP = 0.050
ACCOUNTS, EACH = 50, 20
_MIB = 1 << 20
_LONGEST = 300.0  # seconds of one run
_PARTS = ("loopback", "delay", "memory", "accounts")
_PEAK = re.compile(rb"VmHWM:\s*(\d+) kB")
_LARGE_DROPS = {"large1": 1 * _MIB, "large200": 200 * _MIB}


@dataclass(frozen=True, slots=True)
class Ran:
    """One run: seconds by the clock, and of CPU; octets of resident memory at most, where it was watched."""

    seconds: float
    cpu: float
    memory: int = 0


class FetchError(Exception):
    """A fetcher did not bring what it should; the text holds what it said."""


def run(fetcher: Fetcher, task: Task, messages: int, *, watched: bool = False) -> Ran:
    """Run one fetcher in its empty directory; `watched` looks at its memory now and then, which costs some time.

    Raises:
        FetchError: it failed, or not all is there.
    """
    task.directory.mkdir(mode=0o755)
    for part in ("", "tmp", "new", "cur"):
        (task.maildir / part).mkdir()
    command = fetcher.prepare(task)
    identity = fetcher.hand_over(task)
    os.sync()  # what was written before is not this one's to wait for
    with open(task.directory / "said", "wb") as said:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env=fetcher.environment(task),
            cwd=task.directory,
            **identity,  # type: ignore[call-overload] # user and group
        )
        memory = _peak(process.pid) if watched else 0
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
    there = fetcher.delivered(task)
    if process.returncode or there != messages:
        text = (task.directory / "said").read_text(errors="replace")[-2000:]
        raise FetchError(f"{fetcher.name} ended with {process.returncode}, {there} of {messages} messages: {text}")
    return Ran(seconds, usage.ru_utime + usage.ru_stime, memory)


def _peak(pid: int) -> int:
    """Wait until a child has ended, and say what its memory rose to.

    Not ru_maxrss: that begins with what the parent had when it forked.
    """
    peak = 0
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        found = _PEAK.search(Path(f"/proc/{pid}/status").read_bytes())
        peak = int(found[1]) * 1024 if found else peak  # an ended process has none
        time.sleep(0.005)
    return peak


def race(
    fetchers: Sequence[Fetcher], task: Task, messages: int, rounds: int, *, watched: bool = False
) -> dict[str, list[Ran]]:
    """Interleaved runs, by name.

    What they fetched stays until the end: ext4 makes no file where another was removed in the last minutes, and looks
    long for another place; that would be measured as the next fetcher's time.
    """
    results: dict[str, list[Ran]] = {fetcher.name: [] for fetcher in fetchers}
    for turn in range(rounds):
        shift = turn % len(fetchers)
        for fetcher in (*fetchers[shift:], *fetchers[:shift]):
            place = task.directory / f"{turn}-{fetcher.name.replace(', ', '-')}"
            ran = run(fetcher, replace(task, directory=place), messages, watched=watched)
            results[fetcher.name].append(ran)
            _say(f"  {fetcher.name}: {ran.seconds:.2f} s, {ran.cpu:.2f} s of CPU")
    return results


def table(results: Mapping[str, Sequence[Ran]]) -> str:
    """Markdown: medians, and the ratio of each to ours within a round."""
    ours = [ran.seconds for ran in next(iter(results.values()))]
    lines = ["| fetcher | seconds | quartiles | ÷ ours | CPU s |", "|---|---:|---:|---:|---:|"]
    for name, runs in results.items():
        seconds = sample([ran.seconds for ran in runs])
        ratio = compare([ran.seconds for ran in runs], ours)
        cpu = sample([ran.cpu for ran in runs]).median
        shown = f"{seconds.median:.2f} | {seconds.low:.2f}–{seconds.high:.2f} | {ratio.median:.2f} | {cpu:.2f}"
        lines.append(f"| {name} | {shown} |")
    return "\n".join(lines)


# ---- the mail -------------------------------------------------------------------------------------------------------


def _sizes(count: int) -> list[int]:
    """The benchmark's distribution of sizes with another mean."""
    sizes = maildrop_sizes(count)
    scale = MEAN * count / sum(sizes)
    return [max(600, round(size * scale)) for size in sizes]


def fill(maildrop: Path, owner: Owner, sizes: Sequence[int]) -> int:
    """Write messages of these sizes into a new maildrop. Returns their octets."""
    writer = Writer(SEED)
    with owner.acting():
        make_maildrop(maildrop)
        for number, octets in enumerate(writer.order(list(sizes))):
            (maildrop / "cur" / f"{1_750_000_000 + number}.M{number}P1.mail:2,").write_bytes(
                writer.message(number, octets)
            )
    return sum(sizes)


def _maildrops(parts: Sequence[str]) -> dict[str, list[int]]:
    drops = {}
    if "loopback" in parts:
        drops[user_name(0)] = _sizes(MESSAGES)
    if "delay" in parts:
        drops[user_name(1)] = _sizes(FEW)
    if "memory" in parts:
        drops |= {f"{name}@example.com": [octets] for name, octets in _LARGE_DROPS.items()}
    if "accounts" in parts:
        drops |= {user_name(number, "a"): _sizes(EACH) for number in range(ACCOUNTS)}
    return drops


# ---- the parts ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Scene:
    kit: Kit
    directory: Path
    certificate: Path
    fetchers: Sequence[Fetcher]
    rounds: int

    def task(self, user: str, port: int = 0) -> Task:
        place = Path(tempfile.mkdtemp(dir=self.directory))
        place.chmod(0o755)
        return Task(port or self.kit.tls_port, user, PASSWORD, self.certificate, place)


def _loopback(scene: _Scene) -> str:
    run(scene.fetchers[0], replace(task := scene.task(user_name(0)), directory=task.directory / "warm"), MESSAGES)
    results = race(scene.fetchers, scene.task(user_name(0)), MESSAGES, scene.rounds)
    return f"\n### {MESSAGES:,} messages, 36 MB, from {scene.kit.name}\n\n{table(results)}\n"


def _delay(scene: _Scene) -> str:
    with Delay(scene.kit.tls_port, ROUND_TRIP) as way:
        results = race(scene.fetchers, scene.task(user_name(1), way.port), FEW, max(1, scene.rounds // 2))
    return f"\n### {FEW} messages from {scene.kit.name} through a round trip of 50 ms\n\n{table(results)}\n"


def _memory(scene: _Scene) -> str:
    lines = [f"\n### Memory for one message, from {scene.kit.name}\n", "| fetcher | 1 MB | 200 MB |", "|---|---:|---:|"]
    for fetcher in scene.fetchers:
        peaks = []
        for name in _LARGE_DROPS:
            task = scene.task(f"{name}@example.com")
            ran = run(fetcher, replace(task, directory=task.directory / "run"), 1, watched=True)
            _say(f"  {fetcher.name}, {name}: {ran.memory / _MIB:.0f} MiB, {ran.seconds:.2f} s")
            peaks.append(f"{ran.memory / _MIB:.0f} MiB")
        lines.append(f"| {fetcher.name} | {' | '.join(peaks)} |")
    return "\n".join(lines) + "\n"


def _accounts(scene: _Scene) -> str:
    def prepare(task: Task) -> list[str]:
        path = task.file("fetch.toml", "")
        task.file("password", task.password)
        tables = [f'[fetch]\nstate = "{task.directory}/state"\nparallel = {ACCOUNTS}\nper_host = {ACCOUNTS}\n']
        tables += [
            f'[account.a{number}]\nurl = "pops://localhost:{task.port}"\nuser = "{user_name(number, "a")}"\n'
            f'password_file = "{task.directory}/password"\ntls.ca_file = "{task.certificate}"\n'
            f'deliver.to = "maildir"\ndeliver.path = "{task.directory}/in/{number}"\n'
            for number in range(ACCOUNTS)
        ]
        path.write_text("\n".join(tables))
        return [scene.fetchers[0].program, "fetch", "run", "--once", "--quiet", "--config", str(path)]

    def delivered(task: Task) -> int:
        return sum(1 for _ in task.maildir.glob("*/new/*"))

    many = replace(scene.fetchers[0], prepare=prepare, delivered=delivered)
    with Delay(scene.kit.tls_port, ROUND_TRIP) as way:
        far = race([many], scene.task("", way.port), ACCOUNTS * EACH, max(1, scene.rounds // 2), watched=True)
    near = race([many], scene.task(""), ACCOUNTS * EACH, max(1, scene.rounds // 2), watched=True)
    lines = [f"{where}: {_told(runs)}" for where, runs in (("loopback", near), ("50 ms", far))]
    return f"\n### {ACCOUNTS} accounts of {EACH} messages in one process, from {scene.kit.name}\n\n" + "\n".join(lines)


def _told(results: Mapping[str, Sequence[Ran]]) -> str:
    runs = next(iter(results.values()))
    seconds = sample([ran.seconds for ran in runs])
    return f"{seconds.median:.2f} s, {max(ran.memory for ran in runs) / _MIB:.0f} MiB"


_WORK = {"loopback": _loopback, "delay": _delay, "memory": _memory, "accounts": _accounts}


# ---- the command ----------------------------------------------------------------------------------------------------


class _PlainPillarbox(Pillarbox):
    """Offers what the Dovecot here offers.

    With SCRAM, which an account's own password cannot serve, ours would be refused once in each session and wait out
    the second of a refused login; theirs are told not to try.
    """

    def configure(self, workers: int) -> Sequence[str]:
        """As for the other benchmarks, with one line more."""
        command = super().configure(workers)
        file = Path(command[-1])
        file.write_text(f'{file.read_text()}\n[auth]\nmechanisms = ["PLAIN", "LOGIN"]\n')
        return command


@contextlib.contextmanager
def _running(kit: Kit) -> Iterator[None]:
    cores = sorted(os.sched_getaffinity(0))
    with Running(kit.name, kit.configure(1), cores, kit.tls_port, kit.log, greets=False):
        yield


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark; 2 when something could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench fetch", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default=",".join(_PARTS), help=f"some of {','.join(_PARTS)}")
    parser.add_argument("--servers", default="dovecot,pillarbox")
    parser.add_argument("--fetchers", help="only those whose names begin so, behind commas; ours is always among them")
    parser.add_argument("--directory", type=Path, help="where to put some GB of mail: on a real disk, or fsync is free")
    options = parser.parse_args(arguments)
    parts = [part for part in _PARTS if part in options.only.split(",")]
    wanted = tuple(options.fetchers.split(",")) if options.fetchers else ("",)
    fetchers = [each for each in FETCHERS if each.here and (each.ours or each.name.startswith(wanted))]
    directory = Path(tempfile.mkdtemp(prefix="pillarbox-bench-", dir=options.directory))
    directory.chmod(0o755)
    try:
        certificate = Certificate.create(directory)
        drops = _maildrops(parts)
        for name, kind in (("dovecot", Dovecot), ("pillarbox", _PlainPillarbox)):
            if name not in options.servers.split(","):
                continue
            kit: Kit = kind(name.title(), directory / name, list(drops), certificate)
            octets = sum(fill(kit.mail / user, kit.owner, sizes) for user, sizes in drops.items())
            _say(f"{kit.name}: {octets / 1e6:.0f} MB of mail")
            with _running(kit):
                scene = _Scene(kit, directory, certificate.chain, fetchers, options.rounds)
                for part in parts:
                    print(_WORK[part](scene), flush=True)
    except (FetchError, ServerError) as error:
        _say(f"bench: {error}")
        return 2
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    _say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
