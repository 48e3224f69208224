"""Searching a small archive in every way there is; that hostile queries do no harm; scripts of the world."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.archive.mail import WHEN, incoming, message, multipart

from pillarbox.archive import Archive, Incoming, MessageMissing, QueryError
from pillarbox.archive.search import Order, count, get, matching, search, statistics

DAY = 86_400


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    texts = {
        1: "The invoice for January is paid.",
        2: "Another invoice, unpaid; see the Straße in İstanbul.",
        3: "Nothing of interest. Διεύθυνσις, Москва, ёлка.",
        4: "東京都へ行く。ありがとう 한국어입니다 สวัสดีครับ",
        5: "invoice invoice invoice",
    }
    with Archive.open(tmp_path_factory.mktemp("search") / "a", create=True) as archive:
        for number, text in texts.items():
            date = f"{number} Jan 2026 12:00:00 +0000"
            data = message(number, text, Date=date, Content_Type="text/plain; charset=utf-8")
            account = "home" if number == 3 else "work"
            archive.add(Incoming(data, account, f"u{number}", WHEN + 10 * DAY))
        archive.add(Incoming(message(3, texts[3], Date="3 Jan 2026 12:00:00 +0000"), "h'o\"me", "x", WHEN + 10 * DAY))
        pdf = 'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="Büro-Plan.pdf"\r\n\r\nx'
        archive.add(incoming(multipart("\r\nSee the plan.", pdf, number=6), "u6"))
        archive.add(incoming(message(7, "long " * 5000), "u7"))
        yield archive


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [5, 4, 3, 3, 2, 1, 7, 6]),
        ("invoice", [5, 2, 1]),
        ("invoice -paid", [5, 2]),
        ("paid OR unpaid", [2, 1]),
        ("(paid OR unpaid) invoice", [2, 1]),
        ('"invoice for january"', [1]),
        ('"january for invoice"', []),
        ("inv* jan*", [1]),
        ("from:ada3", [3, 3]),
        ("from:ada2@example.org", [2]),
        ("to:bob subject:5", [5]),
        ("body:bob", []),
        ("strasse istanbul", [2]),
        ("STRASSE", [2]),
        ("διευθυνσισ", [3, 3]),
        ("МОСКВА елка", [3, 3]),
        ("東京", [4]),
        ("京都", [4]),
        ("東京都", [4]),
        ("京", [4]),
        ("く", [4]),
        ("都東", []),
        ("ありがとう", [4]),
        ("한국", [4]),
        ("สวัสดี", [4]),
        ("has:attachment", [6]),
        ("filename:pdf", [6]),
        ('name:"buro plan"', [6]),
        ("larger:20k", [7]),
        ("smaller:20k has:attachment", [6]),
        ("after:2026-01-04", [5, 4]),
        ("before:2026-01-02", [1, 7, 6]),
        ("on:2026-01-02", [2]),
        ("after:2026-01-02 before:2026-01-04 invoice", [2]),
        ("account:home", [3]),
        ('account:"h\'o\\"', []),
        ("account:h*", [3, 3]),
        ("-account:work", [3, 3]),
        ("account:home OR has:attachment", [3, 6]),
        ("-(invoice OR has:attachment)", [4, 3, 3, 7]),
        ("-invoice OR 5", [5, 4, 3, 3, 7, 6]),
        ("msgid:<5@example.org>", [5]),
        ("qqq", []),
    ],
)
def test_what_is_found(archive: Archive, query: str, numbers: list[int]) -> None:
    found = [int(one.subject.split()[1]) for one in search(archive, query)]
    assert found == numbers
    assert count(archive, query) == len(numbers)
    assert sorted(int(one.subject.split()[1]) for one in matching(archive, query)) == sorted(numbers)
    relevant = search(archive, query, order=Order.RELEVANCE)
    assert sorted(int(one.subject.split()[1]) for one in relevant) == sorted(numbers)


def test_order_limit_and_offset(archive: Archive) -> None:
    assert [one.subject for one in search(archive, "invoice", order=Order.OLDEST)] == [
        "Message 1",
        "Message 2",
        "Message 5",
    ]
    assert [one.subject for one in search(archive, "invoice", limit=1, offset=1)] == ["Message 2"]
    assert search(archive, "invoice", order=Order.RELEVANCE)[0].subject == "Message 5"
    assert count(archive, "invoice", most=2) == 2


def test_one_message(archive: Archive) -> None:
    (wanted,) = search(archive, "5 invoice")
    assert get(archive, wanted.sha256.hex()[:10]) == wanted
    assert [(origin.account, origin.unique_id) for origin in wanted.origins] == [("work", "u5")]
    with pytest.raises(MessageMissing, match="no message"):
        get(archive, "0" * 64)


def test_digits_that_are_not_enough(tmp_path: Path) -> None:
    with Archive.open(tmp_path / "a", create=True) as archive:
        seen: set[str] = set()
        number = 0
        while len(seen) == number:  # until two begin with the same four digits
            seen.add(archive.add(incoming(message(number, "x" * number))).sha256.hex()[:4])
            number += 1
            if number == 40:
                return  # none of them do: as it mostly is
        with pytest.raises(MessageMissing, match="more than one"):
            get(archive, max(seen))


def test_statistics(archive: Archive) -> None:
    found = statistics(archive)
    assert found.messages == 8
    assert dict(found.accounts) == {"home": 1, "h'o\"me": 1, "work": 6}
    assert found.attachments == 1
    assert found.octets > 25_000


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(max_size=60)
    | st.text(alphabet="()\"-:*aORNTD \0\u6771;%'", max_size=40)
    | st.lists(
        st.sampled_from(
            ["a", "OR", "AND", "NOT", "-", "(", ")", '"b c"', "from:x", "has:attachment", "larger:1", "account:x"]
        ),
        max_size=15,
    ).map(" ".join)
)
def test_any_query_is_answered_or_refused_in_our_words(archive: Archive, query: str) -> None:
    for order in Order:
        said = ""
        try:
            search(archive, query, order=order)
        except QueryError as error:
            said = str(error).lower()
        assert "fts5:" not in said
        assert "sqlite" not in said


def test_many_messages_of_one_second_all_have_a_row(tmp_path: Path) -> None:
    with Archive.open(tmp_path / "a", create=True) as archive:
        date = "1 Jan 2026 12:00:00 +0000"
        archive.add_batch([incoming(message(number, Date=date), str(number)) for number in range(600)])
        assert count(archive, "") == count(archive, "hello on:2026-01-01") == 600
