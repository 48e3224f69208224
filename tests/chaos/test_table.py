"""The table of accidents: its counting, and one accident of each kind for ours."""

from __future__ import annotations

import random

import pytest
from tests.chaos.table import ACCIDENTS, Count, table

from pillarbox.testing.torture.clients import built_in, read

pytestmark = pytest.mark.slow

FORGETFUL = """
[forgetful]
command = ["{python}", "{home}/client.py", "{host}", "{port}", "{ca}", "{maildir}"]
modes.implicit = {}

[forgetful.files]
"client.py" = '''
import os, poplib, ssl, sys
host, port, ca, maildir = sys.argv[1:]
box = poplib.POP3_SSL(host, int(port), context=ssl.create_default_context(cafile=ca), timeout=5)
box.user("{user}")
box.pass_("{password}")
for number in range(1, box.stat()[0] + 1):
    with open(f"{maildir}/new/{os.getpid()}.{number}", "wb") as file:
        file.write(b"\\n".join(box.retr(number)[1]))
    box.dele(number)
box.quit()
'''
"""


def test_ours_has_nothing_wrong() -> None:
    row = table([built_in()["pillarbox fetch"]], times=2, seed=1).splitlines()[2]
    assert row == "| pillarbox fetch | 0 of 2 | 0 of 2 | 0 of 1 | 0 of 1 |"


def test_a_program_without_a_memory_is_seen_to_fetch_twice() -> None:
    """It fetches all again where QUIT was not carried out; the counting finds that, and nothing else."""
    accident = list(ACCIDENTS.values())[3]
    assert str(accident(read(FORGETFUL)["forgetful"], random.Random(1), 10)) == "20 twice (in 1 of 1)"


def test_what_is_wrong_is_said() -> None:
    count = Count()
    count.add(0, 0, 0, 0, 0)
    assert str(count) == "0 of 1"
    count.add(1, 2, 3, 4, 5)
    assert str(count) == "1 lost, 2 twice, 3 cut short, 4 not fetched, 5 not deleted (in 1 of 2)"
