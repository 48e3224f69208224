"""`python -m fuzz`: the options, the parsers first, then the live server.

Exit status: 0 when nothing happened that must not; 1 when something did; 2 when the server cannot be reached.
"""

from __future__ import annotations

import argparse
import secrets
import ssl
import sys
import time
from collections.abc import Sequence

from fuzz import live, parsers
from pillarbox.testing.live import LiveServerError


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Random and mutated input for Pillarbox.")
    parser.add_argument("--count", type=int, default=1_000_000, help="command lines for the live server (1,000,000)")
    parser.add_argument("--streams", type=int, default=20_000, help="streams for the parsers (20,000)")
    parser.add_argument("--seconds", type=float, default=900, help="at most so long for each of the two (900)")
    parser.add_argument("--seed", type=int, help="the same seed gives the same input (random, and printed)")
    parser.add_argument("--host", help="a running server instead of one of our own")
    parser.add_argument("--port", type=int, default=110, help="its cleartext port with STLS (110)")
    parser.add_argument("--tls-port", type=int, default=995, help="its TLS port (995); the certificate is not checked")
    parser.add_argument("--user", help="an account there, whose mail may be deleted")
    parser.add_argument("--password", help="its password")
    parser.add_argument("--pid", type=int, default=0, help="the server's process, to watch its memory")
    options = parser.parse_args(arguments)
    if options.host and not (options.user and options.password):
        parser.error("--host needs --user and --password")
    return options


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _other_server(options: argparse.Namespace) -> live.Target:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    users = (options.user,)
    return live.Target(options.host, options.port, options.tls_port, users, options.password, context, options.pid)


def _live(options: argparse.Namespace, seed: int) -> live.Tally:
    if options.host:
        return live.Fuzzer(_other_server(options), seed).run(options.count, options.seconds)
    with live.own_server() as server:
        return live.Fuzzer(live.own_target(server), seed).run(options.count, options.seconds)


def main(arguments: Sequence[str]) -> int:
    """Run both; return the exit status."""
    options = _options(arguments)
    seed = options.seed if options.seed is not None else secrets.randbits(32)
    _say(f"seed {seed}")
    try:
        start = time.monotonic()
        tried = parsers.run(options.streams, options.seconds, seed)
        _say(f"parsers: {tried:,} streams, {time.monotonic() - start:.0f} s, no difference, nothing raised")
        start = time.monotonic()
        tally = _live(options, seed)
        took = time.monotonic() - start
    except (parsers.Failed, live.Failed) as error:
        _say(f"FAILED: {error}")
        return 1
    except (OSError, LiveServerError) as error:
        _say(f"the server cannot be reached: {error}")
        return 2
    _say(f"live: {tally.lines:,} lines, {tally.sessions:,} sessions, {tally.logins:,} logins, {took:.0f} s")
    if tally.warm:
        _say(f"memory: {tally.warm / 2**20:.1f} MiB after warm-up, {tally.last / 2**20:.1f} at the end, "
             f"{tally.peak / 2**20:.1f} at most; {live.GROWTH / 2**20:.0f} of growth allowed")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
