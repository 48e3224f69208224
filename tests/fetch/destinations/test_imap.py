"""IMAP: a message whose fate is unknown is looked for before it is sent again, and refusals are told apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fetch.destinations.imap_server import Folder, serving
from tests.fetch.destinations.staging import message, stage

from pillarbox.fetch.destination import Delivered, DestinationError, Failed, LineEnds, Sure
from pillarbox.fetch.destinations.imap import Imap
from pillarbox.fetch.destinations.mail_server import MailServer, Security


def destination(port: int, *, create: bool = False) -> Imap:
    return Imap(MailServer("127.0.0.1", port, Security.NONE, "ada", "secret", timeout=5.0), create=create)


def failed(answer: Delivered | Failed) -> Failed:
    assert isinstance(answer, Failed)
    return answer


def test_messages_arrive_and_are_found(tmp_path: Path) -> None:
    folder = Folder()
    octets = [message(1), message(2, 600_000)]
    with serving(folder) as port:
        imap = destination(port)
        assert (imap.sure, imap.line_ends, imap.staging()) == (Sure.AT_LEAST_ONCE, LineEnds.CRLF, None)
        imap.open()
        batch = [stage(tmp_path, one, number) for number, one in enumerate(octets)]
        answers = imap.deliver(batch)
        assert [one.id for one in answers if isinstance(one, Delivered)] == ["INBOX:7:1", "INBOX:7:2"]
        assert [imap.find(staged) for staged in batch] == ["INBOX:1", "INBOX:2"]
        imap.close()
        imap.close()
    assert folder.messages == octets
    assert imap.uncertain == 0


@pytest.mark.parametrize("fault", ["lost", "cut"])
def test_a_lost_answer_is_asked_for(fault: str, tmp_path: Path) -> None:
    """Whether the connection broke before or after the message was stored: it is there once."""
    folder = Folder(faults={"APPEND": ["", fault]})
    with serving(folder) as port:
        imap = destination(port)
        answers = imap.deliver([stage(tmp_path, message(number), number) for number in range(4)])
        imap.close()
    assert [type(answer) for answer in answers] == [Delivered] * 4
    assert folder.messages == [message(number) for number in range(4)]
    assert imap.uncertain == 0


def test_two_lost_answers_are_counted(tmp_path: Path) -> None:
    folder = Folder(faults={"APPEND": ["cut", "cut"]})
    with serving(folder) as port:
        imap = destination(port)
        answer = failed(imap.deliver([stage(tmp_path, message(1))])[0])
        imap.close()
    assert answer.temporary
    assert imap.uncertain == 1


def test_a_stranger_cannot_make_mail_disappear_with_a_message_id(tmp_path: Path) -> None:
    ours = message(1)
    folder = Folder(messages=[ours.replace(b"start", b"stArt"), ours[:-4]])
    with serving(folder) as port:
        imap = destination(port)
        assert imap.find(stage(tmp_path, ours)) is None
        folder.messages.append(ours)
        assert imap.find(stage(tmp_path, ours)) == "INBOX:3"
        imap.close()


def test_a_server_that_mends_line_ends_still_has_the_message(tmp_path: Path) -> None:
    folder = Folder(messages=[b"Message-ID: <1@x>\r\n\r\nbare\r\nline\r\n"])
    with serving(folder) as port:
        imap = destination(port)
        assert imap.find(stage(tmp_path, b"Message-ID: <1@x>\r\n\r\nbare\nline\r\n")) == "INBOX:1"
        imap.close()


@pytest.mark.parametrize(
    ("answer", "temporary", "bad"),
    [
        ("NO [OVERQUOTA] full", True, False),
        ("NO [UNAVAILABLE] later", True, False),
        ("NO [LIMIT] too big", False, True),
        ("NO never", False, True),
        ("BAD what", False, True),
    ],
)
def test_refusals_are_told_apart(answer: str, temporary: bool, bad: bool, tmp_path: Path) -> None:
    folder = Folder(faults={"APPEND": [answer]})
    with serving(folder) as port:
        imap = destination(port)
        first, second = imap.deliver([stage(tmp_path, message(number), number) for number in range(2)])
        imap.close()
    assert (failed(first).temporary, failed(first).message_is_bad) == (temporary, bad)
    assert answer.partition(" ")[2] in failed(first).reason
    assert isinstance(second, Delivered)


def test_a_folder_is_made_only_when_asked(tmp_path: Path) -> None:
    folder = Folder(faults={"STATUS": ["NO [NONEXISTENT] none", "NO [NONEXISTENT] none"]})
    with serving(folder) as port:
        with pytest.raises(DestinationError, match="make it, or say `create = true`") as caught:
            destination(port).open()
        assert not caught.value.temporary
        imap = destination(port, create=True)
        imap.open()
        imap.close()
    assert b'CREATE "INBOX"\r\n' in folder.asked
    assert b'SUBSCRIBE "INBOX"\r\n' in folder.asked


def test_a_folder_that_vanishes_ends_the_batch(tmp_path: Path) -> None:
    folder = Folder(faults={"APPEND": ["", "NO [TRYCREATE] gone"]})
    batch = [stage(tmp_path, message(number), number) for number in range(3)]
    with serving(folder) as port:
        imap = destination(port)
        answers = imap.deliver(batch)
        assert [type(answer) for answer in answers] == [Delivered, Failed, Failed]
        folder.faults["APPEND"] = ["NO [TRYCREATE] gone"]
        with pytest.raises(DestinationError, match='folder "INBOX"'):
            imap.deliver(batch[1:])
        imap.close()


def test_nobody_there_is_said() -> None:
    with serving(Folder()) as port:
        pass
    with pytest.raises(DestinationError, match="nothing listens there"):
        destination(port).open()


@pytest.mark.parametrize("flag", ["", "a b", r"\Recent", "x)", 'x"', "\\", "ä"])
def test_odd_flags_are_refused(flag: str) -> None:
    with pytest.raises(ValueError, match="no flag that can be set"):
        Imap(MailServer("localhost", 1, Security.NONE), flags=[flag])
