"""`python -m bench`: the command line, the order of events, and cleaning up in every case.

Exit status: 0 when every row asked for was measured, met or missed (with --self-test: when all came out near 1);
1 when one was not; 2 when nothing could be measured. `enumeration` and `flood` as first argument are measurements of
their own, with options of their own.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from bench import enumeration, fetch, flood
from bench.corpus import fill_small, user_name
from bench.load import LoadError, build
from bench.method import RowResult, Verdict
from bench.process import ServerError
from bench.report import machine, render, save
from bench.rows import GROUPS, LARGE_PREFIXES, Bench, Plan, row_keys
from bench.servers import Certificate, Dovecot, Kit, Pillarbox
from pillarbox.testing.live import LiveServerError

_FULL = Plan(rounds=15, users=100, large=100_000, repeats=3, long_slice=2.0)
_QUICK = Plan(rounds=3, users=20, large=10_000, repeats=1, long_slice=0.5)
_LONGEST = 900  # seconds after which a run gives up, whatever hangs
_RESULTS = Path(__file__).with_name("results")


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Compare this server with Dovecot.")
    parser.add_argument("--quick", action="store_true", help="a minute: fewer rounds, 20 users, 10,000 messages")
    parser.add_argument("--rounds", type=int, help="rounds of a row (15; with --quick 3)")
    parser.add_argument("--only", metavar="ROW,...", help=f"measure these rows: {', '.join(row_keys())}")
    parser.add_argument("--self-test", action="store_true", help="Dovecot against Dovecot: every ratio must be near 1")
    parser.add_argument("--directory", type=Path, help="where to put 2 GB of temporary mail (the system's default)")
    options = parser.parse_args(arguments)
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds must be at least 1")
    unknown = set(options.only.split(",")) - set(row_keys()) if options.only else set()
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(row_keys())}")
    return options


def _plan(options: argparse.Namespace) -> Plan:
    base = _QUICK if options.quick else _FULL
    return replace(base, rounds=options.rounds or base.rounds)


def _prepare(options: argparse.Namespace, plan: Plan, directory: Path) -> Bench:
    """Write certificate, mail and accounts.

    Raises:
        LoadError: the load generator cannot be built.
        ServerError: a server is missing, or refuses its accounts.
    """
    if shutil.which("dovecot") is None:
        raise ServerError("Dovecot is not installed: apt install dovecot-pop3d")
    build()
    # The directories above a maildrop must be open to the servers' users.
    directory.chmod(0o711)
    certificate = Certificate.create(directory)
    small = [user_name(number) for number in range(plan.users)]
    users = [*small, *(user_name(0, prefix) for prefix in LARGE_PREFIXES)]
    peer = Dovecot("Dovecot", directory / "peer", users, certificate)
    ours: Kit
    if options.self_test:
        ours = Dovecot("Dovecot-2", directory / "ours", users, certificate)
    else:
        ours = Pillarbox("Pillarbox", directory / "ours", users, certificate)
    for kit in (ours, peer):
        octets = fill_small(kit.mail, kit.owner, plan.users, plan.messages)
    os.sync()  # or the disk is still busy with all this while the first rows are measured
    _say(f"{plan.users} users with {plan.messages} messages each, {octets / 1e6:.0f} MB for each server")
    only = frozenset(options.only.split(",") if options.only else row_keys())
    cores = sorted(os.sched_getaffinity(0))
    return Bench(plan, ours, peer, directory, certificate, only, cores, options.self_test)


def _measure(bench: Bench) -> list[RowResult]:
    results = []
    for group in GROUPS:
        for result in group.run(bench):
            figure = f"{result.figure.median:.3f} {result.verdict.value}" if result.figure else result.failed
            _say(f"{result.title}: {figure}")
            results.append(result)
    return results


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _stop(number: int, frame: FrameType | None) -> None:
    if number == signal.SIGALRM:
        raise ServerError(f"not finished after {_LONGEST} s: gave up")
    raise KeyboardInterrupt


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark and return the exit status."""
    options = _options(arguments)
    plan = _plan(options)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, _stop)
    signal.alarm(_LONGEST)
    directory = Path(tempfile.mkdtemp(prefix="pillarbox-bench-", dir=options.directory))
    try:
        bench = _prepare(options, plan, directory)
        results = _measure(bench)
    except (LoadError, ServerError) as error:
        _say(f"bench: {error}")
        return 2
    except KeyboardInterrupt:
        _say("bench: interrupted")
        return 130
    finally:
        signal.alarm(0)
        shutil.rmtree(directory, ignore_errors=True)
    facts = {
        **machine(),
        "cpu": bench.cpu_source,
        "rounds": str(plan.rounds),
        "users": str(plan.users),
        "messages": str(plan.messages),
        "large": str(plan.large),
    }
    text = render(results, facts, bench.ours.name, bench.peer.name)
    if not (options.self_test or options.quick or options.only):
        save(_RESULTS, results, facts, text)  # the README quotes whole runs only
    print(text)
    failed = any(result.failed for result in results)
    unequal = options.self_test and any(result.verdict is Verdict.MISSED for result in results)
    return 1 if failed or unequal else 0


_OTHERS = {"enumeration": enumeration.main, "fetch": fetch.main, "flood": flood.main}


def _other(name: str, arguments: Sequence[str]) -> int:
    """Run one of the measurements that are commands of their own."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        return _OTHERS[name](arguments)
    except (LiveServerError, LoadError, OSError, ServerError) as error:
        _say(f"bench: {error}")
        return 2
    except KeyboardInterrupt:
        _say("bench: interrupted")
        return 130


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in _OTHERS:
        sys.exit(_other(sys.argv[1], sys.argv[2:]))
    sys.exit(main(sys.argv[1:]))
