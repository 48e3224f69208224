"""Where events go. A sink never blocks and never raises: watching the server must not stop it."""

from __future__ import annotations

from typing import Protocol, TypeVar

from pillarbox.events.types import Event

E = TypeVar("E", bound=Event)


class Sink(Protocol):
    """Takes events."""

    def emit(self, event: Event) -> None:
        """Take one event. Must return at once and must not raise."""
        ...


class NullSink:
    """Takes events and forgets them."""

    def emit(self, event: Event) -> None:
        """Forget the event."""


class MemorySink:
    """Keeps events in a list, for tests and tools. It grows without bound."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        """Keep the event."""
        self.events.append(event)

    def of(self, kind: type[E]) -> list[E]:
        """The kept events of one type, oldest first."""
        return [event for event in self.events if isinstance(event, kind)]
