"""Keys from a JWKS address: fetched when first needed, kept, and fetched again in the background when they are old.

A token that names an unknown key is a reason to fetch once, at most every few seconds: that is how a rotation is noticed. While
the address does not answer, the keys that are known go on; without any, clients are refused with 503 until a later try succeeds.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

from wsrouter.access.jwt import Key, KeyProblem, no_key, no_keys, parse_jwks
from wsrouter.access.sources.http import HttpClient, HttpError

if TYPE_CHECKING:
    from wsrouter.access.decision import Rejected

FETCH_S: Final = 3.0
"""How long the address may take; a handshake may wait for it, and has 5 s by default."""
BETWEEN_S: Final = 5.0
"""The least time between two fetches for names that are unknown: tokens with made-up names must not make a flood of requests."""
MAX_BACK_OFF_S: Final = 60.0
MAX_AGE_S: Final = 24 * 3600.0
"""How long keys go on while the address does not answer."""


class JwksKeys:
    """Implements `access.jwt.Keys`."""

    def __init__(self, url: str, algorithms: Sequence[str] = (), refresh_s: float = 600.0, *, time_s: Callable[[], float] = monotonic) -> None:
        """Fetches nothing yet. `time_s` is a clock that only grows."""
        self.identity: object = (url, tuple(algorithms), refresh_s)
        self._url = url
        self._algorithms = tuple(algorithms)
        self._refresh_s = refresh_s
        self._time_s = time_s
        self._http = HttpClient()
        self._keys: dict[str | None, Key] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._failures = 0
        self._problem = ""
        self._fetching: asyncio.Task[None] | None = None

    def find(self, kid: str | None) -> Key | Rejected | Callable[[], Awaitable[Key | Rejected]]:
        """At once where the key is known."""
        now = self._time_s()
        if not self._keys or now - self._fetched_at > MAX_AGE_S:
            return partial(self._fetch_for, kid) if self._may_try(now) else no_keys(self._problem)
        key = self._known(kid)
        if key is not None:
            if now - self._fetched_at >= self._refresh_s and self._may_try(now):
                self._fetch()
            return key
        may_ask = self._fetching is not None or (now - self._tried_at >= BETWEEN_S and self._may_try(now))
        return partial(self._fetch_for, kid) if may_ask else no_key(len(self._keys))

    def close(self) -> None:
        """Closes its connections; a fetch that runs fails, and whoever waits for it is told so."""
        self._http.close()

    def _known(self, kid: str | None) -> Key | None:
        """A key by its name; a token without one means the only key there is."""
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    def _may_try(self, now: float) -> bool:
        """Whether the time after the last failure is over."""
        return self._fetching is not None or not self._failures or now - self._tried_at >= min(MAX_BACK_OFF_S, 2.0 ** (self._failures - 1))

    async def _fetch_for(self, kid: str | None) -> Key | Rejected:
        await asyncio.shield(self._fetch())  # whoever leaves meanwhile does not end it for the others
        if not self._keys or self._time_s() - self._fetched_at > MAX_AGE_S:
            return no_keys(self._problem)
        return self._known(kid) or no_key(len(self._keys))

    def _fetch(self) -> asyncio.Task[None]:
        """One fetch at a time, whoever waits for it."""
        if self._fetching is None:
            self._tried_at = self._time_s()
            self._fetching = asyncio.get_running_loop().create_task(self._run(), name="fetching a JWK set")
        return self._fetching

    async def _run(self) -> None:
        try:
            answer = await self._http.get(self._url, timeout_s=FETCH_S)
            if answer.status != 200:
                raise KeyProblem(f"the JWKS address answered {answer.status}")
            self._keys = parse_jwks(json.loads(answer.body), self._algorithms)
        except (HttpError, ValueError, RecursionError) as error:
            self._failures += 1
            self._problem = f"JWKS: {error}" if isinstance(error, HttpError | KeyProblem) else "JWKS: what came is no JSON"
        else:
            self._fetched_at, self._failures, self._problem = self._time_s(), 0, ""
        finally:
            self._fetching = None
