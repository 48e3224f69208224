"""Any schema's file is read with the same words; the server's own file is in test_load."""

from pathlib import Path

import pytest

from pillarbox.config import ConfigError, load_as
from pillarbox.config.fields import Section, setting


class Shop(Section):
    """Another program's configuration."""

    open_hours: int = setting(8, "Hours a day.", ge=0, le=24)


class Town(Section):
    """Its outermost section."""

    shop: dict[str, Shop] = setting(dict, "Shops by name.", kind="tables [shop.NAME]")


def test_another_programs_file_is_read_with_the_same_words(tmp_path: Path) -> None:
    path = tmp_path / "town.toml"
    path.write_text("[shop.corner]\nopen_hours = 10\n")
    assert load_as(Town, path).shop["corner"].open_hours == 10
    path.write_text('[shop.corner]\nopen_hour = 10\n[shop.other]\nopen_hours = "ten"\n[shops]\n')
    with pytest.raises(ConfigError) as caught:
        load_as(Town, path)
    shown = [(problem.key, problem.line, problem.instead) for problem in caught.value.problems]
    assert shown == [
        ("shop.corner.open_hour", 2, "did you mean `shop.corner.open_hours`?"),
        ("shop.other.open_hours", 4, "for example: open_hours = 8"),
        ("shops", 5, "did you mean `shop`?"),
    ]
