"""Runs cases: a server and a fresh home for each, the client against both, then the verdict.

Rules: every case starts from nothing; the honest sessions that follow the hostile ones are the same for all; what is
random comes from one seed, so that a failure can be repeated.
"""

from __future__ import annotations

import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pillarbox.testing.behaviour import Behaviour
from pillarbox.testing.certificates import Quality
from pillarbox.testing.faults import Fault
from pillarbox.testing.scripted import ScriptedServer
from pillarbox.testing.torture import judge
from pillarbox.testing.torture.cases import HOSTILE, Case, Family, cuts, kills
from pillarbox.testing.torture.clients import ClientError, Description
from pillarbox.testing.torture.judge import Result
from pillarbox.testing.torture.run import Bounds, Program, Ran

HONEST_RUNS = 2
"""Runs without faults that follow: the second one finds what the first fetches again."""

_LEASES = 30.0  # seconds until the server has noticed that a client is gone

PASSWORD = "torture"  # noqa: S105 - it guards nothing


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done.

    Attributes:
        seed: of everything random.
        cut_octets, kill_octets, kill_commands: how many random places; all commands are cut in any case.
        bounds: of a run.
        jobs: cases at a time.
    """

    seed: int = 1
    cut_octets: int = 20
    kill_octets: int = 20
    kill_commands: int = 20
    bounds: Bounds = field(default_factory=Bounds)
    jobs: int = 2


class Suite:
    """The torture of one client.

    Raises:
        ClientError: the client does not work with an honest server.
    """

    def __init__(self, client: Description, plan: Plan, directory: Path) -> None:
        self._client = client
        self._plan = plan
        self._directory = directory
        self._commands, self._octets = self._rehearse() if client.delivers else (0, 0)

    def cases(self, families: Iterable[Family] = Family) -> list[Case]:
        """All that concern this client; what it cannot do is left out."""
        wanted = set(families)
        found = [case for case in HOSTILE if not case.stls or "stls" in self._client.modes]
        if self._client.delivers:
            plan, chance = self._plan, random.Random(self._plan.seed)
            octets, commands = range(1, self._octets), range(1, self._commands + 1)
            found += cuts(self._commands, sorted(_some(chance, octets, plan.cut_octets)))
            found += kills(
                sorted(_some(chance, commands, plan.kill_commands)), sorted(_some(chance, octets, plan.kill_octets))
            )
        return [case for case in found if case.family in wanted]

    def results(self, cases: Iterable[Case], told: Callable[[Result], None]) -> list[Result]:
        """Run cases, some at a time; `told` hears of each as it ends."""

        def one(case: Case) -> Result:
            result = self.torture(case)
            told(result)
            return result

        pool = ThreadPoolExecutor(self._plan.jobs)
        try:
            return list(pool.map(one, cases))
        finally:
            # After Ctrl-C, what has not begun never does.
            pool.shutdown(cancel_futures=True)

    def torture(self, case: Case) -> Result:
        """One case."""
        with self._home() as home:
            return _Torture(self._client, self._plan.bounds, home, case).result()

    def _rehearse(self) -> tuple[int, int]:
        """How many commands the client gives in an honest session, and how many octets it is sent."""
        honest = Case("honest", Family.CUT, "")
        with self._home() as home:
            torture = _Torture(self._client, self._plan.bounds, home, honest)
            result = torture.result()
            if not result.passed:
                said = result.runs[0].output.decode("utf-8", "replace")
                raise ClientError(
                    f"{self._client.name} does not work with an honest server: "
                    f"{[(failure.fault.value, failure.detail) for failure in result.failures]}\n{said}\n"
                    f"{result.transcript}"
                )
            return torture.commands, torture.octets

    @contextmanager
    def _home(self) -> Iterator[Path]:
        """A directory for one case."""
        with tempfile.TemporaryDirectory(dir=self._directory, ignore_cleanup_errors=True) as name:
            for part in ("tmp", "new", "cur"):
                Path(name, "home", "Maildir", part).mkdir(parents=True)
            yield Path(name)


class _Torture:
    """One case with one client.

    Attributes:
        commands, octets: of the first session.
    """

    def __init__(self, client: Description, bounds: Bounds, directory: Path, case: Case) -> None:
        self._client = client
        self._bounds = bounds
        self._directory = directory
        self._home = directory / "home"
        self._maildir = self._home / "Maildir"
        self._case = case
        self._program: Program | None = None
        self._started = threading.Event()
        self.commands = self.octets = 0

    def result(self) -> Result:
        """Run it and judge."""
        case = self._case
        sent = case.mail()
        with ScriptedServer(
            sent,
            users={"ada": PASSWORD},
            behaviour=case.behaviour,
            faults=self._faults(),
            tls="stls" if case.stls else "implicit",
            certificate=case.certificate,
        ) as server:
            runs = [self._run(server)]
            hostile = len(server.sessions)
            transcript = server.transcripts
            failures = judge.silent(server, hostile) if case.no_login else []
            failures += judge.calm(runs[0]) if case.calm else []
            failures += judge.endured(server)
            failures += judge.premature(case, sent, server, self._maildir)
            if server.sessions:
                self.commands, self.octets = server.sessions[0].commands, server.sessions[0].sent
            lost = twice = 0
            if self._client.delivers:
                runs += self._afterwards(server)
                found, lost, twice = judge.mail(case, sent, server, self._maildir)
                failures += found
        failures = judge.measured(runs) + failures
        return Result(case, self._client.name, tuple(failures), lost, twice, tuple(runs), transcript)

    def _faults(self) -> list[Fault | str]:
        faults: list[Fault | str] = list(self._case.faults)
        if self._case.kill:
            faults.append(Fault.call(self._kill, self._case.kill, once=True))
        return faults

    def _kill(self) -> None:
        self._started.wait()
        assert self._program is not None
        time.sleep(self._case.pause)
        self._program.kill()

    def _run(self, server: ScriptedServer) -> Ran:
        values = {
            "host": server.host,
            "port": str(server.port),
            "user": server.user,
            "password": server.password,
            "ca": str(server.ca),
            "maildir": str(self._maildir),
        }
        command = self._client.prepare(self._home, values, stls=server.tls == "stls")
        self._started.clear()
        self._program = Program(command, self._home, self._directory / "output", _environment(self._home), self._bounds)
        self._started.set()
        return self._program.wait()

    def _afterwards(self, server: ScriptedServer) -> Iterator[Ran]:
        """Honest runs against the same mail, once the hostile sessions have given their leases back."""
        server.wait_for(lambda server: all(session.how for session in server.sessions), seconds=_LEASES)
        server.script(behaviour=Behaviour())
        server.certificate = Quality.VALID
        for _ in range(HONEST_RUNS):
            yield self._run(server)


def _some(chance: random.Random, places: range, count: int) -> list[int]:
    return chance.sample(places, min(count, len(places)))


def _environment(home: Path) -> dict[str, str]:
    """What a client needs of the environment, with a home of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG", "TZ") if name in os.environ}
    return {**kept, "HOME": str(home), "FETCHMAILHOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
