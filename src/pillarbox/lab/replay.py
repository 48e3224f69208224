"""The simulation's traffic against a real POP3 server on loopback, and whether both decide alike.

Rules: bounded in number and time; only loopback is ever contacted, from addresses of 127.0.0.0/8, one for each client
of the simulation (its network kept together); time is squeezed evenly, order kept. What the simulator would have said
is computed afterwards, from the moments at which the attempts were really made: both decide on the same traffic. From
outside, a refusal and a wrong password look alike, as they must; with the server's JSON events they can be told apart.

Elsewhere: the server, which must be running, with a listener where loopback may sign in without TLS, or with TLS.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import json
import ssl
import time
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pillarbox.lab.attackers import ATTACKS, Heard
from pillarbox.lab.parameters import Parameters
from pillarbox.lab.policy import Asked, Policy
from pillarbox.lab.race import QUIET, Ground
from pillarbox.lab.simulate import Arrival
from pillarbox.lab.traffic import Guess, common_tag, origin, secret_tag

PATIENCE = 60.0
"""Seconds for one attempt, its penalty included; then it counts as unanswered."""

_WARM = 3
"""Sign-ins of each account, from different places, before the attack begins."""

_LEAST = 10
"""Accounts that the simulated population needs to be one."""

_HELD = ("-ERR [IN-USE]", "-ERR [LOGIN-DELAY]")
"""Replies after right credentials that let nobody in (RFC 2449 §6.5, §8.1.1)."""

_SHOWN = 10
"""Differences that are described."""

_UNTOLD = "-ERR [SYS/"
"""A reply that says nothing of the credentials (RFC 3206)."""


class ReplayError(Exception):
    """Nothing can be replayed. The text says why."""


class Planned(NamedTuple):
    """One attempt: when (seconds from the start), who, from where, and what is offered.

    `rightful` tells a user from an attacker; `secret` is the simulation's number of `password`.
    """

    at: float
    name: str
    known: bool
    address: str
    secret: int
    password: str
    right: bool
    rightful: bool


class Answer(NamedTuple):
    """What became of one attempt. `let_in` is None where the server could not be asked; `sent` is UTC seconds."""

    planned: Planned
    sent: float
    let_in: bool | None


@dataclass(frozen=True, slots=True)
class Server:
    """Where to replay to. `port` listens on the loopback address `host`; with `tls`, the handshake comes first."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the server and the simulator agree.

    Attributes:
        compared: attempts that could be compared.
        agreed: those decided alike.
        unanswered: attempts the server could not be asked.
        differences: the first few that were decided otherwise, as sentences.
    """

    compared: int
    agreed: int
    unanswered: int
    differences: tuple[str, ...]

    @property
    def share(self) -> float:
        """The share decided alike; 1 where nothing could be compared."""
        return self.agreed / self.compared if self.compared else 1.0


def read_accounts(text: str) -> dict[str, str]:
    """Accounts and passwords, from lines of `name:password`; empty lines and those that begin with # are skipped.

    Raises:
        ReplayError: a line is something else, or there are none.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, password = line.partition(":")
        if not (name and colon and password):
            raise ReplayError(f"line {number} of the accounts is not name:password")
        found[name] = password
    if not found:
        raise ReplayError("there are no accounts")
    return found


class _Loopback:
    """Gives every simulated address one of 127.0.0.0/8: the same /24 (or /64) goes to the same /24."""

    def __init__(self) -> None:
        self._networks: dict[str, int] = {}
        self._hosts: dict[str, str] = {}

    def __getitem__(self, address: str) -> str:
        if address not in self._hosts:
            network = origin(address) if ":" in address else address.rpartition(".")[0]
            # 127.0.x is left to the server.
            number = self._networks.setdefault(network, len(self._networks) + 256)
            host = 7 if ":" in address else min(254, max(1, int(address.rpartition(".")[2])))
            if number > 0xFFFF:
                raise ReplayError("there are more networks than 127.0.0.0/8 has room for; replay fewer attempts")
            self._hosts[address] = f"127.{number >> 8}.{number & 255}.{host}"
        return self._hosts[address]


def plan(
    parameters: Parameters, accounts: Mapping[str, str], attack: str, *, seed: int, attempts: int, seconds: float
) -> list[Planned]:
    """A small version of an attack: users at home first, then as many of their sign-ins as guesses, evenly in time.

    Args:
        parameters: the numbers of the simulation; the population is as large as `accounts`.
        accounts: passwords by name, as the server knows them.
        attack: a name of ATTACKS.
        seed: the traffic follows from it.
        attempts: guesses, at most.
        seconds: how long the replay takes, replies not counted.

    Raises:
        ReplayError: the accounts are too few for the simulation.
    """
    names = list(accounts)
    if len(names) < _LEAST:
        raise ReplayError(f"at least {_LEAST} accounts are wanted")
    ground = Ground(seed, parameters.replaced(population__accounts=len(names)))
    loopback = _Loopback()

    def of_user(arrival: Arrival) -> Planned:
        sign_in, _ = arrival
        name = names[sign_in.account]
        password = accounts[name] if sign_in.right else f"stale-{sign_in.secret}"
        return Planned(0.0, name, True, loopback[sign_in.address], sign_in.secret, password, sign_in.right, True)

    def of_attacker(guess: Guess) -> Planned:
        known = guess.account >= 0
        name = names[guess.account] if known else guess.name
        password = accounts[name] if guess.right else f"guess-{guess.secret}"
        return Planned(0.0, name, known, loopback[guess.address], guess.secret, password, guess.right, False)

    places: dict[int, set[str]] = defaultdict(set)
    warm = []
    for arrival in reversed(ground.warm):
        sign_in = arrival[0]
        seen = places[sign_in.account]
        if sign_in.right and sign_in.address not in seen and len(seen) < _WARM:
            seen.add(sign_in.address)
            warm.append(of_user(arrival))
    guesses = [of_attacker(guess) for guess in _guesses(ground, attack, attempts)]
    day = ground.traffic(attack)
    wanted = max(len(guesses), attempts) if attack == QUIET else len(guesses)
    step = max(1, len(day) // max(1, wanted))
    users = [of_user(arrival) for arrival in day[::step]][:wanted]
    mixed = [one for pair in itertools.zip_longest(users, guesses) for one in pair if one is not None]
    whole = warm + mixed
    return [one._replace(at=turn * seconds / len(whole)) for turn, one in enumerate(whole)]


def _guesses(ground: Ground, attack: str, attempts: int) -> list[Guess]:
    """The first guesses of an attack, as made by attackers who hear nothing but refusals."""
    found: list[Guess] = []
    waiting = deque((one, next(one, None)) for one in ATTACKS[attack](ground.stage))
    while waiting and len(found) < attempts:
        attacker, guess = waiting.popleft()
        if guess is None:
            continue
        found.append(guess)
        try:
            waiting.append((attacker, attacker.send((Heard.WRONG, guess.when + 1.0))))
        except StopIteration:
            pass
    return found


async def replay(server: Server, planned: Sequence[Planned]) -> list[Answer]:
    """Make all attempts at their times, and return what became of each, in order of sending.

    Raises:
        ReplayError: the server is not on loopback.
    """
    if not ipaddress.ip_address(server.host).is_loopback:
        raise ReplayError(f"{server.host} is not a loopback address; nothing else is ever contacted")
    start = time.monotonic()
    tasks = []
    for one in planned:
        await asyncio.sleep(max(0.0, start + one.at - time.monotonic()))
        tasks.append(asyncio.create_task(_attempt(server, one)))
    return sorted(await asyncio.gather(*tasks), key=lambda answer: answer.sent)


async def _attempt(server: Server, planned: Planned) -> Answer:
    sent = time.time()
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(
                server.host,
                server.port,
                local_addr=(planned.address, 0),
                ssl=server.tls,
                server_hostname="localhost" if server.tls else None,
            )
            try:
                reply = await _said(reader)
                for line in (f"USER {planned.name}", f"PASS {planned.password}"):
                    if reply.startswith("+OK"):
                        sent = time.time()
                        writer.write(f"{line}\r\n".encode())
                        reply = await _said(reader)
                writer.write(b"QUIT\r\n")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return Answer(planned, sent, None)
    if not reply or reply.startswith(_UNTOLD):
        return Answer(planned, sent, None)
    return Answer(planned, sent, reply.startswith("+OK") or reply.startswith(_HELD))


async def _said(reader: asyncio.StreamReader) -> str:
    return (await reader.readline()).decode("utf-8", "replace")


def refusals(events: str) -> dict[tuple[str, str], deque[str]]:
    """The reasons of refused sign-ins in a server's JSON events, oldest first, by client address and name."""
    found: dict[tuple[str, str], deque[str]] = defaultdict(deque)
    for line in events.splitlines():
        if '"LoginFailed"' not in line:
            continue
        event = json.loads(line)
        found[event["peer"], event["user"]].append(event["reason"])
    return found


def compare(policy: Policy, answers: Sequence[Answer], events: str | None = None) -> Agreement:
    """Let a policy decide the same traffic, and count where the server decided alike.

    Args:
        policy: a fresh one.
        answers: what the server did.
        events: its log of JSON events; without it, only attempts with the right secret can be compared.
    """
    reasons = refusals(events) if events is not None else None
    compared = agreed = unanswered = 0
    differences: list[str] = []
    for planned, sent, let_in in answers:
        tag = secret_tag(planned.name, planned.secret)
        asked = Asked(planned.name, planned.known, planned.address, tag, common_tag(planned.secret), sent)
        if let_in is None:
            unanswered += 1
            continue
        refused = policy.before(asked).refused
        if not refused:
            policy.after(asked, planned.right)
        if planned.right:
            seen = not let_in
        elif reasons is None or not (said := reasons.get((planned.address, planned.name))):
            continue
        else:
            seen = said.popleft().startswith("guard:")
        compared += 1
        agreed += seen == refused
        if seen != refused and len(differences) < _SHOWN:
            ours, theirs = ("refuses", "checks")[not refused], ("refused", "checked")[not seen]
            differences.append(f"{planned.name} from {planned.address}: the simulator {ours}, the server {theirs}")
    return Agreement(compared, agreed, unanswered, tuple(differences))
