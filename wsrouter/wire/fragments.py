"""Sending one message in fragments, as `websockets` sends the items of an iterable: one frame each, and an empty last one.

Whatever else is sent meanwhile waits in the outbox, so that the fragments stay together.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING

from wsrouter.api.causes import Cause
from wsrouter.wire.frames import frame

if TYPE_CHECKING:
    from websockets.typing import DataLike

    from wsrouter.wire.compat import WebSocket

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
            TypeError: for items of mixed or other types. The connection is closed with 1011 then, as after any other error
                of the iterable: half a message is out.
            ConnectionClosed: when the connection is closed.
        """
        async with aclosing(_iterate(items)) as parts:
            try:
                first = await anext(parts)
            except StopAsyncIteration:
                return
            await self._websocket.check_open()
            try:
                await self._send_from(first, parts, "iterable" if isinstance(items, Iterable) else "async iterable")
            except Exception:
                await self._websocket.wait_closed()
                raise

    async def _send_from(self, first: DataLike, rest: AsyncIterator[DataLike], what: str) -> None:
        websocket, connection = self._websocket, self._connection
        await websocket.wait_for_turn()
        websocket.send_in_progress = asyncio.get_running_loop().create_future()
        connection.begin_fragments()
        try:
            await self._put_all(first, rest, what)
        except BaseException:
            connection.fail(Cause.HANDLER_ERROR, "error in fragmented message")
            raise
        finally:
            connection.end_fragments()
            websocket.send_in_progress.set_result(None)
            websocket.send_in_progress = None

    async def _put_all(self, first: DataLike, rest: AsyncIterator[DataLike], what: str) -> None:
        is_str = isinstance(first, str)
        _check(first, is_str=is_str, message=f"{what} must contain bytes or str")
        await self._put(TEXT if (is_str if self._text is None else self._text) else BINARY, first)
        async for part in rest:
            _check(part, is_str=is_str, message=f"{what} must contain uniform types")
            await self._put(CONTINUATION, part)
        await self._put(CONTINUATION | LAST, b"")

    async def _put(self, first_byte: int, part: DataLike) -> None:
        await self._websocket.check_open()
        payload = part.encode() if isinstance(part, str) else bytes(part)
        self._connection.send_awaited(frame(first_byte, payload), is_last=bool(first_byte & LAST))
        await self._websocket.drain()


def _check(part: object, *, is_str: bool, message: str) -> None:
    if not isinstance(part, str if is_str else bytes | bytearray | memoryview):
        raise TypeError(message)


async def _iterate(items: Iterable[DataLike] | AsyncIterable[DataLike]) -> AsyncGenerator[DataLike, None]:
    if isinstance(items, Iterable):
        for item in items:
            yield item
    else:
        async for item in items:
            yield item
