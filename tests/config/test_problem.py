import pytest

from pillarbox.config.problem import ConfigError, Path, Problem, dotted


@pytest.mark.parametrize(
    ("path", "key"),
    [
        (("timeouts", "idle"), "timeouts.idle"),
        (("listener", 0, "port"), "listener[1].port"),
        (("domains", "example.org", "maildir"), 'domains."example.org".maildir'),
        ((), ""),
    ],
)
def test_keys_are_written_as_people_write_them_and_positions_count_from_one(path: Path, key: str) -> None:
    assert dotted(path) == key


def test_a_problem_prints_its_place_its_key_and_what_to_do() -> None:
    problem = Problem("log.level", "is wrong", "write it right", "p.toml", 7)
    assert str(problem) == "p.toml:7: log.level: is wrong\n    write it right"
    assert str(Problem("", "no such file", source="p.toml")) == "p.toml: no such file"


def test_the_error_holds_and_prints_every_problem() -> None:
    error = ConfigError([Problem("a", "x"), Problem("b", "y")])
    assert [problem.key for problem in error.problems] == ["a", "b"]
    assert str(error) == "a: x\nb: y"
