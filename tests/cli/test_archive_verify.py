"""`pillarbox archive verify`: what it says, and its exit code."""

import json
from pathlib import Path

from tests.archive.mail import filled, message
from tests.cli.test_archive import run


def test_a_flipped_bit_is_named_and_mended(tmp_path: Path) -> None:
    place = filled(tmp_path / "a", message(1), message(2))
    assert "everything is as it was written" in run(place, "verify").stdout
    path = next((place / "objects").rglob("*.eml"))
    whole = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(whole[:20] + bytes([whole[20] ^ 8]) + whole[21:])
    shown = run(place, "verify", code=1).stdout
    assert f"flipped bit: {path.relative_to(place)}: octet 20, bit 3 (message" in shown
    found = json.loads(run(place, "verify", "--json", code=1).stdout)
    assert not found["sound"]
    assert [(one["kind"], one["start"], one["bit"]) for one in found["findings"]] == [("flipped bit", 20, 3)]
    assert "mended: flipped bit" in run(place, "verify", "--repair").stderr
    assert path.read_bytes() == whole


def test_what_the_log_has_lost_is_recorded_again(tmp_path: Path) -> None:
    place = filled(tmp_path / "a", message(1), message(2))
    (place / "log.jsonl").write_bytes(b"")
    shown = run(place, "verify", code=1).stdout
    assert shown.count("not in the log") == 2
    assert "recorded 2 messages again" in run(place, "verify", "--rebuild").stderr
    assert json.loads(run(place, "verify", "--json").stdout)["messages"] == 2


def test_more_damage_is_a_block_and_no_repair_helps(tmp_path: Path) -> None:
    place = filled(tmp_path / "a", message(1))
    path = next((place / "objects").rglob("*.eml"))
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"Hello", b"HELLO"))
    assert "damaged: " in run(place, "verify", "--repair", code=1).stdout
    path.unlink()
    assert "missing: " in run(place, "verify", code=1).stdout
