"""`pillarbox guard`: what the guard holds against addresses and users, and how to make it let go.

Rules: what was asked for goes to stdout, as a table for people or as JSON; what a peer sent is cleaned before a
terminal sees it; a command reaches the running workers through the state file, within a second; exit codes are 1 for
refused, 2 for wrong usage, 3 where the state file cannot be used. What the facts mean is in `auth.guard.explain`.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from pillarbox.auth.guard import explain, places, policy_key
from pillarbox.auth.guard.engine import GuardEngine
from pillarbox.auth.guard.state import POLL, Observation, What
from pillarbox.auth.guard.state_file import SharedJournal
from pillarbox.auth.names import InvalidName, normalise
from pillarbox.cli.config import config_option, load_or_exit
from pillarbox.cli.telling import fail, when
from pillarbox.config.fields import ANY_ADDRESS
from pillarbox.config.schema_policy_api import PolicyApi
from pillarbox.events import MemorySink, Warned
from pillarbox.watch.clean import clean

app = typer.Typer(no_args_is_help=True)

_UNAVAILABLE = 3
_SHOWN = 20
"""Lines of a list that are shown; --json has all."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Target = Annotated[str, typer.Argument(metavar="ADDRESS|USER", show_default=False)]

_UNITS = {"m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_FOREVER = float(10**12)
"""UTC seconds that no clock reaches, for what is allowed until it is released."""


@app.command()
def status(config: config_option = None, as_json: Json = False) -> None:
    """Show who is refused now, and whether a campaign goes on."""
    with _Guard(config) as guard:
        facts = explain.status(guard.engine.known, guard.now)
        _print(facts, as_json, lambda: _status_lines(facts, guard.now))


@app.command("explain")
def explain_target(target: Target, config: config_option = None, as_json: Json = False) -> None:
    """Say how an address or a user is treated, and why."""
    with _Guard(config) as guard:
        if _is_network(target):
            place = _found(lambda: explain.address(guard.engine.known, target, guard.now))
            _print(place, as_json, lambda: _address_lines(place, guard.now))
        else:
            account = explain.user(guard.engine.known, guard.account(target), guard.now)
            _print(account, as_json, lambda: _user_lines(account, guard.now))


@app.command()
def release(target: Target, config: config_option = None) -> None:
    """Forget what is held against an address, a network or a user."""
    with _Guard(config) as guard:
        if not _is_network(target):
            account = guard.account(target)
            guard.tell(Observation(What.RELEASE, guard.now, account=account))
            typer.echo(f"released {account}: what was tried against it is forgotten")
            return
        allowed = str(ip_network(target, strict=False))
        if allowed in guard.engine.known.memory.allowed:
            guard.tell(Observation(What.ALLOW, guard.now, subject=allowed, until=0.0))
            typer.echo(f"{allowed} is no longer allowed")
        if _is_scored(target):
            guard.tell(Observation(What.RELEASE, guard.now, subject=target))
            typer.echo(f"released {target}, and the networks around it")
        elif allowed not in guard.engine.known.memory.allowed:
            fail("name an address, or a network of the sizes that are blocked: /24, or for IPv6 /64, /56 and /48")


@app.command()
def allow(
    network: Annotated[str, typer.Argument(metavar="NETWORK", show_default=False)],
    config: config_option = None,
    lasting: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="For how long, such as 30m, 12h, 7d or 2w; else until released."),
    ] = None,
) -> None:
    """Never refuse an address or a network, for a while or until it is released."""
    try:
        wanted = str(ip_network(network))
    except ValueError as error:
        raise typer.BadParameter(f"{error}; write an address or a network such as 192.0.2.0/24") from None
    seconds = _seconds(lasting)
    with _Guard(config) as guard:
        until = _FOREVER if seconds is None else guard.now + seconds
        guard.tell(Observation(What.ALLOW, guard.now, subject=wanted, until=until))
        typer.echo(f"{wanted} is allowed {_until(until)}; guesses from it are not limited")


@app.command()
def dovecot(config: config_option = None) -> None:
    """Print what a Dovecot needs to ask this guard; makes the key if there is none yet."""
    settings = load_or_exit(config)
    try:
        key = policy_key.load_or_create(settings.policy_key_file)
    except policy_key.PolicyKeyUnavailable as error:
        fail(error.reason, _UNAVAILABLE)
    if not settings.policy_api.enabled:
        typer.echo("warning: nobody answers yet; write enabled = true under [policy_api]", err=True)
    typer.echo(_dovecot_settings(settings.policy_api, key), nl=False)


def _dovecot_settings(policy: PolicyApi, key: policy_key.PolicyKey) -> str:
    host = "127.0.0.1" if policy.address[0] == ANY_ADDRESS else policy.address[0]
    host = f"[{host}]" if ":" in host else host
    scheme = "https" if policy.tls else "http"
    attributes = {
        "login": "%{requested_username}",
        "pwhash": "%{hashed_password}",
        "remote": "%{rip}",
        "device_id": "%{client_id}",
        "protocol": "%s",
        "session_id": "%{session}",
        # Not one of Dovecot's own choice. It says whether there is a password in the hash at all.
        "mech": "%{mech}",
    }
    return f"""\
# For /etc/dovecot/conf.d/. Keep it from other users: chmod 600.
auth_policy_server_url = {scheme}://{host}:{policy.port}/
auth_policy_server_api_header = Authorization: {key.reveal_field()}
auth_policy_hash_nonce = {secrets.token_urlsafe(24)}
auth_policy_hash_truncate = 16
auth_policy_check_after_auth = no
auth_policy_request_attributes = {" ".join(f"{name}={value}" for name, value in attributes.items())}
"""


class _Guard:
    """The guard's state as the workers share it."""

    def __init__(self, config: Path | None) -> None:
        self._settings = load_or_exit(config)
        self.now = time.time()

    def __enter__(self) -> _Guard:
        sink = MemorySink()
        path, guard = self._settings.guard_file, self._settings.guard
        if not path.exists():
            fail(f"there is no state file {path}: the server makes it when it first runs", _UNAVAILABLE)
        journal = SharedJournal(path, writer=secrets.randbits(62), rows=guard.journal_rows, sink=sink, repair=False)
        self.engine = GuardEngine(guard, journal, below=secrets.randbelow, sink=sink)
        # What came after the last snapshot.
        self.engine.catch_up(self.now)
        for event in sink.of(Warned):
            fail(event.text, _UNAVAILABLE)
        self._sink = sink
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.close()

    def account(self, name: str) -> str:
        """The canonical form of a name that was typed."""
        try:
            return normalise(name, self._settings.auth.default_domain)
        except InvalidName as error:
            fail(f"this is neither an address nor an account's name: {error}")

    def tell(self, observation: Observation) -> None:
        """Make the workers learn something."""
        self.engine.learn(observation)
        for _ in range(round(5 / POLL)):
            if self.engine.flush(self.now):
                return
            time.sleep(POLL)
        reasons = [event.text for event in self._sink.of(Warned)]
        fail(reasons[0] if reasons else "the state file stays busy; try again", _UNAVAILABLE)


# ---- what people read ----------------------------------------------------------------------------------------------


def _status_lines(facts: explain.Status, now: float) -> Iterator[str]:
    if facts.started is None:
        yield "running    not yet"
    else:
        learning = "; campaigns are only reported in the first time" if facts.learning else ""
        yield f"running    since {when(facts.started)}{learning}"
    if facts.campaign_since is not None:
        target = f" ({clean(facts.campaign_target)})" if facts.campaign_target else ""
        yield f"campaign   {facts.campaign}{target}, since {when(facts.campaign_since)}"
    else:
        yield f"campaign   none: evidence {facts.evidence:.1f} of {facts.alarm:.0f}; usual is {facts.usual:.1f} an hour"
    yield f"remembers  {facts.sources} addresses, {facts.accounts} accounts, {facts.pairs} pairs of both"
    for network, until in facts.allowed.items():
        yield f"allowed    {network} {_until(until)}"
    yield from _listed("attacked  ", [clean(name) for name in facts.attacked])
    if facts.blocked:
        yield ""
        yield f"{'BLOCKED':<40}  {'UNTIL':<20}  {'TIMES':>5}  WHY"
        for place in facts.blocked[:_SHOWN]:
            yield f"{place.place:<40}  {when(place.blocked_until or now):<20}  {place.blocks:>5}  {place.why}"
        if len(facts.blocked) > _SHOWN:
            yield f"and {len(facts.blocked) - _SHOWN} more; see --json"


def _address_lines(facts: explain.AddressFacts, now: float) -> Iterator[str]:
    yield f"{facts.address}: {facts.verdict}"
    for place in facts.places:
        yield ""
        yield f"{place.place}"
        yield f"    score      {place.score:.1f}, blocked at {place.limit:.1f}"
        yield f"    secrets    {place.failures:.1f} different wrong ones lately"
        if place.why:
            state = f"until {when(place.blocked_until)}" if place.blocked_until else "expired"
            yield f"    block      {state}, number {place.blocks} in a row ({place.why})"
        if place.campaign:
            yield f"    campaign   took part in number {place.campaign}"
    yield from _listed("at home here  ", [clean(name) for name in facts.accounts])
    yield from _listed("tried from here  ", [f"{clean(name)} ({count})" for name, count in facts.tried.items()])


def _user_lines(facts: explain.UserFacts, now: float) -> Iterator[str]:
    yield f"{clean(facts.user)}: {facts.verdict}"
    yield f"    tried      {facts.secrets} different wrong secrets from unfamiliar addresses, {facts.row} in a row"
    yield f"    exposure   {facts.exposure:.3%} of users have one of them, by estimate"
    homes = sorted(facts.homes.items(), key=lambda home: -home[1])
    yield from _listed("    at home in ", [f"{place}, last {when(at)}" for place, at in homes])
    yield from _listed("    tried from ", [f"{place} ({count})" for place, count in facts.tried.items()])


def _listed(label: str, items: Sequence[str]) -> Iterator[str]:
    for number, item in enumerate(items[:_SHOWN]):
        yield f"{label if number == 0 else ' ' * len(label)} {item}"
    if len(items) > _SHOWN:
        yield f"{' ' * len(label)} and {len(items) - _SHOWN} more; see --json"


def _print(facts: msgspec.Struct, as_json: bool, lines: Callable[[], Iterator[str]]) -> None:
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(facts), indent=2).decode())
    else:
        for line in lines():
            typer.echo(line)


def _until(until: float) -> str:
    return "until it is released" if until >= _FOREVER else f"until {when(until)}"


# ---- what people type ----------------------------------------------------------------------------------------------


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_scored(text: str) -> bool:
    try:
        places.keys_of(text)
    except ValueError:
        return False
    return True


def _found(ask: Callable[[], explain.AddressFacts]) -> explain.AddressFacts:
    try:
        return ask()
    except ValueError as error:
        fail(f"{error}; ask for an address, a /24, or for IPv6 a /64, /56 or /48")


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,6})([mhdw])", text)
    if found is None:
        raise typer.BadParameter(f'"{text}" is no length of time; write one such as 30m, 12h, 7d or 2w')
    return float(found[1]) * _UNITS[found[2]]
