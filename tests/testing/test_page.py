"""docs/testing.md: its programs run, its sentences are faults, and its tables name everything there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.testing.test_plugin import _LOAD

from pillarbox.testing import LISTINGS, PRESETS, UNIQUE_IDS, Fault, Quality
from pillarbox.testing.faults import Action

pytest_plugins = ["pytester"]

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_tests_on_the_page_pass(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(PROGRAMS[0])
    pytester.runpytest_subprocess(*_LOAD, "-W", "error").assert_outcomes(passed=3)


@pytest.mark.parametrize("program", PROGRAMS[1:], ids=range(1, len(PROGRAMS)))
def test_the_programs_on_the_page_run(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tests" / "mail" / "new").mkdir(parents=True)
    (tmp_path / "tests" / "mail" / "new" / "1.x").write_bytes(b"Subject: file\n\n")
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "testing.md", "exec"), {})


def test_the_sentences_on_the_page_are_faults() -> None:
    (block,) = re.findall(r"\n\n```\n(drop .*?)```", PAGE, re.DOTALL)
    assert [str(Fault.parse(line)) for line in block.splitlines()] == block.splitlines()


def test_the_page_names_everything() -> None:
    for action in Action:
        assert action is Action.CALL or re.search(rf"\| .*`{action.value}[ `]", PAGE), action
    for name in (*PRESETS, *UNIQUE_IDS, *LISTINGS):
        assert f"`{name}`" in PAGE, name
    for quality in Quality:
        assert f'`"{quality.value}"`' in PAGE, quality
