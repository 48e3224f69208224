"""HTML as text: what is shown, what is left out, and what hostile HTML costs."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.archive.html import LONGEST, to_text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>one</p><p>two&nbsp;&amp; three", "one\n\ntwo & three"),
        ("a<br>b<BR/>c", "a\nb\nc"),
        ("<ul><li>x<li>y</ul>", "- x\n- y"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a b"),
        ("<head><title>t</title><style>p{}</style></head><body>x", "x"),
        ("<script>if (a<b) alert('</p>')</script>x", "x"),
        ("<!-- hidden > --> shown", "shown"),
        ("<img alt='a picture' src=x>", "a picture"),
        ("3 < 4 and 5 > 4", "3 < 4 and 5 > 4"),
        ("<p>never closed <b", "never closed"),
        ("<style>never closed", ""),
        ("<!-- never closed", ""),
        ("<head>never closed<body>x", "x"),
        ("a <", "a <"),
        ("", ""),
    ],
)
def test_text(source: str, text: str) -> None:
    assert to_text(source) == text


def test_a_link_says_where_it_leads_unless_that_is_its_text() -> None:
    lie = '<a href="http://evil.example/x">bank.example</a>'
    assert to_text(lie, links=True) == "bank.example <http://evil.example/x>"
    assert to_text('<a href="https://bank.example/">bank.example</a>', links=True) == "bank.example"
    assert to_text('<a href="mailto:a@b.example">a@b.example</a>', links=True) == "a@b.example"
    assert to_text('<a href="#top">up</a>', links=True) == "up"
    assert to_text('<a href="http://x.example">y</a>') == "y"


@given(st.text(alphabet="<>!-/\"' &;#xaAscriptylehmd=\n\0é", max_size=300), st.booleans())
def test_anything_is_html(source: str, links: bool) -> None:
    assert isinstance(to_text(source, links=links), str)


@pytest.mark.parametrize(
    "piece",
    ["<", "<!--", "<a href=", "<a href='x'>", "<script>", "</", "<p", "&", "<head>", "<svg>", "<title>", " \n", "<a "],
)
def test_hostile_html_takes_time_in_proportion_to_its_length(piece: str) -> None:
    def cost(length: int) -> float:
        begun = time.process_time()
        to_text(piece * (length // len(piece)), links=True)
        return time.process_time() - begun

    # Eight times as much: of quadratic cost that would be sixty-four times.
    assert cost(400_000) < 30 * max(cost(50_000), 0.01)


def test_endless_html_is_cut() -> None:
    assert len(to_text("x" * (LONGEST + 10))) == LONGEST
