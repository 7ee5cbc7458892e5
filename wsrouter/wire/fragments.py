"""Sending one message in fragments, as `websockets` sends the items of an iterable: one frame each, and an empty last one.

Whatever else is sent meanwhile waits in the outbox, so that the fragments stay together.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import TYPE_CHECKING

from wsrouter.api.causes import Cause
from wsrouter.wire.frames import frame

if TYPE_CHECKING:
    from wsrouter.wire.compat import DataLike, WebSocket

CONTINUATION, TEXT, BINARY, LAST = 0x00, 0x01, 0x02, 0x80


class FragmentSender:
    """Sends one message of a `WebSocket` in fragments."""

    def __init__(self, websocket: WebSocket, text: bool | None) -> None:
        """`text` forces a kind of message; None leaves it to the first item."""
        self._websocket = websocket
        self._connection = websocket.connection
        self._text = text

    async def send(self, items: Iterable[DataLike] | AsyncIterable[DataLike]) -> None:
        """Sends the items as they come; nothing for none.

        Raises:
            TypeError: for items of mixed or other types; the connection is closed then, as half a message is out.
            ConnectionClosed: when the connection is closed.
        """
        parts = _iterate(items)
        try:
            first = await anext(parts)
        except StopAsyncIteration:
            return
        is_text = isinstance(first, str)
        _check(first, is_text, "iterable must contain bytes or str")
        await self._websocket._check_open()
        websocket = self._websocket
        websocket.send_in_progress = asyncio.get_running_loop().create_future()
        self._connection.begin_fragments()
        try:
            await self._put(TEXT if (is_text if self._text is None else self._text) else BINARY, first)
            async for part in parts:
                _check(part, is_text, "iterable must contain uniform types")
                await self._put(CONTINUATION, part)
            await self._put(CONTINUATION | LAST, b"")
        except BaseException:
            self._connection.end(Cause.HANDLER_ERROR, 1011, "error in fragmented message")
            raise
        finally:
            self._connection.end_fragments()
            websocket.send_in_progress.set_result(None)
            websocket.send_in_progress = None

    async def _put(self, first_byte: int, part: DataLike) -> None:
        await self._websocket._check_open()
        payload = part.encode() if isinstance(part, str) else bytes(part)
        self._connection.send_fragment(frame(first_byte, payload), is_last=bool(first_byte & LAST))
        await self._websocket._drain()


def _check(part: object, is_text: bool, message: str) -> None:
    if not isinstance(part, str if is_text else bytes | bytearray | memoryview):
        raise TypeError(message)


async def _iterate(items: Iterable[DataLike] | AsyncIterable[DataLike]) -> AsyncIterator[DataLike]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
