"""Turning one bit back; that what `verify` finds can be mended is proved in test_verify."""

import os
from pathlib import Path

from tests.archive.mail import filled, message

from pillarbox.archive import Archive
from pillarbox.archive.repair import repair
from pillarbox.archive.verify import Finding, Kind, verify


def test_a_message_that_has_changed_since_is_not_touched(tmp_path: Path) -> None:
    place = filled(tmp_path / "a", message(1))
    (path,) = (place / "objects").rglob("*.eml")
    path.chmod(0o600)
    octets = bytearray(path.read_bytes())
    octets[10] ^= 4
    path.write_bytes(octets)
    with Archive.open(place) as archive:
        (found,) = verify(archive).findings
        octets[20] ^= 1
        path.write_bytes(octets)
        assert not repair(archive, found)
        assert path.read_bytes() == octets
        octets[20] ^= 1
        path.write_bytes(octets)
        assert repair(archive, found)
        assert path.read_bytes() == message(1)
        assert os.listdir(archive.layout.tmp) == []


def test_what_is_no_flipped_bit_is_left_alone(tmp_path: Path) -> None:
    place = filled(tmp_path / "a", message(1))
    with Archive.open(place) as archive:
        assert not repair(archive, Finding(Kind.MISSING, "objects/00/x.eml"))
        assert verify(archive).sound
