"""Token introspection (RFC 7662): asks the provider whether a token is good, and remembers the answer for moments.

Rules: only a plain `"active": true` is a yes. A yes holds for seconds, so that a revoked token ends soon; a no holds
longer, so that a client that repeats a dead token costs the provider little; no answer is neither. All who ask about
one token at once share one request. Tokens are kept only as digests. What the claims must be like is in `tokens`.
"""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus, urlencode

from pillarbox.auth.token_http import JsonClient
from pillarbox.events import Secret

REMEMBERED = 4096
"""Answers that are kept, of each kind; the oldest is forgotten first."""

Claims = dict[str, Any]
"""What the provider says of a token. `Any`: whatever JSON held."""


class Introspection:
    """One introspection service.

    Args:
        url: where it is.
        client: asks.
        client_id: our name there.
        client_secret: our secret there, sent by HTTP Basic (RFC 6749 §2.3.1).
        cache: seconds for which a yes holds.
        refused_cache: seconds for which a no holds.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        url: str,
        client: JsonClient,
        *,
        client_id: str,
        client_secret: Secret,
        cache: float,
        refused_cache: float,
        clock: Callable[[], float],
    ) -> None:
        self._url = url
        self._client = client
        self._client_id = client_id
        self._client_secret = client_secret
        self._good = _Answers(cache, clock)
        self._refused = _Answers(refused_cache, clock)
        self._running: dict[str, asyncio.Task[Claims | None]] = {}

    async def claims(self, token: Secret, credential: str) -> Claims | None:
        """What the provider says of a token, or None for one that is not active.

        Args:
            token: it is ASCII.
            credential: its id, a digest of it.

        Raises:
            Unanswered: the provider did not say.
        """
        if self._refused.get(credential) is not None:
            return None
        if (known := self._good.get(credential)) is not None:
            return known
        task = self._running.get(credential)
        if task is None:
            task = self._running[credential] = asyncio.ensure_future(self._asked(token, credential))
            task.add_done_callback(lambda done: self._ended(credential, done))
        return await asyncio.shield(task)

    def _ended(self, credential: str, task: asyncio.Task[Claims | None]) -> None:
        del self._running[credential]
        if not task.cancelled():
            task.exception()  # seen, also where nobody waits for it any more

    async def _asked(self, token: Secret, credential: str) -> Claims | None:
        form = urlencode({"token": token.reveal(), "token_type_hint": "access_token"}).encode("ascii")
        answer = await self._client.ask(self._url, form=form, headers={"Authorization": self._authorization()})
        if not isinstance(answer, dict) or answer.get("active") is not True:
            self._good.forget(credential)
            self._refused.put(credential, {})
            return None
        self._good.put(credential, answer)
        return answer

    def _authorization(self) -> str:
        # RFC 6749 §2.3.1: both are form-encoded before they are joined.
        pair = f"{quote_plus(self._client_id)}:{quote_plus(self._client_secret.reveal())}"
        return "Basic " + base64.b64encode(pair.encode("ascii")).decode("ascii")


class _Answers:
    """Answers that hold for some seconds."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._answers: OrderedDict[str, tuple[float, Claims]] = OrderedDict()

    def get(self, credential: str) -> Claims | None:
        """The answer, while it holds."""
        when, claims = self._answers.get(credential, (float("-inf"), {}))
        return claims if self._clock() - when < self._seconds else None

    def put(self, credential: str, claims: Claims) -> None:
        """Keep an answer."""
        self._answers[credential] = (self._clock(), claims)
        self._answers.move_to_end(credential)
        if len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)

    def forget(self, credential: str) -> None:
        """Drop an answer."""
        self._answers.pop(credential, None)
