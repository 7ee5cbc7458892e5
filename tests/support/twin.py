"""One scenario against the library's own server and against wsrouter: `pytestmark = ON_BOTH`, then every test has a `serve`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from support.server import open_client, serve_library, serve_wsrouter

ON_BOTH = [pytest.mark.anyio, pytest.mark.parametrize("serve", [serve_library, serve_wsrouter], ids=["websockets", "wsrouter"])]
WITHIN_S = 10.0


class Stage:
    """A handler that a test plays through: `async with stage.enter(...)` gives the handler's websocket and the client."""

    def __init__(self, serve: Callable[..., Any], url_end: str = "", **client: Any) -> None:
        self._serve = serve
        self._url_end = url_end
        self._arguments = client
        self._done = asyncio.Event()
        self._websocket: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> tuple[Any, Any]:
        self._server = self._serve(self._hand_over)
        server = await self._server.__aenter__()
        self._client = open_client(server.url + self._url_end, **self._arguments)
        client = await self._client.__aenter__()
        return await asyncio.wait_for(self._websocket, WITHIN_S), client

    async def __aexit__(self, *error: object) -> None:
        self._done.set()
        try:
            await self._client.__aexit__(*error)
        finally:
            await self._server.__aexit__(*error)

    async def _hand_over(self, websocket: Any) -> None:
        self._websocket.set_result(websocket)
        await self._done.wait()


def facts(error: ConnectionClosed) -> tuple[Any, ...]:
    """What a handler can see of the end of a connection."""

    def of(close: Any) -> tuple[int, str] | None:
        return None if close is None else (int(close.code), close.reason)

    return type(error).__name__, of(error.rcvd), of(error.sent), error.rcvd_then_sent


async def closed_error(awaitable: Any) -> tuple[Any, ...]:
    with pytest.raises(ConnectionClosed) as caught:
        await asyncio.wait_for(awaitable, WITHIN_S)
    return facts(caught.value)


async def send_many(websocket: Any, message: Any, count: int) -> None:
    """Sends the same message again and again."""
    for _ in range(count):
        await websocket.send(message)
