"""The pipe: real programs that succeed, refuse, are killed, hang, chatter, and do not read."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.fetch.destinations.staging import AWKWARD, message, stage

from pillarbox.fetch.destination import Delivered, DestinationError, Failed, LineEnds, Sure
from pillarbox.fetch.destinations.pipe import Pipe


def run(pipe: Pipe, tmp_path: Path, octets: bytes = b"Subject: x\r\n\r\nbody\r\n") -> Delivered | Failed:
    staged = stage(tmp_path / "s", octets, ends=pipe.line_ends)
    pipe.open()
    [answer] = pipe.deliver([staged])
    pipe.close()
    assert answer.staged is staged
    assert staged.path.exists()
    return answer


def failed(answer: Delivered | Failed) -> Failed:
    assert isinstance(answer, Failed)
    return answer


@pytest.mark.parametrize("octets", [message(1), message(2, 3_000_000), AWKWARD, b""])
@pytest.mark.parametrize("ends", list(LineEnds))
def test_the_program_gets_every_octet(octets: bytes, ends: LineEnds, tmp_path: Path) -> None:
    code = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read())"
    pipe = Pipe([sys.executable, "-c", code, str(tmp_path / "out")], line_ends=ends)
    assert isinstance(run(pipe, tmp_path, octets), Delivered)
    got = (tmp_path / "out").read_bytes()
    assert (
        hashlib.sha256(got if b"\r" in got else got.replace(b"\n", b"\r\n")).digest() == hashlib.sha256(octets).digest()
    )
    assert pipe.sure is Sure.AT_LEAST_ONCE
    assert pipe.staging() is None


def test_values_reach_the_program_as_they_are(tmp_path: Path) -> None:
    code = "import os, sys; sys.stdin.read(); print(sys.argv[1:], os.environ['SENDER'], os.environ['X']); sys.exit(1)"
    command = [sys.executable, "-c", code, "-f{sender}", "{recipient}", "{account}", "{name}", "{size}", "{{}}"]
    pipe = Pipe(command, recipient="b@example.org", variables={"X": "y"})
    staged = stage(tmp_path, b"Return-Path: <a+b@example.org>\r\n\r\n", account="$(touch x); {name}")
    answer = failed(pipe.deliver([staged])[0])
    expected = ["-fa+b@example.org", "b@example.org", "$(touch x); {name}", staged.name, "34", "{}"]
    assert f"{expected} a+b@example.org y" in answer.reason
    assert pipe.find(staged) is None


def test_a_hostile_return_path_is_no_option_and_no_command(tmp_path: Path) -> None:
    for hostile in (b"-oQ/tmp@x", b"$(touch${IFS}pwned)@x", b"a@x;touch pwned", b"`id`@x"):
        pipe = Pipe('cat >/dev/null; echo "<$SENDER>"; exit 1', shell=True, directory=tmp_path)
        assert failed(run(pipe, tmp_path, b"Return-Path: <" + hostile + b">\r\n\r\n")).reason.endswith(": <>")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["s"]


@pytest.mark.parametrize(
    ("command", "temporary", "bad", "text"),
    [
        ("cat >/dev/null; echo no such user >&2; exit 67", False, True, "exit status 67: no such user"),
        ("cat >/dev/null; exit 75", True, False, "EX_TEMPFAIL"),
        ("kill -9 $$", True, False, "SIGKILL"),
        ("kill -15 $$", True, False, "SIGTERM"),
        ("/no/such/program", True, False, "there is no such program"),
        ("exit 0", False, False, "did not read the whole message"),
        ("dd bs=1 count=5 status=none", False, False, "did not read"),
    ],
)
def test_failures_are_told_apart(command: str, temporary: bool, bad: bool, text: str, tmp_path: Path) -> None:
    answer = failed(run(Pipe(command, shell=True), tmp_path))
    assert (answer.temporary, answer.message_is_bad) == (temporary, bad)
    assert text in answer.reason


def test_one_message_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    pipe = Pipe("! grep -q 'number 1$'", shell=True)
    batch = [stage(tmp_path, message(number), number, ends=LineEnds.LF) for number in range(3)]
    batch.append(stage(tmp_path, message(3), 3))
    batch[3].path.unlink()
    answers = pipe.deliver(batch)
    assert [type(answer) for answer in answers] == [Delivered, Failed, Delivered, Failed]
    assert failed(answers[3]).temporary


def test_a_program_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    pipe = Pipe(f"cat >/dev/null; sleep 60 & echo $! >{pid}; echo waiting; wait", shell=True, time_limit=0.5)
    answer = failed(run(pipe, tmp_path))
    assert answer.temporary
    assert "longer than 0.5 seconds and was ended: waiting" in answer.reason
    assert gone(int(pid.read_text()))


def gone(process: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_a_program_that_closes_its_output_and_hangs_is_ended(tmp_path: Path) -> None:
    answer = failed(run(Pipe("exec >&- 2>&-; sleep 60", shell=True, time_limit=0.5), tmp_path))
    assert "longer than 0.5 seconds" in answer.reason


def test_a_child_left_behind_that_holds_the_output_does_not_hold_us(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    answer = run(Pipe(f"cat >/dev/null; sleep 30 & echo $! >{pid}", shell=True, time_limit=20), tmp_path)
    os.kill(int(pid.read_text()), signal.SIGKILL)
    assert isinstance(answer, Delivered)


def test_a_flood_of_output_is_bounded_and_cleaned(tmp_path: Path) -> None:
    code = (
        "import sys; sys.stdin.read(); [sys.stdout.write('\\x1b[31m' + 'x' * 9995) for _ in range(3000)]; sys.exit(1)"
    )
    answer = failed(run(Pipe([sys.executable, "-c", code]), tmp_path))
    assert len(answer.reason) < 400
    assert "\x1b" not in answer.reason


def test_when_we_are_killed_the_program_still_gets_the_whole_message(tmp_path: Path) -> None:
    octets = message(1, 500_000)
    staged = stage(tmp_path / "s", octets)
    out, ready = tmp_path / "out", tmp_path / "ready"
    pipe = Pipe(f"touch {ready}; sleep 0.3; cat >{out}.tmp; mv {out}.tmp {out}", shell=True)
    child = os.fork()
    if not child:
        pipe.deliver([staged])
        os._exit(0)
    while not ready.exists():
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for _ in range(200):
        if out.exists():
            break
        time.sleep(0.02)
    assert out.read_bytes() == octets


def test_a_program_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(DestinationError, match="no such program that this user may run: install it") as caught:
        Pipe(["no-such-mda"]).open()
    assert not caught.value.temporary
    with pytest.raises(DestinationError, match="does not exist"):
        Pipe(["/no/such/mda"]).deliver([stage(tmp_path, b"x\r\n")])
    with pytest.raises(DestinationError, match="no such directory"):
        Pipe(["true"], directory=tmp_path / "none").open()


def test_no_descriptor_and_no_process_is_left(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        run(Pipe(["cat"]), tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before
    children = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "comm="], capture_output=True, check=False
    ).stdout
    assert b"cat" not in children.split()
