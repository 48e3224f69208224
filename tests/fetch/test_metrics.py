import re
from pathlib import Path

import pytest

from pillarbox.fetch.metrics import metrics, write_metrics
from pillarbox.fetch.status import Standing

ADA = Standing("ada", 1.0, last_run=20.5, last_success=None, failures=2, fetched=7, octets=700, runs=3, failed_runs=2)


def test_each_line_is_a_sample_with_its_type_before_it() -> None:
    text = metrics([ADA, Standing('o"d\\d\n', 1.0)])
    declared = set()
    for line in text.splitlines():
        if found := re.fullmatch(r"# TYPE (\S+) (gauge|counter)", line):
            declared.add(found[1])
        elif not line.startswith("# HELP "):
            sample = re.fullmatch(r'(pillarbox_fetch_\w+)\{account="((?:[^"\\\n]|\\.)*)"\} \S+', line)
            assert sample, line
            assert sample[1] in declared
    assert 'pillarbox_fetch_messages_total{account="ada"} 7\n' in text
    assert 'pillarbox_fetch_last_run_timestamp_seconds{account="ada"} 20.5\n' in text
    assert 'last_success_timestamp_seconds{account="ada"}' not in text
    assert 'account="o\\"d\\\\d\\n"' in text


def test_the_file_is_replaced_whole_and_readable(tmp_path: Path) -> None:
    path = tmp_path / "pillarbox.prom"
    path.write_text("old")
    write_metrics(path, [ADA])
    assert path.read_text() == metrics([ADA])
    assert path.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in tmp_path.iterdir()] == ["pillarbox.prom"]
    with pytest.raises(OSError, match="No such file"):
        write_metrics(tmp_path / "missing" / "x", [ADA])
