from pathlib import Path

import pytest

from pillarbox.config import ConfigError, describe
from pillarbox.config.keys import settings_by_key
from pillarbox.config.load import load, parse
from pillarbox.config.schema import Settings

ROOT = Path(__file__).parents[2]

FULL = """\
[server]
greeting = 'a "quoted" \\\\ greeting'
[[listener]]
tls = "starttls"
name = "x"
address = ["192.0.2.1", "::1"]
proxy_protocol = ["10.0.0.0/8"]
[[listener.cleartext_login]]
networks = ["192.0.2.17"]
until = 2027-06-30
reason = "old \\u007f printer \\u202e \\u001b"
[[listener]]
[tls]
certificate = "/c.pem"
key = "/k.pem"
[[tls.sni]]
names = ["*.example.org"]
certificate = "/a"
key = "/b"
[domains."example.org"]
maildir = "/x/{user}"
[domains."bücher.example"]
[timeouts]
stall = 0.5
"""


@pytest.mark.parametrize("text", [FULL, '[tls]\ncertificate = "/c"\nkey = "/k"\n'])
def test_what_is_shown_loads_again_to_the_same_settings(text: str) -> None:
    settings = parse(text)
    assert parse(describe.show(settings)) == settings


def test_the_example_in_packaging_survives_being_shown() -> None:
    settings = load(ROOT / "packaging" / "pillarbox.toml")
    assert parse(describe.show(settings)) == settings


def test_defaults_are_marked_and_choices_are_not() -> None:
    lines = describe.show(parse(FULL)).splitlines()
    assert "stall = 0.5" in lines
    assert any(line.startswith("idle = 600 ") and line.endswith(describe.DEFAULT_MARK) for line in lines)
    assert "[[listener]]" in lines
    default = describe.show(Settings()).splitlines()
    assert f"[[listener]]  {describe.DEFAULT_MARK}" in default
    assert all(line.endswith(describe.DEFAULT_MARK) for line in default if " = " in line)


def test_every_setting_is_shown() -> None:
    shown = describe.show(parse(FULL))
    for setting in settings_by_key(Settings).values():
        assert setting.section or f"{setting.key.rpartition('.')[2]} = " in shown


def test_explaining_a_setting_tells_type_default_doc_and_example() -> None:
    text = describe.explain("timeouts.idle")
    assert "timeouts.idle" in text
    assert "RFC 1939" in text
    assert "a number from 600 to 86400" in text
    assert "default:  600" in text
    assert "idle = 600" in text


def test_every_key_can_be_explained_as_it_stands_in_the_file_and_in_problems() -> None:
    for key in settings_by_key(Settings):
        assert describe.explain(key)
    assert describe.explain("listener[2].port") == describe.explain("listener.port")
    assert describe.explain('domains."example.org".maildir') == describe.explain("domains.*.maildir")
    assert describe.explain('domains."example.org"') == describe.explain("domains")
    assert "limits" in describe.explain("")


def test_explaining_a_section_lists_its_keys() -> None:
    text = describe.explain("auth")
    assert "auth.passwd_file\n" in text
    assert "auth.sources\n" in text
    assert "auth.passwd_file.path" not in text
    assert describe.explain("tls.sni").startswith("[[tls.sni]]\n")


@pytest.mark.parametrize(("key", "near"), [("limits.conections", "limits.connections"), ("idle", "timeouts.idle"),
                                           ("xyzzy", "server"), ("a.b", "server")])  # fmt: skip
def test_an_unknown_key_gets_near_ones(key: str, near: str) -> None:
    with pytest.raises(ConfigError) as caught:
        describe.explain(key)
    assert near in caught.value.problems[0].instead


def test_the_committed_reference_page_is_what_the_schema_says() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    assert page == describe.reference(), "run: pillarbox config reference > docs/configuration.md"


def test_the_reference_has_every_setting_and_tables_that_hold_together() -> None:
    page = describe.reference()
    for setting in settings_by_key(Settings).values():
        assert setting.section or f"| `{setting.key.rpartition('.')[2]}` |" in page
    for line in page.splitlines():
        if line.startswith("| `"):
            assert line.replace("\\|", "").count("|") == 5
