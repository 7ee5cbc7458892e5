"""What waits to be received by a coroutine: messages and fragments in their order, with reading paused while it is behind."""

from __future__ import annotations

import asyncio
import codecs
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from websockets.exceptions import ConcurrencyError, TooManyFragments

from wsrouter.access.bounds import MAX_FRAGMENTS
from wsrouter.api.messages import Message

# The library's max_queue: reading pauses above 16 waiting frames and goes on at 4.
HIGH = 16
LOW = 4

_Utf8Decoder = codecs.getincrementaldecoder("utf-8")


class Part(NamedTuple):
    """A whole message, or one fragment of it."""

    data: Message
    text: bool
    final: bool


class Inbox:
    """A queue with one reader at a time."""

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """`pause` and `resume` stop and start the connection's reading."""
        self._parts: deque[Part] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._pause = pause
        self._resume = resume
        self._is_paused = False
        self._is_closed = False
        self._is_read = False

    def put(self, message: Message) -> None:
        """A whole message came."""
        self._add(Part(message, isinstance(message, str), True))

    def put_fragment(self, data: bytes, *, text: bool, first: bool, final: bool) -> None:
        """A fragment came."""
        self._add(Part(data, text, final))

    def close(self) -> None:
        """Nothing more will come; what waits can still be had."""
        self._is_closed = True
        self._wake()

    async def get(self, decode: bool | None) -> Message:
        """The next whole message. Cancelling it loses nothing.

        Raises:
            EOFError: when the connection is closed and nothing waits.
            UnicodeDecodeError: if fragments of text do not make UTF-8.
            TooManyFragments: if it comes in more than MAX_FRAGMENTS fragments.
            ConcurrencyError: if it is being read already.
        """
        self._begin("recv")
        taken: list[Part] = []
        try:
            taken.append(await self._next())
            while not taken[-1].final and len(taken) < MAX_FRAGMENTS:
                taken.append(await self._next())
        except BaseException:
            self._parts.extendleft(reversed(taken))
            raise
        finally:
            self._is_read = False
        if not taken[-1].final:
            raise TooManyFragments(MAX_FRAGMENTS)
        first = taken[0]
        data = first.data if first.final else b"".join([_encoded(part.data) for part in taken])
        return _decoded(data, first.text if decode is None else decode)

    async def stream(self, decode: bool | None) -> AsyncIterator[Message]:
        """The parts of the next message as they come. An unfinished one leaves the inbox unreadable, as in the library."""
        self._begin("recv_streaming")
        try:
            part = await self._next()
        except BaseException:
            self._is_read = False
            raise
        decoder = _Utf8Decoder() if (part.text if decode is None else decode) else None
        while True:
            data = _encoded(part.data)
            yield decoder.decode(data, part.final) if decoder is not None else data
            if part.final:
                break
            part = await self._next()
        self._is_read = False

    def _begin(self, caller: str) -> None:
        if self._is_read:
            raise ConcurrencyError(f"cannot call {caller} while another coroutine is already running recv or recv_streaming")
        self._is_read = True

    async def _next(self) -> Part:
        while not self._parts:
            if self._is_closed:
                raise EOFError
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        part = self._parts.popleft()
        if self._is_paused and len(self._parts) <= LOW:
            self._is_paused = False
            self._resume()
        return part

    def _add(self, part: Part) -> None:
        self._parts.append(part)
        self._wake()
        if len(self._parts) > HIGH and not self._is_paused:
            self._is_paused = True
            self._pause()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _decoded(data: Message, text: bool) -> Message:
    if text:
        return data if isinstance(data, str) else data.decode()
    return _encoded(data)


def _encoded(data: Message) -> bytes:
    return data.encode() if isinstance(data, str) else data
