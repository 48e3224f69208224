"""Token introspection: what is a yes, how long it holds, and what it costs the provider."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from tests.auth.provider import Clock, Provider, running

from pillarbox.auth import introspection
from pillarbox.auth.introspection import Introspection
from pillarbox.auth.token_http import JsonClient, Unanswered
from pillarbox.events import Secret

TOKEN = Secret("opaque+/token~1==")


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running() as found:
        yield found


def with_service(provider: Provider, work: Callable[[Introspection, Clock], Awaitable[None]], cache: float = 3) -> None:
    async def run() -> None:
        clock = Clock()
        client = JsonClient(timeout=1.0)
        service = Introspection(
            provider.url("/introspect"),
            client,
            client_id="pillar box",
            client_secret=Secret("s:e%c&ret"),
            cache=cache,
            refused_cache=60,
            clock=clock,
        )
        await work(service, clock)
        client.close()

    asyncio.run(run())


def test_the_request_is_as_the_rfcs_have_it(provider: Provider) -> None:
    """RFC 7662 §2.1; RFC 6749 §2.3.1: id and secret are form-encoded before they are joined."""
    provider.holds("/introspect", {"active": True, "sub": "x"})

    async def work(service: Introspection, clock: Clock) -> None:
        assert await service.claims(TOKEN, "id") == {"active": True, "sub": "x"}

    with_service(provider, work)
    [(_, body, headers)] = provider.asked
    assert parse_qs(body.decode()) == {"token": ["opaque+/token~1=="], "token_type_hint": ["access_token"]}
    scheme, _, pair = headers["Authorization"].partition(" ")
    assert (scheme, base64.b64decode(pair)) == ("Basic", b"pillar+box:s%3Ae%25c%26ret")


@pytest.mark.parametrize(
    "answer", [{"active": False}, {}, {"active": "true"}, {"active": 1}, {"active": None}, [], "active", True, None]
)
def test_everything_but_a_plain_true_is_a_no(provider: Provider, answer: Any) -> None:
    provider.holds("/introspect", answer)

    async def work(service: Introspection, clock: Clock) -> None:
        assert await service.claims(TOKEN, "id") is None

    with_service(provider, work)


def test_a_yes_holds_for_moments_and_a_no_for_longer(provider: Provider) -> None:
    provider.holds("/introspect", {"active": True})

    async def work(service: Introspection, clock: Clock) -> None:
        assert await service.claims(TOKEN, "id")
        clock.now += 2.9
        assert await service.claims(TOKEN, "id")
        assert len(provider.asked) == 1
        provider.holds("/introspect", {"active": False})
        clock.now += 0.1
        assert await service.claims(TOKEN, "id") is None
        provider.holds("/introspect", {"active": True})
        clock.now += 59
        assert await service.claims(TOKEN, "id") is None
        assert len(provider.asked) == 2
        clock.now += 1
        assert await service.claims(TOKEN, "id")

    with_service(provider, work)


def test_all_who_ask_at_once_share_one_request(provider: Provider) -> None:
    provider.holds("/introspect", {"active": True})

    async def work(service: Introspection, clock: Clock) -> None:
        first, *others = [asyncio.ensure_future(service.claims(TOKEN, "id")) for _ in range(20)]
        await asyncio.sleep(0)
        first.cancel()
        assert await asyncio.gather(*others) == [{"active": True}] * 19
        assert len(provider.asked) == 1

    with_service(provider, work, cache=0)


def test_no_answer_is_neither_and_is_not_remembered(provider: Provider) -> None:
    provider.octets("/introspect", b"", status=503)

    async def work(service: Introspection, clock: Clock) -> None:
        results = await asyncio.gather(*(service.claims(TOKEN, "id") for _ in range(5)), return_exceptions=True)
        assert all(isinstance(result, Unanswered) for result in results)
        provider.holds("/introspect", {"active": True})
        assert await service.claims(TOKEN, "id")

    with_service(provider, work)


def test_memory_is_bounded(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(introspection, "REMEMBERED", 2)
    provider.holds("/introspect", {"active": False})

    async def work(service: Introspection, clock: Clock) -> None:
        for name in ("a", "b", "c", "c", "a"):
            assert await service.claims(TOKEN, name) is None
        assert len(provider.asked) == 4

    with_service(provider, work)
