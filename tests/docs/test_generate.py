"""The generated pages are current."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["states.md", "configuration.md", "fetch-configuration.md", "quickstart.svg"])
def test_the_committed_page_is_what_the_source_says(name: str) -> None:
    page = generator().PAGES[name]()
    assert (DOCS / name).read_text(encoding="utf-8") == page, "run `make docs`"


def test_the_states_page_shows_the_diagram_and_each_row() -> None:
    text = generator().states()
    assert "```mermaid\nstateDiagram-v2\n" in text
    assert "| NAMED | `PASS +` | single line | TRANSACTION | AUTHORIZATION |" in text


def test_the_picture_is_a_whole_one_that_asks_no_other_site() -> None:
    svg = generator().picture()
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    shown = "".join(root.itertext()).replace("\u00a0", " ")
    assert "Pillarbox is ready." in shown
    assert "this message came out of a Maildir, through Pillarbox, over TLS." in shown
    assert "@font-face" not in svg
    assert not re.search(r"(url\(|href=)[\"']?https?:", svg)
