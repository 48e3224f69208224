import msgspec

import pillarbox.events as events
from pillarbox.events import types_client


def test_every_type_is_exported_frozen_tagged_and_without_room_for_a_secret() -> None:
    """P60: no field can hold a secret."""
    for name in types_client.__all__:
        kind = vars(types_client)[name]
        assert vars(events)[name] is kind
        assert issubclass(kind, events.Event)
        assert kind.__struct_config__.frozen
        assert kind.__struct_config__.tag == name
        fields = {field.name for field in msgspec.structs.fields(kind)}
        assert not fields & {"password", "secret", "token"}


def test_they_encode() -> None:
    event = events.ServerMisbehaved(account="pops://ada@h:995", host="h", stage="RETR", reason="too long")
    assert msgspec.json.decode(msgspec.json.encode(event))["event"] == "ServerMisbehaved"
    doubtful = events.ListingDoubtful(account="pops://ada@h:995", host="h", doubts=["twice"])
    assert msgspec.json.decode(msgspec.json.encode(doubtful))["doubts"] == ["twice"]
