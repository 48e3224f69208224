"""The vocabulary: every event is frozen plain data, tagged with its own name, and none has a place for a secret."""

from __future__ import annotations

import json
import typing

import msgspec
import pytest

from pillarbox import events
from pillarbox.events import Event, Level, types

TYPES = [found for name in types.__all__ if isinstance(found := vars(types)[name], type) and issubclass(found, Event)]
EVENTS = [kind for kind in TYPES if kind is not Event]
SAMPLES = {str: "x", float: 1.5, float | None: None, int: 2, bool: True, list[str]: ["a", "b"]}


def sample(kind: type[Event]) -> Event:
    hints = typing.get_type_hints(kind)
    fields = {field.name: SAMPLES[hints[field.name]] for field in msgspec.structs.fields(kind)}
    return msgspec.convert(fields | {"event": kind.__name__}, kind)


def test_every_event_type_is_exported() -> None:
    defined = {name for name, value in vars(types).items() if isinstance(value, type) and issubclass(value, Event)}
    assert defined == {kind.__name__ for kind in TYPES}
    assert set(types.__all__) <= set(events.__all__)
    assert len(EVENTS) >= 20


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_an_event_is_frozen_tagged_data_that_survives_json(kind: type[Event]) -> None:
    event = sample(kind)
    encoded = msgspec.json.encode(event)
    fields = json.loads(encoded)
    assert fields.pop("event") == kind.__name__
    assert next(iter(fields)) == "at"  # the renderers put the time there
    assert msgspec.json.decode(encoded, type=kind) == event
    with pytest.raises(AttributeError):
        event.at = 2.0  # type: ignore[misc]
    assert isinstance(kind.level, Level)
    assert kind.__doc__
    assert kind.__doc__ != Event.__doc__


def test_one_decoder_tells_all_of_them_apart() -> None:
    decoder = msgspec.json.Decoder(typing.Union[tuple(EVENTS)])  # noqa: UP007
    for kind in EVENTS:
        assert decoder.decode(msgspec.json.encode(sample(kind))) == sample(kind)


def test_no_field_is_meant_for_a_secret_or_for_mail() -> None:
    """P60."""
    names = {field.name for kind in EVENTS for field in msgspec.structs.fields(kind)}
    assert not names & {"password", "secret", "token", "hash", "credentials", "body", "message", "data", "line"}
    for kind in EVENTS:
        hints = typing.get_type_hints(kind)
        assert {hints[field.name] for field in msgspec.structs.fields(kind)} <= set(SAMPLES)


def test_fields_are_given_by_name_and_all_of_them() -> None:
    with pytest.raises(TypeError):
        types.ServerStopping(3.0)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="grace"):
        types.ServerStopping()  # type: ignore[call-arg]
    assert types.Reloaded().at == 0.0


def test_levels_are_in_the_order_people_filter_by() -> None:
    assert Level.DEBUG < Level.INFO < Level.WARNING < Level.ERROR
    assert types.InternalError.level is Level.ERROR
    assert types.LoginFailed.level is Level.WARNING
    assert types.SessionEnded.level is Level.INFO
