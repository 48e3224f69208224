"""For your tests: a POP3 server with scripted faults, a pytest plugin, a live server, conformance kits for plug-ins.

    from pillarbox.testing import ScriptedServer

The pytest plugin (`plugin`) is found by itself: its fixtures are `pop3_server` and `pop3_server_factory`. What is named
here is only imported when it is used, so that tests which need none of it pay nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pillarbox.testing.behaviour import Behaviour
    from pillarbox.testing.certificates import Quality
    from pillarbox.testing.faults import Action, Fault, FaultError, Place
    from pillarbox.testing.oddities import LISTINGS, UNIQUE_IDS
    from pillarbox.testing.presets import PRESETS
    from pillarbox.testing.scripted import ScriptedServer, ScriptedServerError

__all__ = [
    "LISTINGS",
    "PRESETS",
    "UNIQUE_IDS",
    "Action",
    "Behaviour",
    "Fault",
    "FaultError",
    "Place",
    "Quality",
    "ScriptedServer",
    "ScriptedServerError",
]

_HOMES = {
    "LISTINGS": "oddities",
    "PRESETS": "presets",
    "UNIQUE_IDS": "oddities",
    "Action": "faults",
    "Behaviour": "behaviour",
    "Fault": "faults",
    "FaultError": "faults",
    "Place": "faults",
    "Quality": "certificates",
    "ScriptedServer": "scripted",
    "ScriptedServerError": "scripted",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = vars(importlib.import_module(f"{__name__}.{home}"))[name]
    return found
