"""The archive's bench: its corpus is the same every time, and a small run of it works."""

import json
from pathlib import Path

import pytest
from bench.archive import Corpus, main


def test_the_corpus_is_the_same_every_time() -> None:
    one, other = Corpus(), Corpus()
    assert [one.message(number, 20) for number in range(20)] == [other.message(number, 20) for number in range(20)]
    assert len(set(one.vocabulary)) == len(one.vocabulary)


def test_a_small_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--messages", "60", "--rounds", "1", "--json", "--directory", str(tmp_path)])
    shown = json.loads(capsys.readouterr().out)
    assert shown["added"]["messages"] == 60
    assert shown["searches_ms"]["everything"]["found"] == 60
    assert shown["files"]["index.sqlite"] > 0
