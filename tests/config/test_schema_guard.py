from pathlib import Path

import pytest

from pillarbox.config import ConfigError
from pillarbox.config.keys import settings_by_key
from pillarbox.config.load import parse
from pillarbox.config.schema import Settings
from pillarbox.config.schema_guard import Guard
from pillarbox.config.schema_server import Server

TLS = '[tls]\ncertificate = "/c.pem"\nkey = "/k.pem"\n'


def test_the_defaults_are_valid_and_consistent() -> None:
    assert Guard.model_validate(Guard().model_dump()) == Guard()


def test_the_state_file_is_in_the_state_directory_unless_named() -> None:
    assert Settings(server=Server(state_directory=Path("/s"))).guard_file == Path("/s/guard.sqlite")
    assert Settings(guard=Guard(state=Path("/g.db"))).guard_file == Path("/g.db")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ladder_bits = 1000000", "not a power of two"),
        ("ladder_popular = 40", "more than `ladder_rungs`"),
        ("block_longest = 10", "less than `block`"),
        ("block = 700000", "less than `block`"),
        ("exposure_popular = 0.000001", "less than `exposure_rare`"),
        ("failures_in_a_row = 101", "1 to 100"),
        ('allow = ["192.0.2.1/24"]', "size of a network"),
        ("guess = 1", "guess"),
    ],
)
def test_slips_are_explained(line: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f"{TLS}[guard]\n{line}\n")
    assert words in str(caught.value.problems[0])


def test_every_setting_gives_its_reason() -> None:
    for key, setting in settings_by_key(Settings).items():
        if key.startswith("guard."):
            assert len(setting.doc) > 50, key
