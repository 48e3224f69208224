"""`python -m bench enumeration`: can anybody tell from a refused log-in why it was refused?

A real server, with the delays and hashes it is installed with, refuses thousands of log-ins of every kind, in random
order and from as many addresses. Every octet it says must be the same for all kinds; the times of its answers are
compared in every pair. Dovecot does the same for the kinds it has. How to read it: docs/guard.md, "Enumeration".
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

import msgspec

from bench.enumeration_servers import BLOCKED, KINDS, OURS_ONLY, Household, dovecot, pillarbox
from bench.probe import Answer, Trial, run
from bench.ranks import Area, pairs, spread, worst

__all__ = ["main"]

TICK = 0.01  # pillarbox.auth.departures.TICK: what an attacker who knows the server's clock would subtract
WAYS = ("USER/PASS", "PLAIN")
GOAL = (0.48, 0.52)

_GUESSES = 60  # more than `guard.guesses_per_account`


def main(arguments: Sequence[str]) -> int:
    """Measure and print. Returns 0 when all replies were the same and every pair is within the goal."""
    options = _options(arguments)
    chance = random.Random(options.seed)
    reports = []
    for name in options.servers.split(","):
        kinds = [kind for kind in KINDS if name == "pillarbox" or kind not in OURS_ONLY]
        with (pillarbox if name == "pillarbox" else dovecot)(kinds, options.accounts) as household:
            _exhaust(household, chance)
            for load in options.loads.split(","):
                trials = _trials(household, kinds, options.trials, chance)
                rate = options.rate if load == "idle" else options.rate / 2
                starts = sorted(chance.uniform(0, len(trials) / rate) for _ in trials)
                with _busy(load == "busy"):
                    answers = run(household.port, trials, starts)
                reports.append(_report(name, load, answers, household))
                print(reports[-1].text, flush=True)
    if options.into is not None:
        options.into.write_bytes(
            msgspec.json.format(msgspec.json.encode([report.data for report in reports]), indent=2)
        )
    return 0 if all(report.passed for report in reports if report.data["server"] == "pillarbox") else 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench enumeration", description=__doc__.partition("\n")[0])
    parser.add_argument("--servers", default="pillarbox,dovecot", help="which, with commas between")
    parser.add_argument("--loads", default="idle,busy", help="idle, or busy: something else wants every core")
    parser.add_argument("--trials", type=int, default=1500, help="of each kind (1500)")
    parser.add_argument("--rate", type=float, default=40.0, help="log-ins a second (40; half of it when busy)")
    parser.add_argument("--accounts", type=int, default=100, help="of each kind, so that none is guessed at too often")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--into", type=Path, help="write the figures to this file, as JSON")
    return parser.parse_args(arguments)


# ---- trials ---------------------------------------------------------------------------------------------------------


def _addresses() -> Iterator[str]:
    """Each from a /24 of its own: what one trial does is nothing to the next."""
    for number in range(1 << 16):
        yield f"127.{1 + number // 256 % 250}.{number % 256}.{7 + number // 64_000}"


_UNUSED = _addresses()


def _guess(chance: random.Random) -> bytes:
    return b"guess-%012x" % chance.getrandbits(48)


def _trials(household: Household, kinds: Sequence[str], count: int, chance: random.Random) -> list[Trial]:
    found = []
    for kind in kinds:
        accounts = cycle(household.names[kind])
        for number in range(count):
            name = next(accounts)
            secret = household.secrets.get((kind, name))
            found.append((kind, WAYS[number % 2], name.encode(), _guess(chance) if secret is None else secret))
    chance.shuffle(found)
    return [Trial(*one, next(_UNUSED)) for one in found]


def _exhaust(household: Household, chance: random.Random) -> None:
    """Guess at the accounts that are to be blocked until they are."""
    names = household.names.get(BLOCKED, [])
    trials = [
        Trial(BLOCKED, "PLAIN", name.encode(), _guess(chance), next(_UNUSED)) for name in names for _ in range(_GUESSES)
    ]
    run(household.port, trials, [number / 30 for number in range(len(trials))])


@contextmanager
def _busy(wanted: bool) -> Iterator[None]:
    """Something else wants every core while the block runs."""
    count = os.cpu_count() or 1 if wanted else 0
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


# ---- the report -----------------------------------------------------------------------------------------------------


class _Report(msgspec.Struct, frozen=True):
    text: str
    passed: bool
    data: dict[str, object]


def _views(answers: Sequence[Answer], name: str) -> dict[str, dict[str, list[float]]]:
    """What an observer may look at: for each view, the values of each kind."""
    seconds: dict[str, list[float]] = defaultdict(list)
    late: dict[str, list[float]] = defaultdict(list)
    for answer in answers:
        seconds[answer.trial.kind].append(answer.seconds)
        late[answer.trial.kind].append((answer.sent + answer.seconds) % TICK)
    views = {"time": dict(seconds), "regularity": spread(seconds)}
    return {**views, "lateness": dict(late)} if name == "pillarbox" else views


def _report(name: str, load: str, answers: Sequence[Answer], household: Household) -> _Report:
    said: dict[str, set[bytes]] = defaultdict(set)
    later: Counter[str] = Counter()  # nobody could tell: the hashing was busy for seconds
    for answer in answers:
        if b"[SYS/TEMP]" in answer.said:
            later[answer.trial.kind] += 1
        else:
            said[answer.trial.way].add(answer.said)
    same = all(len(texts) == 1 for texts in said.values())
    lines = [f"{name}, {load}: {len(answers)} log-ins, replies {'byte-identical' if same else 'DIFFER'}"]
    if later:
        lines.append(f"  told to come later: {dict(later)}")
    if not same:
        lines += [f"  {way}: {sorted(texts)}" for way, texts in said.items()]
    lines += [f"  reasons {kind}: {dict(counts)}" for kind, counts in household.reasons(answers).items()]
    data: dict[str, object] = {"server": name, "load": load, "log_ins": len(answers), "identical": same}
    passed = same
    for view, samples in _views(answers, name).items():
        areas = pairs(samples)
        (one, other), most = worst(areas)
        inside = sum(GOAL[0] <= found.value <= GOAL[1] for found in areas.values())
        verdict = f"{inside} of {len(areas)} pairs within {GOAL[0]} to {GOAL[1]}"
        lines.append(f"  {view}: {verdict}; worst {one} / {other} {_shown(most)}")
        data[view] = {
            "inside": inside,
            "worst": [one, other, most.value, most.low, most.high],
            "pairs": [[*pair, found.value, found.low, found.high] for pair, found in areas.items()],
        }
        passed = passed and inside == len(areas)
    lines += [f"  {kind:24} {_times(samples)}" for kind, samples in _views(answers, name)["time"].items()]
    return _Report("\n".join(lines), passed, data)


def _shown(found: Area) -> str:
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _times(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    marks: Mapping[str, float] = {"p1": 0.01, "median": 0.5, "p99": 0.99}
    shown = (f"{mark} {ordered[int(share * (len(ordered) - 1))] * 1e3:9.3f} ms" for mark, share in marks.items())
    return "  ".join(shown) + f"  ({len(ordered)})"
