"""P29: unique-ids of Dovecot and Courier, so that no client downloads everything again."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pillarbox.maildrop.stores.maildir.imports import Source, check_dovecot_format, read_list

DOVECOT = b"""3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1
25 :1.a,S=14:2,S
4294967290 PUID12-34 W17 :2.b:2,
4294967291 P :3.c
4294967292 Gcafe W9 :4.d
not a line
7 W5 no colon
4294967293 PUID12-34 :5.twice
"""
FORMATS = [
    *("%08Xu%08Xv", "%v.%u", "%08Xv%08Xu", "%f", "%g", "%Xu", "%UXv", "%XUv", "%3u", "%03u", "%2.3v"),
    *("%Mf", "%Rf", "%Lf", "%5v", "%05Xv", "%012v", "a%%b%u", "%XMu", "%XRv"),
]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def test_dovecot_list(root: int, tmp_path: Path) -> None:
    """A stored id wins, an empty one means the file name, the format does the rest; no id is given twice."""
    (tmp_path / "dovecot-uidlist").write_bytes(DOVECOT)
    assert read_list(root, Source.DOVECOT, "%08Xu%08Xv") == {
        b"1.a,S=14": b"000000194c0907b0",
        b"2.b": b"UID12-34",
        b"3.c": b"3.c",
        b"4.d": b"fffffffc4c0907b0",
    }


@pytest.mark.parametrize(
    ("form", "expected"),
    [("%v.%u", b"1275660208.25"), ("%08Xv%08Xu", b"4c0907b000000019"), ("%g", b"1.a,S=14"), ("%05Xv", b"4c0907b0")],
)
def test_formats(root: int, tmp_path: Path, form: str, expected: bytes) -> None:
    """Cyrus, UW and file-name formats; filling with zeros never cuts."""
    (tmp_path / "dovecot-uidlist").write_bytes(DOVECOT)
    assert read_list(root, Source.DOVECOT, form)[b"1.a,S=14"] == expected


@pytest.mark.parametrize("form", ["%m", "%x", "%", "%Hu", "%Nu", "100%", "%-3f"])
def test_unknown_formats_are_refused(form: str) -> None:
    with pytest.raises(ValueError, match="pop3_uidl_format"):
        check_dovecot_format(form)


def test_dovecot_version_1(root: int, tmp_path: Path) -> None:
    (tmp_path / "dovecot-uidlist").write_bytes(b"1 1000 5\n3 1.a:2,S\n4 2.b\n")
    assert read_list(root, Source.DOVECOT, "%v.%u") == {b"1.a": b"1000.3", b"2.b": b"1000.4"}


def test_courier_lists(root: int, tmp_path: Path) -> None:
    """The lines of all versions, and Courier's escapes where it used the file name."""
    (tmp_path / "courierpop3dsizelist").write_bytes(
        b"/3 9 1187\n1.a:2,S 100 5:1187:0\n2.b 100 6:1187\n3.c 9 7\n4.it's 9 0:0:0\nbroken\n5.d x 1:2\n6.e 9 5:1187:1\n"
    )
    assert read_list(root, Source.COURIER, "") == {
        b"1.a": b"UID5-1187",
        b"2.b": b"UID6-1187",
        b"3.c": b"UID7",
        b"4.it's": b"4.it+27s",
    }


@pytest.mark.parametrize("content", [b"", b"\n", b"3 N5\n1 :a\n", b"2 x\n1 :a\n", b"\xff\0\xff", b"/9 1 1\na 1 1:1\n"])
@pytest.mark.parametrize("source", list(Source))
def test_unknown_lists_give_nothing(root: int, tmp_path: Path, content: bytes, source: Source) -> None:
    (tmp_path / source.file).write_bytes(content)
    assert read_list(root, source, "%v.%u") == {}


def test_no_list(root: int) -> None:
    assert read_list(root, Source.DOVECOT, "%u") == {}


@pytest.mark.peer
@pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/usr/lib/dovecot/pop3").exists() or shutil.which("setpriv") is None,
    reason="needs Dovecot's pop3 and the super-user, to start it as another user",
)
@pytest.mark.parametrize("form", FORMATS)
def test_as_dovecot_shows_them(tmp_path_factory: pytest.TempPathFactory, form: str) -> None:
    """The same list, asked of Dovecot itself."""
    base = Path(tmp_path_factory.mktemp("dovecot"))
    for parent in (base, *list(base.parents)[:-2]):
        parent.chmod(parent.stat().st_mode | 0o711)
    box = base / "box"
    for folder in ("new", "cur", "tmp"):
        (box / folder).mkdir(parents=True)
    for name in ("1.a,S=14:2,S", "2.b:2,", "3.c:2,", "4.d:2,"):
        (box / "cur" / name).write_bytes(b"Subject: a\n\nx\n")
    (box / "dovecot-uidlist").write_bytes(DOVECOT)
    (base / "conf").write_text(
        f"mail_location = maildir:{box}:INDEX=MEMORY\nssl = no\nbase_dir = {base}\nlog_path = /dev/null\n"
        f"mail_uid = 65534\nmail_gid = 65534\npop3_uidl_format = {form}\n"
    )
    for path in (base, *base.rglob("*")):
        os.chown(path, 65534, 65534)
    ours_root = os.open(box, os.O_RDONLY)
    ours = list(read_list(ours_root, Source.DOVECOT, form).values())
    os.close(ours_root)
    asked = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/lib/dovecot/pop3", "-c", base / "conf"],
        input=b"UIDL\r\nQUIT\r\n",
        env={"HOME": str(base), "USER": "nobody"},
        capture_output=True,
        check=False,
        timeout=20,
    )
    lines = [line.split(b" ", 1)[1] for line in asked.stdout.split(b"\r\n") if line[:1].isdigit()]
    # Dovecot may give one id to several messages; the first keeps it here.
    assert list(dict.fromkeys(lines)) == ours
