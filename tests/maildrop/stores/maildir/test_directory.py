"""Names, stamps and safe ways to files."""

from __future__ import annotations

import errno
import os

import pytest
from tests.maildrop.stores.maildir.conftest import Box

from pillarbox.maildrop.errors import MaildropUnavailable
from pillarbox.maildrop.stores.maildir import directory as files


@pytest.mark.parametrize(
    ("name", "base"), [("1.a", "1.a"), ("1.a:2,", "1.a"), ("1.a:2,RS", "1.a"), ("1.a:1,x", "1.a:1,x"), (":2,S", "")]
)
def test_base_name(name: str, base: str) -> None:
    """P26: all but the flags."""
    assert files.base_name(name) == base


def test_settled() -> None:
    """A stamp is believed once it is older than the coarsest clock; one of the future never is."""
    old, recent, future = (int(seconds * 1e9) for seconds in (90, 99, 200))
    assert files.settled((old, old, 1, 2), 100.0) == (old, old, 1, 2)
    for stamp in ((recent, old, 1, 2), (old, recent, 1, 2), (future, old, 1, 2)):
        assert files.settled(stamp, 100.0)[0] == files.UNTRUSTED


def test_only_regular_files_are_opened(box: Box) -> None:
    box.deliver(name="1.a")
    (box.path / "new" / "2.link").symlink_to("1.a")
    os.mkfifo(box.path / "new" / "3.pipe")
    root = os.open(box.path, os.O_RDONLY)
    new = files.open_directory(root, files.NEW)
    assert new is not None
    descriptor, status = files.open_file(new, "1.a")
    assert status.st_size > 0
    os.close(descriptor)
    for name in ("2.link", "3.pipe", "."):
        with pytest.raises(OSError) as refused:
            files.open_file(new, name)
        assert refused.value.errno == errno.ELOOP
    os.close(new)
    os.close(root)


def test_open_root() -> None:
    assert files.open_root("/nowhere/at/all") is None
    for path in ("relative", "/a\0b", "/etc/passwd"):
        with pytest.raises(MaildropUnavailable) as refused:
            files.open_root(path)
        assert refused.value.permanent


def test_locate(box: Box) -> None:
    """Messages are found by base name in both directories."""
    box.deliver(name="1.a")
    (box.path / "cur" / "2.b:2,S").write_text("x")
    (box.path / "cur" / "1.a:2,").write_text("x")
    root = os.open(box.path, os.O_RDONLY)
    assert files.locate(root, ["1.a", "2.b", "3.c"]) == {"1.a": [(0, "1.a"), (1, "1.a:2,")], "2.b": [(1, "2.b:2,S")]}
    os.close(root)
