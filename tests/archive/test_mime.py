"""The parts of messages, well made and hostile."""

import time
from email import message_from_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.archive.mail import message, multipart

from pillarbox.archive.mime import DEPTH, PARTS, chunks, content, walk


def kinds(data: bytes) -> list[tuple[str, int, bytes]]:
    return [(part.type, part.depth, data[part.start : part.end]) for part in walk(data)]


def test_a_plain_message() -> None:
    assert kinds(message(1, "text")) == [("text/plain", 0, b"text\r\n")]
    assert kinds(b"") == [("text/plain", 0, b"")]
    assert kinds(b"\r\nbody") == [("text/plain", 0, b"body")]
    assert kinds(b"\nbody") == [("text/plain", 0, b"body")]
    assert kinds(b"Subject: only a header") == [("text/plain", 0, b"")]


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_parts_between_boundaries(end: bytes) -> None:
    data = multipart("\r\none", "Content-Type: text/html\r\n\r\n<p>two", "Content-Type: image/png\r\n\r\n")
    assert kinds(data.replace(b"\r\n", end)) == [
        ("text/plain", 1, b"one"),
        ("text/html", 1, b"<p>two"),
        ("image/png", 1, b""),
    ]


def test_boundaries_are_lines_and_whole() -> None:
    text = "--b\r\n\r\nnot --b here\r\n--bb\r\n--b \r\n\r\ntwo\r\n--b--\r\nepilogue\r\n--b\r\n\r\nthree"
    data = message(1, text, Content_Type="multipart/mixed; boundary=b")
    assert [octets for _, _, octets in kinds(data)] == [b"not --b here\r\n--bb", b"two"]


def test_a_part_that_is_never_closed_ends_with_what_is_around_it() -> None:
    inner = 'Content-Type: multipart/alternative; boundary="i"\r\n\r\n--i\r\n\r\none\r\n--i\r\n\r\ntwo'
    assert [octets for _, _, octets in kinds(multipart(inner, "\r\nthree"))] == [b"one", b"two", b"three"]
    open_ended = message(1, "--b\r\n\r\none", Content_Type="multipart/mixed; boundary=b")
    assert [octets for _, _, octets in kinds(open_ended)] == [b"one\r\n"]


@pytest.mark.parametrize("kind", ["multipart/mixed", "multipart/mixed; boundary=b"])
def test_no_boundary_no_parts(kind: str) -> None:
    assert [kind for kind, _, _ in kinds(message(1, "x", Content_Type=kind))] == ["multipart/mixed"]


def test_attached_messages_and_digests() -> None:
    data = multipart("Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner text")
    assert [kind for kind, _, _ in kinds(data)] == ["message/rfc822", "text/plain"]
    assert kinds(data)[1] == ("text/plain", 2, b"inner text")
    digest = multipart("\r\nSubject: inner\r\n\r\ninner text", kind="digest")
    assert [kind for kind, _, _ in kinds(digest)] == ["message/rfc822", "text/plain"]


def test_what_is_attached() -> None:
    data = multipart(
        "\r\nbody",
        'Content-Disposition: attachment; filename="a.txt"\r\n\r\nx',
        "Content-Type: image/png; name=b.png\r\n\r\nx",
        "Content-Type: image/gif\r\n\r\nx",
        "Content-Type: text/html\r\nContent-Disposition: inline\r\n\r\nx",
    )
    expected = [(False, ""), (True, "a.txt"), (True, "b.png"), (True, ""), (False, "")]
    assert [(part.attached, part.name) for part in walk(data)] == expected


def test_content_behind_its_encoding() -> None:
    data = multipart(
        "Content-Transfer-Encoding: BASE64\r\n\r\naGVs\r\nbG8=",
        "Content-Transfer-Encoding: quoted-printable\r\n\r\nh=C3=A9=\r\nllo",
        "Content-Transfer-Encoding: 7bit\r\n\r\nhello",
        "Content-Transfer-Encoding: rubbish\r\n\r\nhello",
    )
    parts = list(walk(data))
    assert [content(data, part, 1000) for part in parts] == [b"hello", "héllo".encode(), b"hello", b"hello"]
    assert [b"".join(chunks(data, part)) for part in parts] == [b"hello", "héllo".encode(), b"hello", b"hello"]
    assert content(data, parts[0], 2) == b"he"


def test_hostile_depth_and_number() -> None:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(1000))
    assert len(list(walk(deep))) <= PARTS
    assert max(part.depth for part in walk(deep)) <= DEPTH
    assert len(list(walk(b"Content-Type: message/rfc822\n\n" * 1000))) == DEPTH + 1
    assert len(list(walk(multipart(*["\r\nx"] * 3000)))) == PARTS


@pytest.mark.parametrize("line", ["--b\n", "--bx\n", "--b", "\n--b--x"])
def test_hostile_boundaries_take_time_in_proportion(line: str) -> None:
    def cost(lines: int) -> float:
        begun = time.process_time()
        list(walk(message(1, line * lines, Content_Type="multipart/mixed; boundary=b")))
        return time.process_time() - begun

    assert cost(160_000) < 30 * max(cost(20_000), 0.01)


_PIECES = st.sampled_from(
    [
        *(b"--b", b"--b--", b"\r\n", b"\n", b"\r", b"--", b" ", b"Content-Type: ", b"multipart/mixed; boundary=b"),
        *(b"text/html", b"message/rfc822", b"; charset=", b"utf-8", b"Content-Transfer-Encoding: base64", b"=", b'"'),
        *(b"Content-Disposition: attachment; filename*0*=", b"multipart/digest; boundary=", b"x" * 300, b"''%", b":"),
        *(b"=?utf-8?b?", b"\0", b"\xff"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_PIECES, max_size=60).map(b"".join))
def test_anything_is_a_message(data: bytes) -> None:
    for part in walk(data):
        assert 0 <= part.start <= part.end <= len(data)
        assert part.depth <= DEPTH
        assert len(content(data, part, 10)) <= 10
        assert isinstance(b"".join(chunks(data, part)), bytes)


@given(st.lists(st.text("ab \n", max_size=20), min_size=1, max_size=5))
def test_agrees_with_the_standard_library_on_what_is_well_made(texts: list[str]) -> None:
    data = multipart(*("\r\n" + text.replace("\n", "\r\n") for text in texts))
    theirs = [part.get_payload() for part in message_from_bytes(data).walk() if not part.is_multipart()]
    assert [data[part.start : part.end].decode() for part in walk(data)] == theirs
