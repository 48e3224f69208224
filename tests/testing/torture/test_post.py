"""The mail of the torture suite, and how it is known again."""

from __future__ import annotations

from pathlib import Path

from pillarbox.testing.torture import post


def test_a_message_is_known_by_its_token_and_body_whatever_is_put_before_it() -> None:
    sent = post.message(7, b"more\r\n")
    stored = b"Received: from here\nX-Added: yes\n" + sent.replace(b"\r\n", b"\n")
    assert post.token(stored) == 7
    assert post.body(stored) == post.body(sent)
    assert post.body(stored[:-20]) != post.body(sent)
    assert post.token(b"Subject: x\n\n") == 0
    assert len({post.token(each) for each in post.messages(10)}) == 10


def test_a_maildir_is_counted(tmp_path: Path) -> None:
    for part in ("tmp", "new", "cur"):
        (tmp_path / part).mkdir()
    one, two = post.messages(2)
    files = {"new/1": one, "new/2": one.replace(b"\r\n", b"\n"), "cur/3:2,S": two, "new/4": two[:-10], "new/5": b"?",
             "tmp/6": two, "new/.7": two}  # fmt: skip
    for name, octets in files.items():
        (tmp_path / name).write_bytes(octets)
    found = post.arrived(tmp_path, {1: [post.body(one)], 2: [post.body(two)]})
    assert found.whole == {1: 2, 2: 1}
    assert found.damaged == {2: 1}
    assert found.strange == 1
    assert post.arrived(tmp_path / "nothing", {}) == post.Arrived()
