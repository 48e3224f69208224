"""CPU and memory of a process tree, from /proc and from a cgroup."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from bench.usage import Cgroup, Stat, TreeMeter, living, members, parse_stat, proportional_memory, tree_ticks

_LINE = "42 (a name) (of sorts)) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 1 0 5 6 7"

# Burns CPU in a child that has ended before the line is printed, then waits for the end of its input.
_BURNER = """
import os, sys, time
child = os.fork()
if not child:
    until = time.process_time() + 0.1
    while time.process_time() < until: pass
    os._exit(0)
os.waitpid(child, 0)
print("done", flush=True)
sys.stdin.read()
"""


def test_a_stat_line_with_brackets_in_the_name() -> None:
    assert parse_stat(_LINE) == Stat(parent=7, own=120, reaped=7)


@pytest.mark.parametrize("line", ["", "42 name S 7", "42 (name) S 7 42"])
def test_other_lines_are_refused(line: str) -> None:
    with pytest.raises(ValueError):
        parse_stat(line)


def test_a_tree_counts_descendants_and_the_reaped_but_no_neighbours() -> None:
    stats = {
        10: Stat(parent=1, own=5, reaped=100),
        11: Stat(parent=10, own=7, reaped=0),
        12: Stat(parent=11, own=11, reaped=1),
        13: Stat(parent=1, own=1000, reaped=1000),
    }

    assert sorted(members(stats, 10)) == [10, 11, 12]
    assert tree_ticks(stats, 10) == 5 + 100 + 7 + 11 + 1
    assert tree_ticks(stats, 99) == 0


@pytest.fixture
def burner() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", _BURNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "done\n"
    yield process
    process.communicate()


def test_cpu_of_an_ended_child_is_counted(burner: subprocess.Popen[str]) -> None:
    assert TreeMeter(burner.pid).seconds() >= 0.09


def test_a_living_tree_has_members_and_memory(burner: subprocess.Popen[str]) -> None:
    assert living(burner.pid) == [burner.pid]
    assert proportional_memory(burner.pid) > 1 << 20


def test_a_cgroup_counts_all_that_ran_in_it_and_goes_away() -> None:
    cgroup = Cgroup.create(f"pillarbox-test-{os.getpid()}")
    if cgroup is None:
        pytest.skip("no right to make a cgroup v2 here")
    try:
        before = cgroup.seconds()
        script = f'echo $$ >"{cgroup.path}/cgroup.procs"; exec "$@"'
        subprocess.run(
            ["/bin/sh", "-c", script, "sh", sys.executable, "-c", _BURNER], stdin=subprocess.DEVNULL, check=True
        )
        assert cgroup.seconds() - before >= 0.1
    finally:
        cgroup.remove()
    assert not cgroup.path.exists()
