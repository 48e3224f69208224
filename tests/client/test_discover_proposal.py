"""Addresses and host names, as strangers write them."""

import pytest

from pillarbox.client.discover_proposal import Address, host_name


@pytest.mark.parametrize(
    ("text", "local", "domain"),
    [
        ("ada@example.org", "ada", "example.org"),
        (" Ada.Lovelace+x@Example.ORG. ", "Ada.Lovelace+x", "example.org"),
        ("ada@bücher.example", "ada", "xn--bcher-kva.example"),
        ("ädä@example.org", "ädä", "example.org"),
    ],
)
def test_addresses(text: str, local: str, domain: str) -> None:
    assert Address.of(text) == Address(local, domain)
    assert Address.of(text).text == f"{local}@{domain}"


@pytest.mark.parametrize(
    "text",
    [
        *("", "ada", "@example.org", "ada@", "ada@localhost", "ada@[127.0.0.1]", "ada@127.0.0.1", "ada@a..b"),
        *(
            "a b@example.org",
            "a\n@example.org",
            "a@b@example.org",
            "ada@-x.example",
            "ada@exa mple.org",
            "ada@x.example/y",
        ),
        *("x" * 65 + "@example.org", "ada@" + "x" * 64 + ".org", "ada@" + "x." * 130 + "org", "ada@x.example?y"),
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"ada@example\.org"):
        Address.of(text)


def test_whose_a_host_is() -> None:
    address = Address.of("ada@example.org")
    assert address.has("example.org")
    assert address.has("pop.example.org")
    assert not address.has("badexample.org")
    assert not address.has("example.org.evil.example")
    assert not address.has("org")


def test_host_names() -> None:
    assert host_name("Pop.Example.ORG.") == "pop.example.org"
    for text in (
        ".",
        "",
        "pop",
        "10.0.0.1",
        "pop.example.org:110",
        "user@pop.example.org",
        "pop.example.org/x",
        "a.b..",
        "é" * 80,
    ):
        assert host_name(text) == "", text
