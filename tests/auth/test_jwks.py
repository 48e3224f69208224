"""The provider's keys: which count, and how they survive rotation and outage."""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OctKey
from tests.auth.provider import Clock, Provider, ec, ed25519, key_set, rsa, running

from pillarbox.auth.jwks import FileKeys, KeysUnavailable, UrlKeys, parse_keys
from pillarbox.auth.token_http import JsonClient
from pillarbox.events import MemorySink, Warned

ONE, TWO = ec("one"), ec("two")


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running() as found:
        yield found


# ---- what a key set holds -------------------------------------------------------------------------------------


def test_keys_of_all_allowed_types_count() -> None:
    keys = parse_keys(key_set(rsa("a"), ec("b"), ec("c", "P-521"), ed25519("d")))
    assert [key.kid for key in keys] == ["a", "b", "c", "d"]


def test_keys_that_must_not_verify_are_left_out() -> None:
    private = ec("p").as_dict(private=True)
    shared = OctKey.generate_key(256, {"kid": "s"}).as_dict(private=True)
    short = {"kty": "RSA", "kid": "short", "e": "AQAB", "n": rsa("r").as_dict()["n"][:170]}
    encryption = {**ec("e").as_dict(), "use": "enc"}
    bad: list[Any] = [private, shared, encryption, short, 7, None, {}, {"kty": "XYZ"}]
    bad += [{"kty": "RSA", "n": "!", "e": "AQAB"}, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]
    bad += [{"kty": "OKP", "crv": "Ed25519", "x": 5}, {"kty": []}, {**ec("k").as_dict(), "kid": 7}]
    assert [key.kid for key in parse_keys({"keys": [*bad, ONE.as_dict()]})] == ["one"]


@pytest.mark.parametrize("value", [None, 1, "x", [], {}, {"keys": None}, {"keys": {}}, {"keys": []}])
def test_what_is_no_key_set_has_no_keys(value: object) -> None:
    assert parse_keys(value) == []


def test_a_set_is_read_to_a_limit() -> None:
    assert len(parse_keys({"keys": [ONE.as_dict()] * 1000})) == 64


# ---- a URL ----------------------------------------------------------------------------------------------------


class Fetching:
    """Keys from a provider, with a clock set by hand."""

    def __init__(self, provider: Provider) -> None:
        self.clock = Clock()
        self.sink = MemorySink()
        self.client = JsonClient(timeout=1.0)
        self.keys = UrlKeys(
            provider.url("/keys"),
            self.client,
            refresh=3600,
            unknown_key=60,
            stale=86_400,
            clock=self.clock,
            sink=self.sink,
        )

    async def find(self, kid: str | None, algorithm: str = "ES256") -> list[str | None]:
        return [key.kid for key in await self.keys.find(kid, algorithm)]

    async def none(self) -> str:
        with pytest.raises(KeysUnavailable) as caught:
            await self.find("one")
        return caught.value.reason

    async def settle(self) -> None:
        """Let a fetch in the background end."""
        if self.keys._running:
            await self.keys._running

    def warnings(self) -> list[str]:
        return [event.text for event in self.sink.of(Warned)]


def test_keys_are_fetched_once_and_kept(provider: Provider) -> None:
    provider.holds("/keys", key_set(ONE, TWO))

    async def run() -> None:
        fetching = Fetching(provider)
        found = await asyncio.gather(*(fetching.find("one") for _ in range(20)))
        assert found == [["one"]] * 20
        assert await fetching.find(None) == ["one", "two"]
        assert await fetching.find("one", "RS256") == ["one"]  # the type is the verifier's business
        assert len(provider.asked) == 1
        fetching.client.close()

    asyncio.run(run())


def test_a_key_for_another_algorithm_is_not_given(provider: Provider) -> None:
    provider.holds("/keys", {"keys": [{**ONE.as_dict(), "alg": "ES512"}]})

    async def run() -> None:
        fetching = Fetching(provider)
        assert await fetching.find("one", "ES512") == ["one"]
        assert await fetching.find("one", "ES256") == []
        fetching.client.close()

    asyncio.run(run())


def test_a_new_key_is_fetched_at_once_but_made_up_ids_are_not_asked_for_each_time(provider: Provider) -> None:
    provider.holds("/keys", key_set(ONE))

    async def run() -> None:
        fetching = Fetching(provider)
        assert await fetching.find("one") == ["one"]
        provider.holds("/keys", key_set(ONE, TWO))
        assert await fetching.find("two") == ["two"]
        assert len(provider.asked) == 2
        for number in range(50):
            assert await fetching.find(f"made-up-{number}") == []
        assert len(provider.asked) == 2
        fetching.clock.now += 60
        assert await fetching.find("made-up") == []
        assert await fetching.find("made-up") == []
        assert len(provider.asked) == 3
        fetching.client.close()

    asyncio.run(run())


def test_old_keys_serve_while_new_ones_are_fetched_and_a_withdrawn_key_goes(provider: Provider) -> None:
    provider.holds("/keys", key_set(ONE))

    async def run() -> None:
        fetching = Fetching(provider)
        await fetching.find("one")
        provider.holds("/keys", key_set(TWO))
        fetching.clock.now += 3600
        assert await fetching.find("one") == ["one"]
        await fetching.settle()
        assert await fetching.find("two") == ["two"]
        fetching.clock.now += 60
        assert await fetching.find("one") == []
        fetching.client.close()

    asyncio.run(run())


@pytest.mark.parametrize("trouble", ["down", "garbage", "html", "empty", "silent"])
def test_an_outage_is_survived_for_the_named_time_and_then_nobody_comes_in(provider: Provider, trouble: str) -> None:
    provider.holds("/keys", key_set(ONE))

    async def run() -> None:
        fetching = Fetching(provider)
        await fetching.find("one")
        match trouble:
            case "down":
                provider.hangs_up("/keys")
            case "garbage":
                provider.octets("/keys", b"{{{")
            case "html":
                provider.octets("/keys", b"<p>", "text/html")
            case "empty":
                provider.holds("/keys", {"keys": []})
            case _:
                provider.silent("/keys")
        fetching.client = fetching.keys._client = JsonClient(timeout=0.1)
        for _ in range(3):
            fetching.clock.now += 3600
            assert await fetching.find("one") == ["one"]
            await fetching.settle()
        assert len(fetching.warnings()) == 1, "one warning for one trouble"
        fetching.clock.now += 86_400
        await fetching.none()
        provider.holds("/keys", key_set(ONE))
        fetching.clock.now += 5
        assert await fetching.find("one") == ["one"]
        fetching.client.close()

    asyncio.run(run())


def test_without_any_keys_it_is_tried_again_after_a_while_only(provider: Provider) -> None:
    provider.octets("/keys", b"", status=503)

    async def run() -> None:
        fetching = Fetching(provider)
        for _ in range(10):
            assert await fetching.none() == "status 503"
        assert len(provider.asked) == 1
        fetching.clock.now += 5
        await fetching.none()
        assert len(provider.asked) == 2
        fetching.client.close()

    asyncio.run(run())


def test_who_gives_up_waiting_takes_nothing_from_the_others(provider: Provider) -> None:
    provider.holds("/keys", key_set(ONE))

    async def run() -> None:
        fetching = Fetching(provider)
        first = asyncio.ensure_future(fetching.find("one"))
        second = asyncio.ensure_future(fetching.find("one"))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == ["one"]
        fetching.client.close()

    asyncio.run(run())


# ---- a file ---------------------------------------------------------------------------------------------------


class FromFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = Clock()
        self.sink = MemorySink()
        self.keys = FileKeys(path, clock=self.clock, sink=self.sink)

    def write(self, value: object) -> None:
        new = self.path.with_suffix(".new")
        new.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
        os.replace(new, self.path)
        self.clock.now += 1

    def find(self, kid: str | None) -> list[str | None]:
        return [key.kid for key in asyncio.run(self.keys.find(kid, "ES256"))]


def test_a_file_is_read_anew_when_it_changes(tmp_path: Path) -> None:
    here = FromFile(tmp_path / "keys.json")
    here.write(key_set(ONE))
    assert here.find("one") == ["one"]
    here.write(key_set(TWO))
    assert (here.find("one"), here.find("two")) == ([], ["two"])


@pytest.mark.parametrize("bad", [b"{", b"[]", b"\xff", b'{"keys": []}', b"[" * 100_000, b" " * 300_000 + b"{}"])
def test_a_bad_file_lets_nobody_in_until_it_is_mended(tmp_path: Path, bad: bytes) -> None:
    here = FromFile(tmp_path / "keys.json")
    here.write(key_set(ONE))
    assert here.find("one") == ["one"]
    here.write(bad)
    for _ in range(3):
        with pytest.raises(KeysUnavailable):
            here.find("one")
        here.clock.now += 1
    assert len(here.sink.of(Warned)) == 1
    here.write(key_set(ONE))
    assert here.find("one") == ["one"]


def test_a_missing_file_lets_nobody_in(tmp_path: Path) -> None:
    here = FromFile(tmp_path / "keys.json")
    with pytest.raises(KeysUnavailable, match="No such file"):
        here.find("one")
    here.write(key_set(ONE))
    assert here.find("one") == ["one"]
    here.path.unlink()
    here.clock.now += 1
    with pytest.raises(KeysUnavailable, match="No such file"):
        here.find("one")
