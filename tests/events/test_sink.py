"""The two sinks that come with the events."""

from __future__ import annotations

from pillarbox.events import Event, MemorySink, NullSink, Reloaded, ServerStopped, ServerStopping, Sink


def emit_all(sink: Sink) -> list[Event]:
    events: list[Event] = [Reloaded(), ServerStopping(grace=1.0), Reloaded(at=2.0), ServerStopped()]
    for event in events:
        sink.emit(event)
    return events


def test_a_memory_sink_keeps_all_in_order() -> None:
    sink = MemorySink()
    assert sink.events == []
    assert emit_all(sink) == sink.events
    assert sink.of(Reloaded) == [Reloaded(), Reloaded(at=2.0)]
    assert sink.of(Event) == sink.events
    assert MemorySink().events == []


def test_a_null_sink_keeps_nothing() -> None:
    sink = NullSink()
    emit_all(sink)
    assert vars(sink) == {}
