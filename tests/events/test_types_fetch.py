"""The events of a run."""

from __future__ import annotations

import msgspec

from pillarbox.events import Event, types_fetch


def test_every_type_is_frozen_tagged_and_without_room_for_a_secret() -> None:
    """P60: no field can hold a secret."""
    for name in types_fetch.__all__:
        kind = vars(types_fetch)[name]
        assert issubclass(kind, Event)
        assert kind.__struct_config__.frozen
        assert kind.__struct_config__.tag == name
        fields = {field.name for field in msgspec.structs.fields(kind)}
        assert not fields & {"password", "secret", "tag", "common"}


def test_they_encode() -> None:
    event = types_fetch.MessageSkipped(account="ada", unique_id="a", size=1, reason="large")
    assert msgspec.json.decode(msgspec.json.encode(event))["event"] == "MessageSkipped"
