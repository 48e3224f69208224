"""Destinations against real programs: Dovecot's IMAP and LMTP, procmail, mutt, and Dovecot reading an mbox."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fetch.destinations.dovecot_store import MISSING, PASSWORD, DovecotStore
from tests.fetch.destinations.staging import mbox_messages, message, stage

from pillarbox.client.tls_rules import TlsRules
from pillarbox.fetch.destination import Delivered, DestinationError, Failed, LineEnds, Staged
from pillarbox.fetch.destinations.imap import Imap
from pillarbox.fetch.destinations.mail_server import MailServer
from pillarbox.fetch.destinations.mbox import Mbox
from pillarbox.fetch.destinations.pipe import Pipe
from pillarbox.fetch.destinations.smtp import Lmtp

pytestmark = pytest.mark.peer
with_dovecot = pytest.mark.skipif(MISSING is not None, reason=MISSING or "")

DATED = b"Received: by x; Tue, 14 Nov 2023 22:13:20 +0000\r\n"
OCTETS = [
    DATED + message(1),
    message(2, 2_000_000),
    message(3).replace(b"Message-ID", b"X-No-Id"),
    b"Subject: 8 bit \xe9\xff\r\n\r\n.\r\n..\r\n" + b"x" * 20_000 + b"\r\n",
]


@pytest.fixture(scope="module")
def dovecot() -> Iterator[DovecotStore]:
    with DovecotStore() as running:
        yield running


def batch_in(directory: Path, octets: list[bytes] = OCTETS, ends: LineEnds = LineEnds.CRLF) -> list[Staged]:
    return [stage(directory, one, number, ends=ends) for number, one in enumerate(octets)]


@with_dovecot
@pytest.mark.parametrize("starttls", [False, True])
def test_imap_takes_every_octet_and_finds_it_again(dovecot: DovecotStore, starttls: bool, tmp_path: Path) -> None:
    folder = f"From & to.Käthe {starttls}"
    imap = Imap(dovecot.imap(starttls=starttls), folder=folder, create=True, flags=(r"\Seen", "$Fetched"))
    imap.open()
    batch = batch_in(tmp_path)
    assert [imap.find(staged) for staged in batch] == [None] * 4
    answers = imap.deliver(batch)
    ids = [answer.id for answer in answers if isinstance(answer, Delivered)]
    assert [int(one.rpartition(":")[2]) for one in ids] == [1, 2, 3, 4]
    assert [imap.find(staged) for staged in batch] == [f"{folder}:{number}" for number in (1, 2, 3, 4)]
    batch[2].path.unlink()
    assert imap.find(batch[2]) == f"{folder}:3", "by its size and hash alone"
    other = stage(tmp_path / "other", OCTETS[0].replace(b"start", b"stArt"), 9)
    assert imap.find(other) is None, "the same Message-ID and size are not the same message"
    imap.close()
    stored = dovecot.messages("From &- to.K&AOQ-the " + str(starttls))
    assert [hashlib.sha256(octets).digest() for _, octets in stored] == [staged.sha256 for staged in batch]
    assert all(rb"\Seen" in facts and b"$Fetched" in facts for facts, _ in stored)
    assert b"14-Nov-2023" in stored[0][0]


@with_dovecot
@pytest.mark.parametrize("without", ["LITERAL+", "UIDPLUS LITERAL+ BINARY"])
def test_imap_does_without_extensions(without: str, tmp_path: Path) -> None:
    offered = " ".join({"IMAP4rev1", "LITERAL+", "UIDPLUS", "BINARY"} - set(without.split()))
    with DovecotStore(imap=f"imap_capability = {offered}") as dovecot:
        imap = Imap(dovecot.imap())
        answers = imap.deliver(batch := batch_in(tmp_path))
        assert all(isinstance(answer, Delivered) for answer in answers)
        bad = imap.deliver([stage(tmp_path, b"NUL: \0\r\n\r\n", 99)])[0]
        assert isinstance(bad, Failed)
        assert bad.message_is_bad
        imap.close()
        stored = [octets for _, octets in dovecot.messages()]
    assert [hashlib.sha256(octets).digest() for octets in stored] == [staged.sha256 for staged in batch]


@with_dovecot
def test_imap_takes_a_message_with_nul_octets_where_the_server_can(dovecot: DovecotStore, tmp_path: Path) -> None:
    imap = Imap(dovecot.imap(), folder="Binary", create=True)
    [answer] = imap.deliver([stage(tmp_path, b"A: b\r\n\r\nx\0y\r\n", 1)])
    imap.close()
    assert isinstance(answer, Delivered | Failed)
    if isinstance(answer, Failed):
        assert answer.message_is_bad
    else:
        assert len(dovecot.messages("Binary")) == 1


@with_dovecot
def test_imap_says_what_is_wrong(dovecot: DovecotStore) -> None:
    with pytest.raises(DestinationError, match=r"login of ada was refused: .*mend the user's name or the password"):
        Imap(dovecot.imap(password="wrong")).open()
    with pytest.raises(DestinationError, match='no folder "None": make it, or say `create = true`'):
        Imap(dovecot.imap(), folder="None").open()
    untrusted = MailServer("localhost", dovecot.imaps_port, user="ada", password=PASSWORD)
    with pytest.raises(DestinationError, match="certificate was refused: self-signed certificate: mend"):
        Imap(untrusted).open()
    rules = TlsRules(ca_file=dovecot.certificate, name="elsewhere.example.org")
    wrong_name = MailServer("localhost", dovecot.imaps_port, user="ada", password="x", tls=rules)
    with pytest.raises(DestinationError, match="certificate was refused"):
        Imap(wrong_name).open()
    with pytest.raises(DestinationError, match="TLS failed"):
        Imap(MailServer("localhost", dovecot.imap_port, user="ada", password="x", timeout=5)).open()


@with_dovecot
def test_imap_goes_on_after_the_connection_was_cut(dovecot: DovecotStore, tmp_path: Path) -> None:
    imap = Imap(dovecot.imap(), folder="Cut", create=True)
    batch = batch_in(tmp_path)
    imap.deliver(batch[:1])
    assert imap._session is not None
    imap._session._imap.sock.shutdown(2)
    answers = imap.deliver(batch)
    imap.close()
    assert all(isinstance(answer, Delivered) for answer in answers)
    assert imap.uncertain == 0
    assert len(dovecot.messages("Cut")) == 4, "the first of them was looked for, and found"


@with_dovecot
@pytest.mark.parametrize("unix", [False, True])
def test_lmtp_takes_every_octet(dovecot: DovecotStore, unix: bool, tmp_path: Path) -> None:
    lmtp = Lmtp(dovecot.lmtp(unix=unix), "ada@example.org", sender="bob@example.org")
    lmtp.open()
    before = len(dovecot.messages())
    answers = lmtp.deliver(batch_in(tmp_path))
    lmtp.close()
    assert all(isinstance(answer, Delivered) for answer in answers)
    stored = [octets for _, octets in dovecot.messages()[before:]]
    # Dovecot adds Return-Path, Delivered-To and Received in front.
    assert all(octets.endswith(one) for octets, one in zip(stored, OCTETS, strict=True))
    assert all(octets.startswith(b"Return-Path: <bob@example.org>\r\n") for octets in stored)


@with_dovecot
def test_dovecot_reads_our_mbox_and_finds_every_octet(tmp_path: Path) -> None:
    octets = [message(1), message(2, 100_000), b"From: x\r\n\r\nFrom here\r\n>From there\r\n"]
    with DovecotStore("mbox") as dovecot:
        inbox = dovecot.home / "inbox"
        mbox = Mbox(inbox)
        mbox.open()
        nobody = pwd.getpwnam("nobody")
        os.chown(inbox, nobody.pw_uid, nobody.pw_gid)
        mbox.deliver(batch := batch_in(tmp_path, octets, LineEnds.LF))
        stored = [one for _, one in dovecot.messages()]
        # Dovecot knows mboxo's quoting no more than mboxrd's: it shows what stands in the file.
        assert [re.sub(rb"(?m)^>(>*From )", rb"\1", one) for one in stored] == octets
        # It has written its own fields into ours meanwhile, or will; both are still found.
        (dovecot.home / ".inbox.pillarbox").unlink()
        assert all(mbox.find(staged) for staged in batch)
        assert all(isinstance(one, Delivered) for one in mbox.deliver([stage(tmp_path, message(7), 7)]))
        assert len(dovecot.messages()) == 4


@pytest.mark.skipif(not shutil.which("procmail"), reason="needs procmail (Debian package procmail)")
def test_procmail_takes_messages_from_a_pipe_while_we_append_to_its_mbox(tmp_path: Path) -> None:
    """Its locks and ours keep the two apart: 20 messages of each in one file, all whole."""
    inbox = tmp_path / "inbox"
    rc = tmp_path / "rc"
    rc.write_text(f"SHELL=/bin/sh\nDEFAULT={inbox}\nLOCKSLEEP=1\n:0:\n{inbox}\n")
    # procmail wants a file of rules that nobody else can write, in a directory likewise.
    tmp_path.chmod(0o700)
    pipe = Pipe(
        [shutil.which("procmail") or "", "-f", "x@example.org", str(rc)], variables={"PATH": os.environ["PATH"]}
    )
    pipe.open()
    mbox = Mbox(inbox)
    ours = [stage(tmp_path / "ours", message(number, 3_000), number, ends=LineEnds.LF) for number in range(20)]
    theirs = [stage(tmp_path / "theirs", message(n, 3_000), n, ends=LineEnds.LF) for n in range(20, 40)]
    answers: list[Delivered | Failed] = []
    thread = threading.Thread(target=lambda: answers.extend(pipe.deliver(theirs)))
    thread.start()
    for staged in ours:
        mbox.deliver([staged])
    thread.join()
    assert all(isinstance(answer, Delivered) for answer in answers), answers
    subjects = [
        re.findall(rb"^Subject: number (\d+)\r$", octets, re.MULTILINE)
        for _, octets in mbox_messages(inbox.read_bytes())
    ]
    assert sorted(int(one) for [one] in subjects) == list(range(40))


@pytest.mark.skipif(
    not (shutil.which("mutt") and shutil.which("script")), reason="needs mutt and script (Debian: mutt, bsdutils)"
)
def test_mutt_marks_and_deletes_messages_and_the_others_are_found(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    mbox = Mbox(inbox)
    batch = [stage(tmp_path / "s", message(number, 1_000), number, ends=LineEnds.LF) for number in range(5)]
    mbox.deliver(batch)
    (tmp_path / ".inbox.pillarbox").unlink()
    (tmp_path / "rc").write_text(
        "set delete=yes mark_old=no confirmappend=no quit=yes move=no\n"
        f'set folder={tmp_path} sort=mailbox-order\npush "<first-entry><delete-message><sync-mailbox><quit>"\n'
    )
    command = f"mutt -n -F {tmp_path}/rc -f {inbox}"
    environment = {**os.environ, "TERM": "xterm", "HOME": str(tmp_path), "LC_ALL": "C"}
    subprocess.run(
        ["script", "-qec", command, "/dev/null"], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
        timeout=30, check=False,
    )  # fmt: skip
    found = [mbox.find(staged) is not None for staged in batch]
    assert found == [False, True, True, True, True], inbox.read_bytes()
