from pydantic import ValidationError

from pillarbox.config.fields import Section
from pillarbox.config.keys import find, names_at, settings_by_key
from pillarbox.config.schema import Settings


def wrong_names(section: type[Section], table: dict[str, object]) -> set[str | int]:
    """The settings that `section` refuses in `table`."""
    try:
        section.model_validate(table)
    except ValidationError as error:
        return {one["loc"][0] for one in error.errors()}
    return set()


def test_every_setting_has_a_sentence_of_doc_and_says_what_it_must_be() -> None:
    for setting in settings_by_key(Settings).values():
        assert setting.doc.rstrip().endswith("."), setting.key
        assert setting.doc[0].isupper() or setting.doc[0] == '"', setting.key
        assert setting.kind, setting.key


def test_every_plain_setting_has_an_example_that_passes_its_own_check() -> None:
    for setting in settings_by_key(Settings).values():
        if setting.section:
            continue
        assert setting.example is not None, setting.key
        *table, name = setting.key.split(".")
        parent = settings_by_key(Settings)[".".join(part for part in table if part != "*")].section
        assert parent is not None
        assert name not in wrong_names(parent, {name: setting.example}), setting.key


def test_every_default_passes_its_own_check() -> None:
    assert Settings.model_validate(Settings().model_dump(exclude_unset=False)) == Settings()


def test_seconds_are_named_in_every_time_limit() -> None:
    for key, setting in settings_by_key(Settings).items():
        if key.startswith("timeouts."):
            assert "Seconds" in setting.doc


def test_a_path_finds_the_setting_or_what_is_around_it() -> None:
    def key(*path: str | int) -> str:
        found = find(path, Settings)
        return found.key if found else ""

    assert key("listener", 3, "port") == "listener.port"
    assert key("listener", 0, "proxy_protocol", 2) == "listener.proxy_protocol"
    assert key("domains", "example.org", "maildir") == "domains.*.maildir"
    assert key("domains", "example.org") == "domains"
    assert key("listener", 0, "nonsense") == "listener"
    assert key("nonsense") == ""


def test_the_names_of_a_table() -> None:
    assert "server" in names_at((), Settings)
    assert "port" in names_at(("listener", 0), Settings)
    assert names_at(("domains", "example.org"), Settings)[:2] == ["maildir", "mfa"]
    assert names_at(("domains",), Settings) == []
    assert names_at(("nonsense",), Settings) == []
