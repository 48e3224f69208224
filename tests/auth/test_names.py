"""Account names and Maildir paths; protocol.md's broken class 4 (control characters, expansion in names)."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.auth.names import MAX_NAME_OCTETS, InvalidName, InvalidPath, maildir_path, normalise, split


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("alice", "alice"),
        ("Alice@Example.ORG", "alice@example.org"),
        ("alice+lists@example.org", "alice+lists@example.org"),
        ("%u{home}@example.org", "%u{home}@example.org"),
        ("o'brien@example.org", "o'brien@example.org"),
        ("Jörg@Bücher.example", "jörg@bücher.example"),
        ("jo\u0308rg@bu\u0308cher.example", "jörg@bücher.example"),
        ("alice@BÜCHER.example", "alice@bücher.example"),
        ("alice@XN--Bcher-KVA.example", "alice@xn--bcher-kva.example"),
        ("-x@example.org", "-x@example.org"),
    ],
)
def test_one_canonical_form(text: str, name: str) -> None:
    assert normalise(text) == name


def test_default_domain_goes_to_names_without_one() -> None:
    assert normalise("Alice", "Example.org") == "alice@example.org"
    assert normalise("alice@other.example", "example.org") == "alice@other.example"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "@example.org",
        "alice@",
        "a@b@c",
        ".",
        "..",
        "../../etc/passwd",
        ".alice",
        "alice.",
        "al..ice",
        "alice@.example.org",
        "alice@example..org",
        "alice@example.org.",
        "alice@..",
        "a/b",
        "alice@a/b",
        "a\0b",
        "a\r\nDELE 1",
        "alice ",
        "al\tice",
        "al\u00a0ice",
        "al\u200bice",
        "al\u202eice",
        "al\x1b[31mice",
        "al\udcffice",
        "a" * 255,
        "ä" * 128,
        "a@" + "b" * 300,
        "x" * 10**6,
    ],
)
@pytest.mark.parametrize("default_domain", ["", "example.org"])
def test_what_cannot_be_a_name(text: str, default_domain: str) -> None:
    with pytest.raises(InvalidName) as caught:
        normalise(text, default_domain)
    assert not text.strip("./@ ") or text not in str(caught.value)


@given(st.text(max_size=40), st.sampled_from(["", "example.org"]))
def test_canonical_names_are_stable_short_and_safe(text: str, default_domain: str) -> None:
    """A canonical name stays itself, fits, and is a plain path component."""
    try:
        name = normalise(text, default_domain)
    except InvalidName:
        return
    assert normalise(name, default_domain) == name
    assert len(name.encode()) <= MAX_NAME_OCTETS
    assert name == unicodedata.normalize("NFC", name)
    assert not any(unicodedata.category(character)[0] in "CZ" for character in name)
    for part in split(name):
        assert "/" not in part
        assert part not in {".", ".."}


def test_paths_are_filled() -> None:
    assert maildir_path("/var/mail/{domain}/{user}/Maildir", "a@b.org") == "/var/mail/b.org/a/Maildir"
    assert maildir_path("/m/{account}", "a@b.org") == "/m/a@b.org"
    assert maildir_path("{home}/Maildir", "a", "/home/a") == "/home/a/Maildir"
    assert maildir_path("/m//./{user}/", "a") == "/m/a"
    assert maildir_path("/m/{{{user}}}", "a") == "/m/{a}"


def test_what_a_name_brings_in_is_not_expanded_again() -> None:
    """Class 4: no expansion inside user names."""
    assert maildir_path("/m/{user}/{domain}", "{home}%u@{user}.org", "/h") == "/m/{home}%u/{user}.org"
    assert maildir_path("/m/{user}", "{0.__class__}") == "/m/{0.__class__}"


@pytest.mark.parametrize(
    ("template", "account", "home"),
    [
        ("/m/{domain}/{user}", "alice", ""),  # would lie among the domains
        ("{home}/Maildir", "alice", ""),
        ("/m/{user.__class__}", "alice", ""),
        ("/m/{}", "alice", ""),
        ("/m/{USER}", "alice", ""),
        ("m/{user}", "alice", ""),
        ("{home}/m", "alice", "home/alice"),
        ("{home}/m", "alice", "/home/../root"),
        ("/m/../{user}", "alice", ""),
        ("/m/{user}\n", "alice", ""),
        ("/", "alice", ""),
        ("", "alice", ""),
    ],
)
def test_unusable_paths_are_refused(template: str, account: str, home: str) -> None:
    with pytest.raises(InvalidPath):
        maildir_path(template, account, home)


@given(st.text(max_size=30))
def test_no_name_leaves_its_directory(text: str) -> None:
    try:
        account = normalise(text)
    except InvalidName:
        return
    path = maildir_path("/mail/{account}/Maildir", account)
    assert path == f"/mail/{account}/Maildir"
    assert path.count("/") == 3
