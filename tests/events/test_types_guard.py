import msgspec

import pillarbox.events as events
from pillarbox.events import types_guard


def test_every_type_is_exported_frozen_tagged_and_without_room_for_a_secret() -> None:
    """P60: no field can hold a secret."""
    for name in types_guard.__all__:
        kind = vars(types_guard)[name]
        assert vars(events)[name] is kind
        assert issubclass(kind, events.Event)
        assert kind.__struct_config__.frozen
        assert kind.__struct_config__.tag == name
        fields = {field.name for field in msgspec.structs.fields(kind)}
        assert not fields & {"password", "secret", "tag", "common"}


def test_they_encode() -> None:
    event = events.SourceBlocked(source="9.9.9.0/24", until=1.0, times=2, reason="score")
    assert msgspec.json.decode(msgspec.json.encode(event))["event"] == "SourceBlocked"
