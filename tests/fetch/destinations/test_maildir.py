"""Into a Maildir: names that are found again, lossless line ends, nothing written over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.fetch.destinations.staging import message, stage

from pillarbox.fetch import Delivered, DestinationError, Failed, LineEnds, Staged, Sure
from pillarbox.fetch.destinations.maildir import MaildirDestination


@pytest.fixture
def maildir(tmp_path: Path) -> MaildirDestination:
    made = MaildirDestination(tmp_path / "in", host="a/b:c")
    made.open()
    return made


def staged(maildir: MaildirDestination, number: int = 1, ends: LineEnds = LineEnds.LF) -> Staged:
    return stage(maildir.staging(), message(number), number, ends=ends)


def again(maildir: MaildirDestination) -> MaildirDestination:
    """The same Maildir, opened after a crash."""
    other = MaildirDestination(maildir.path)
    other.open()
    return other


def test_it_is_made_private_and_found(maildir: MaildirDestination) -> None:
    assert sorted(path.name for path in maildir.path.iterdir()) == ["cur", "new", "tmp"]
    assert maildir.path.stat().st_mode & 0o777 == 0o700
    assert maildir.sure is Sure.EXACTLY_ONCE
    assert maildir.staging() == maildir.path / "tmp"


def test_a_batch_is_delivered_under_names_as_the_convention_wants_them(maildir: MaildirDestination) -> None:
    batch = [staged(maildir, number) for number in (1, 2)]
    results = maildir.deliver(batch)
    for result, message_ in zip(results, batch, strict=True):
        assert isinstance(result, Delivered)
        name = result.id.removeprefix("new/")
        assert name.startswith(f"{int(message_.received)}.M")
        assert f"P{message_.name}Q" in name
        assert name.endswith(f".a\\057b\\072c,S={message_.stored},W={message_.size}")
        assert (maildir.path / result.id).stat().st_size == message_.stored
    assert not os.listdir(maildir.path / "tmp")


@pytest.mark.parametrize("place", ["new", "cur", ".Read/cur", ".Read/new", "Sub/Deep/cur"])
def test_after_a_crash_a_message_is_found_wherever_a_mail_program_put_it(
    maildir: MaildirDestination, place: str
) -> None:
    one, other = staged(maildir, 1), staged(maildir, 2)
    [result] = maildir.deliver([one])
    assert isinstance(result, Delivered)
    (maildir.path / place).mkdir(parents=True, exist_ok=True)
    name = result.id.removeprefix("new/") + (":2,FRS" if place.endswith("cur") else "")
    (maildir.path / result.id).rename(maildir.path / place / name)
    after = again(maildir)
    assert after.find(one) == f"{place}/{name}"
    assert after.find(other) is None
    assert os.listdir(maildir.path / "tmp") == [other.path.name]


def test_what_is_staged_is_not_delivered(maildir: MaildirDestination) -> None:
    assert again(maildir).find(staged(maildir)) is None


def test_other_programs_names_are_no_messages_of_ours(maildir: MaildirDestination) -> None:
    (maildir.path / "new" / f"1700000000.M1P{'a' * 39}Q1.host").write_text("x")
    (maildir.path / "new" / "1700000000.V801I1.host").write_text("x")
    assert again(maildir).find(staged(maildir)) is None


def test_a_message_that_cannot_be_moved_fails_alone(maildir: MaildirDestination) -> None:
    one, other = staged(maildir, 1), staged(maildir, 2)
    one.path.unlink()
    results = maildir.deliver([one, other])
    assert isinstance(results[0], Failed)
    assert isinstance(results[1], Delivered)


def test_a_file_in_its_place_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("x")
    with pytest.raises(DestinationError) as caught:
        MaildirDestination(tmp_path / "in").open()
    assert not caught.value.temporary


def test_a_parent_that_is_missing_says_so(tmp_path: Path) -> None:
    with pytest.raises(DestinationError, match="does not exist"):
        MaildirDestination(tmp_path / "no" / "in").open()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_maildir_that_cannot_be_written_says_so(maildir: MaildirDestination) -> None:
    (maildir.path / "new").chmod(0o500)
    with pytest.raises(DestinationError, match="permission denied"):
        again(maildir)


def test_it_has_to_be_open(tmp_path: Path) -> None:
    with pytest.raises(DestinationError, match="not open"):
        MaildirDestination(tmp_path / "in").deliver([])


def test_closing_is_harmless(maildir: MaildirDestination) -> None:
    maildir.close()
    maildir.close()
