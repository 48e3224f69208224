import os
from pathlib import Path

import pytest

from pillarbox.config import ConfigError, Problem
from pillarbox.config.load import load, parse
from pillarbox.config.read import MAX_FILE

ROOT = Path(__file__).parents[2]
TLS = '[tls]\ncertificate = "/c.pem"\nkey = "/k.pem"\n'

MANY = """\
[server]
workers = "4"
greeting = "[x"
[limits]
conections = 3
idle = 5
[timeouts]
idle = 30
[[listener]]
tls = "implict"
port = 99999
[[listener]]
tls = "starttls"
proxy_protocol = ["10.0.0.1/8", 3]
[[listener]]
[[listener]]
name = "pop3s"
address = "::1"
[maildir]
path = "/home/{usr}/x"
[domains."Example.org"]
maildr = "x"
[auth]
sources = ["acounts"]
[log]
level = "warn"
[foo]
"""


def problems(text: str) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "p.toml")
    return caught.value.problems


def test_all_problems_come_at_once_with_key_and_line_in_the_files_order() -> None:
    found = [(problem.line, problem.key) for problem in problems(MANY)]
    assert found == [
        (2, "server.workers"),
        (3, "server.greeting"),
        (5, "limits.conections"),
        (6, "limits.idle"),
        (8, "timeouts.idle"),
        (10, "listener[1].tls"),
        (11, "listener[1].port"),
        (14, "listener[2].proxy_protocol[1]"),
        (14, "listener[2].proxy_protocol[2]"),
        (16, "listener[4].port"),
        (17, "listener[4].name"),
        (20, "maildir.path"),
        (22, 'domains."Example.org".maildr'),
        (24, "auth.sources[1]"),
        (26, "log.level"),
        (27, "foo"),
        (None, "tls.certificate"),
    ]


def test_every_problem_says_what_to_do_and_none_speaks_pydantic() -> None:
    for problem in problems(MANY):
        assert problem.instead or problem.key == "server.greeting"
        for word in ("Input should", "pydantic", "type=", "extra_forbidden", "Extra inputs", "ctx", "tuple"):
            assert word not in str(problem)


def test_unknown_keys_get_the_nearest_key_or_their_right_place() -> None:
    by_key = {problem.key: problem for problem in problems(MANY)}
    assert by_key["limits.conections"].what == "unknown key"
    assert by_key["limits.conections"].instead == "did you mean `limits.connections`?"
    assert by_key["limits.idle"].instead == "it belongs elsewhere: `timeouts.idle`"
    assert "server, listener" in by_key["foo"].instead
    assert by_key["log.level"].instead == 'did you mean "warning"?'


def test_a_wrong_type_says_what_was_found_and_shows_an_example() -> None:
    [problem] = problems(TLS + '[timeouts]\nlogin = "soon"\n')
    assert problem.what == 'must be a number from 0.1 to 3600; found the text "soon"'
    assert problem.instead == "for example: login = 60"


@pytest.mark.parametrize("text", [
    "tls = 3", "tls = []", "listener = 3", "listener = [3]", "[listener]", "domains = 1", "[domains]\nx = 1",
    "[[domains]]", "server = true", "[tls]\nsni = 1", "[tls]\nsni = [[]]", "[tls]\ncertificate = 3",
    "[[listener]]\naddress = 3", "[[listener]]\naddress = [3]", "[[listener]]\ncleartext_login = {}",
    '[domains."a b"]', "[auth]\npasswd_file = 3", "[server]\ngreeting = 1979-05-27", "a.b.c.d = 1", '"" = 1',
    "[[listener]]\nname = []", "[auth]\nsources = [[]]", "[auth]\nsources = {}", "[log]\ntarget = 1",
])  # fmt: skip
def test_any_shape_of_nonsense_is_a_problem_and_never_an_exception(text: str) -> None:
    for problem in problems(text):
        assert problem.what
        assert "Input should" not in str(problem)


def test_one_slip_does_not_hide_another_across_sections() -> None:
    keys = [problem.key for problem in problems("[log]\nlevel = 3\n")]
    assert keys == ["log.level", "tls.certificate"]


@pytest.mark.parametrize("text", ["x = " + "[" * 5000, "x = " + "1" * 5000])
def test_hostile_sizes_are_a_problem(text: str) -> None:
    assert "too deep or too long" in problems(text)[0].what


def test_the_example_in_packaging_loads() -> None:
    settings = load(ROOT / "packaging" / "pillarbox.toml")
    assert settings.server.user == "vmail"
    assert settings.maildir_template("example.org") == "/var/mail/vhosts/{domain}/{user}/Maildir"
    assert settings.maildir_template("example.net") == "/var/mail/vhosts/{domain}/{user}"


def test_the_exception_commented_out_in_the_example_is_right_too() -> None:
    text = (ROOT / "packaging" / "pillarbox.toml").read_text()
    start = text.index("# [[listener.cleartext_login]]")
    block = "\n".join(line.removeprefix("# ") for line in text[start:].split("\n")[:4])
    assert parse(text[:start] + block + text[start:]).listener[1].cleartext_login


def test_relative_paths_start_at_the_files_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "p.toml").write_text('[tls]\ncertificate = "c.pem"\nkey = "k/k.pem"\n')
    assert load(tmp_path / "p.toml").tls.key == tmp_path / "k" / "k.pem"
    monkeypatch.chdir(tmp_path)
    assert load("p.toml").tls.certificate == tmp_path / "c.pem"


def test_windows_files_are_read(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_bytes(b"\xef\xbb\xbf" + TLS.replace("\n", "\r\n").encode())
    assert load(file).tls.key == Path("/k.pem")


def test_files_that_cannot_be_read_are_problems(tmp_path: Path) -> None:
    def problem(path: Path) -> Problem:
        with pytest.raises(ConfigError) as caught:
            load(path)
        [found] = caught.value.problems
        assert found.source == str(path)
        assert found.instead
        return found

    latin, huge, pipe = tmp_path / "latin", tmp_path / "huge", tmp_path / "pipe"
    latin.write_bytes(b'# x\n[server]\ngreeting = "gr\xfc\xdf"\n')
    huge.write_bytes(b"#" * (MAX_FILE + 1))
    os.mkfifo(pipe)
    assert "no such file" in problem(tmp_path / "none").what
    assert "directory" in problem(tmp_path).what
    assert "regular file" in problem(pipe).what
    assert "larger" in problem(huge).what
    assert "UTF-8" in problem(latin).what
    assert problem(latin).line == 3
    assert "cannot be read" in problem(latin / "below").what
    assert "cannot be read" in problem(Path("a\0b")).what
