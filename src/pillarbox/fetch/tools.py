"""What the sessions of one run share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from pillarbox.events.sink import Sink
from pillarbox.fetch.delivering import Delivering
from pillarbox.fetch.journal import Journal
from pillarbox.fetch.settings import FetchAccount, RunResult, StepSink
from pillarbox.fetch.staging import Staging
from pillarbox.fetch.telling import Telling


@dataclass(frozen=True, slots=True)
class Tools:
    """What all sessions of a run share. `clock` is UTC seconds; `stop` is set to end early."""

    account: FetchAccount
    journal: Journal
    staging: Staging
    delivering: Delivering
    result: RunResult
    telling: Telling
    events: Sink
    step: StepSink
    stop: threading.Event
    clock: Callable[[], float]
