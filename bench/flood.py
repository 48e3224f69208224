"""`python -m bench flood`: who is served while thousands of bogus log-ins arrive each second?

A real server as it is installed; an attacker who opens a connection from another address of 127.0.0.0/8 for each
log-in, at a fixed rate, whatever becomes of them; and a familiar client that polls all the while. `--known` aims at
accounts that exist, so that hashing is asked for; `--cold` forgets right passwords, so that the familiar client's is
hashed at every poll, too. Server, attacker and client share the machine's cores: what was offered is what the attacker
could do beside. How to read it: docs/guard.md, "Under a flood".
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bench.load import build
from bench.usage import TreeMeter, proportional_memory
from pillarbox.testing.live import LiveServer, Value

__all__ = ["main"]

GOAL_P99 = 0.250  # seconds
GOAL_MEMORY = 64 << 20  # octets
PATIENCE = 10.0  # seconds a poll may take before it counts as refused
HOME = "127.0.0.5"
OWNER, PASSWORD = "owner", "the owner's right password"
_ACCOUNTS = 200
_WARMING = 40  # polls before the flood: every worker has met the owner then
_SOURCE = Path(__file__).with_name("popflood.c")


class Attack(msgspec.Struct, frozen=True):
    """What became of the log-ins that were offered.

    `refused`: by the greeting; `wrong`: [AUTH]; `busy`: [SYS/TEMP]; `cut`: closed by the server; `late`: not answered
    within five seconds; `failed`: no connection could be begun; `skipped`: too many were open.
    """

    offered: int
    refused: int
    wrong: int
    busy: int
    cut: int
    late: int
    failed: int
    skipped: int


@dataclass(slots=True)
class Polls:
    """What the familiar client met: seconds of each poll that was served, and why the others were not."""

    seconds: list[float] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    def p99(self) -> float:
        """Seconds that 99 of 100 polls took at most."""
        ordered = sorted(self.seconds)
        return ordered[max(0, -(-99 * len(ordered) // 100) - 1)] if ordered else float("inf")


def main(arguments: Sequence[str]) -> int:
    """Measure and print. Returns 0 when the familiar client was served in time and memory stayed bounded."""
    options = _options(arguments)
    program = build(_SOURCE)
    met = [_measure(options, workers, program) for workers in map(int, options.workers.split(","))]
    return 0 if all(met) else 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench flood", description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=float, default=10_000, help="log-ins offered a second (10000)")
    parser.add_argument("--seconds", type=float, default=20, help="how long (20)")
    parser.add_argument("--workers", default="1,2", help="numbers of worker processes, with commas between")
    parser.add_argument("--known", action="store_true", help="aim at accounts that exist")
    parser.add_argument("--cold", action="store_true", help="remember no right password")
    return parser.parse_args(arguments)


def _measure(options: argparse.Namespace, workers: int, program: Path) -> bool:
    auth: dict[str, Value] = {"failure_delay": 1.0, "failure_step": 0.25}
    if options.cold:
        auth["cache_seconds"] = 0
    settings: dict[str, dict[str, Value]] = {"auth": auth, "log": {"level": "info"}}
    accounts = {OWNER: PASSWORD, **{f"user{number:06}": PASSWORD for number in range(_ACCOUNTS)}}
    with LiveServer(accounts, workers=workers, cleartext=True, settings=settings) as server:
        for _ in range(_WARMING):
            _poll(server.open_port)
        # Every worker has hashed before, and has told the others what it has learnt.
        subprocess.run(
            [str(program), str(server.open_port), "20", "2", "known", str(_ACCOUNTS)], check=True, capture_output=True
        )
        time.sleep(2)
        quiet = _polls(server, seconds=3)[0]
        meter, before = TreeMeter(server.pid), proportional_memory(server.pid)
        used = meter.seconds()
        command = [str(program), str(server.open_port), str(options.rate), str(options.seconds)]
        command += ["known", str(_ACCOUNTS)] if options.known else ["unknown"]
        flood = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            during, most = _polls(server, seconds=options.seconds)
            used = meter.seconds() - used
            said, _ = flood.communicate(timeout=60)
        finally:
            flood.kill()
            flood.wait()
        attack = msgspec.json.decode(said, type=Attack)
    return _report(options, workers, quiet, during, attack, most - before, used)


def _polls(server: LiveServer, seconds: float) -> tuple[Polls, int]:
    """Poll about 25 times a second; also the most memory the server had."""
    polls, most = Polls(), 0
    end = time.monotonic() + seconds
    looked = 0.0
    while (begun := time.monotonic()) < end:
        try:
            _poll(server.open_port)
            polls.seconds.append(time.monotonic() - begun)
        except OSError as error:
            polls.refusals.append(str(error))
        if begun - looked > 1.0:
            looked, most = begun, max(most, proportional_memory(server.pid))
        time.sleep(0.04)
    return polls, most


def _poll(port: int) -> None:
    """One session of the familiar client.

    Raises:
        OSError: it was refused or cut, or took too long.
    """
    sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE, source_address=(HOME, 0))
    with sock, sock.makefile("rwb") as stream:
        for line in (None, f"USER {OWNER}", f"PASS {PASSWORD}", "STAT", "QUIT"):
            if line is not None:
                stream.write(line.encode() + b"\r\n")
                stream.flush()
            reply = stream.readline()
            if not reply.startswith(b"+OK"):
                raise ConnectionError(f"{line or 'greeting'}: {reply.decode().strip() or 'closed'}")


def _report(
    options: argparse.Namespace, workers: int, quiet: Polls, during: Polls, attack: Attack, growth: int, used: float
) -> bool:
    met = during.p99() <= GOAL_P99 and not during.refusals and growth <= GOAL_MEMORY
    per_second = {
        name: f"{value / options.seconds:,.0f}/s" for name, value in msgspec.structs.asdict(attack).items() if value
    }
    print(f"{workers} worker(s), {'known' if options.known else 'unknown'} users{', cold' if options.cold else ''}:")
    print("  attack   " + ", ".join(f"{name} {rate}" for name, rate in per_second.items()))
    for name, polls in (("before", quiet), ("during", during)):
        middle = statistics.median(polls.seconds) if polls.seconds else float("inf")
        longest = max(polls.seconds, default=float("inf"))
        print(
            f"  {name}   {len(polls.seconds)} polls served, {len(polls.refusals)} refused; "
            f"median {middle * 1e3:.1f} ms, p99 {polls.p99() * 1e3:.1f} ms, longest {longest * 1e3:.1f} ms"
        )
    for why in sorted(set(during.refusals)):
        print(f"           {during.refusals.count(why)} x {why}")
    print(f"  server   {used / options.seconds:.2f} cores, memory +{growth / (1 << 20):.1f} MiB")
    print(f"  goals    {'met' if met else 'MISSED'}", flush=True)
    return met
