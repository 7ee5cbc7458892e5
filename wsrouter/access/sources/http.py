"""The HTTP client of what asks outside: one address, bounded in time, bytes and connections; no redirects, cookies or proxies of the environment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp

MAX_CONNECTIONS: Final = 100
MAX_BODY_BYTES: Final = 1 << 20


class HttpError(Exception):
    """No answer that could be used. The text names the kind of failure, and no header."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; header names in lower case, of a repeated name the first value."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """Opens its connections when it is first used, and keeps them."""

    def __init__(self) -> None:
        """Opens nothing."""
        self._session: aiohttp.ClientSession | None = None
        self._is_closed = False

    async def get(self, url: str, headers: Mapping[str, str] | None = None, *, timeout_s: float) -> Answer:
        """Asks once.

        Raises:
            HttpError: if there is no whole answer in time.
        """
        if self._is_closed:
            raise HttpError("no answer: a reload or stop came in between")
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=MAX_CONNECTIONS)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=True)
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._session.get(url, headers=headers, timeout=timeout, allow_redirects=False) as response:
                body = await response.content.read(MAX_BODY_BYTES)
                while len(body) < MAX_BODY_BYTES and (more := await response.content.read(MAX_BODY_BYTES - len(body))):
                    body += more
                found = {name.lower(): value for name, value in reversed(list(response.headers.items()))}
                return Answer(response.status, found, body)
        except TimeoutError:
            raise HttpError(f"no answer within {timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise HttpError(f"no answer: {type(error).__name__}") from None

    def close(self) -> None:
        """Closes its connections, if it has any."""
        self._is_closed = True
        session, self._session = self._session, None
        if session is not None:
            closing = asyncio.get_running_loop().create_task(session.close(), name="closing an HTTP client")
            _CLOSING.add(closing)
            closing.add_done_callback(_CLOSING.discard)


_CLOSING: Final[set[asyncio.Task[None]]] = set()
