"""The report: what may be published is published, and what may not is not."""

from __future__ import annotations

import json

import pytest

from pillarbox.testing.torture import report
from pillarbox.testing.torture.cases import Case, Family
from pillarbox.testing.torture.clients import Description
from pillarbox.testing.torture.judge import Failure, Fault, Result
from pillarbox.testing.torture.report import ReportError, tortured
from pillarbox.testing.torture.run import Ran


def client(*, own: bool) -> Description:
    return Description("theirs" if not own else "ours", ("x",), {}, {"implicit": {}}, own=own, note="a note")


def result(name: str, family: Family, *faults: Fault, twice: int = 0) -> Result:
    case = Case(name, family, "a promise", ("endless at RETR",))
    failures = tuple(Failure(fault, "detail") for fault in faults)
    return Result(case, "x", failures, 0, twice, (Ran(1.5, 0, 10, 20, b"said"),), "C: QUIT\n")


@pytest.mark.parametrize("fault", [Fault.MEMORY, Fault.DISK, Fault.CRASH])
def test_what_other_programs_do_not_survive_is_not_told(fault: Fault) -> None:
    results = [result("secret trigger", Family.SIZE, fault), result("fine", Family.TIME)]
    table = report.markdown([tortured(client(own=False), "theirs 1.0", results)])
    assert "| theirs | theirs 1.0 | did not pass | not run | not run |" in table
    for word in ("secret", "trigger", fault.value, "1 of 2", "fine"):
        assert word not in table
    exact = report.markdown([tortured(client(own=False), "", [result("secret", Family.CUT, fault, twice=3)])])
    assert "| did not pass |" in exact
    assert "twice 3" not in exact


def test_the_rest_is_told_in_numbers_and_ours_in_every_case() -> None:
    results = [
        result("one", Family.SIZE),
        result("two", Family.TLS, Fault.LEAK),
        result("cut", Family.CUT, Fault.DUPLICATE, twice=2),
        result("kill", Family.KILL),
    ]
    table = report.markdown([tortured(client(own=own), "1.0", results) for own in (False, True)])
    assert "| theirs | 1.0 | passed 1 of 2 | passed 0 of 1; lost 0, twice 2 | passed 1 of 1; lost 0, twice 0 |" in table
    assert table.count("| size: one | a promise | passed |") == 1
    assert table.count("| TLS: two | a promise | sent the password |") == 1
    assert "- theirs: a note." in table


def test_details_hold_everything() -> None:
    told = report.details([tortured(client(own=False), "1.0", [result("trigger", Family.SIZE, Fault.MEMORY)])])
    (found,) = json.loads(told)
    assert found["details"][0]["case"] == "trigger"
    assert found["details"][0]["failures"] == ["took more memory than it may: detail"]
    assert found["details"][0]["runs"][0]["memory"] == 10


def test_details_can_be_read_again_for_the_table() -> None:
    results = [result("one", Family.SIZE), result("two", Family.KILL, Fault.DUPLICATE, twice=2)]
    done = [tortured(client(own=own), "1.0", results) for own in (False, True)]
    again = report.read(report.details(done))
    assert report.markdown(again) == report.markdown(done)
    assert [each.passed for each in again] == [False, False]
    with pytest.raises(ReportError, match="no details of the torture suite"):
        report.read("{}")


def test_a_page_gets_its_table() -> None:
    page = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    new = report.inserted(page, "new\n")
    assert new == f"before\n{report.BEGIN}\n\nnew\n\n{report.END}\nafter\n"
    assert report.inserted(new, "new\n") == new
    with pytest.raises(ReportError, match="needs the lines"):
        report.inserted("nothing", "new")
