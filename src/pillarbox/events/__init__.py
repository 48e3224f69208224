"""What flows out of Pillarbox: one frozen, typed event for each thing that happens, and the sinks that take them.

Rules: an event is plain data and never holds a secret; a producer only knows `Sink`; nothing flows back. Rendering
events (human lines, JSON lines) is in `pillarbox.watch`.
"""

from pillarbox.events.defects import internal_error
from pillarbox.events.secret import Secret
from pillarbox.events.sink import MemorySink, NullSink, Sink
from pillarbox.events.types import *  # noqa: F403 - the event types are this package's vocabulary
from pillarbox.events.types import __all__ as _types
from pillarbox.events.types_client import *  # noqa: F403 - as above
from pillarbox.events.types_client import __all__ as _types_client
from pillarbox.events.types_fetch import *  # noqa: F403 - as above
from pillarbox.events.types_fetch import __all__ as _types_fetch
from pillarbox.events.types_guard import *  # noqa: F403 - as above
from pillarbox.events.types_guard import __all__ as _types_guard

__all__ = ["MemorySink", "NullSink", "Secret", "Sink", "internal_error"]
__all__ += _types
__all__ += _types_client
__all__ += _types_fetch
__all__ += _types_guard
