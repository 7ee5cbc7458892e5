"""The pings of a coroutine that are still out, in the order in which they were sent."""

from __future__ import annotations

import asyncio
import struct
from random import getrandbits
from typing import TYPE_CHECKING

from websockets.exceptions import ConcurrencyError, ProtocolError

if TYPE_CHECKING:
    from websockets.typing import DataLike

MAX_CONTROL_BYTES = 125  # RFC 6455, section 5.5


class Pings:
    """Each with the future that its pong completes."""

    __slots__ = ("_loop", "_out")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """None is out."""
        self._loop = loop
        self._out: dict[bytes, tuple[asyncio.Future[float], float]] = {}

    def add(self, payload: bytes | None) -> tuple[bytes, asyncio.Future[float]]:
        """Notes a ping that is about to be sent: its payload, four random bytes for None, and its future.

        Raises:
            ConcurrencyError: if one of the same payload is still out.
        """
        if payload is not None and payload in self._out:
            raise ConcurrencyError("already waiting for a pong with the same data")
        while payload is None or payload in self._out:
            payload = struct.pack("!I", getrandbits(32))
        waiter = self._loop.create_future()
        self._out[payload] = (waiter, self._loop.time())
        return payload, waiter

    def answer(self, payload: bytes) -> float | None:
        """A pong came. It answers its ping and all before it; the latency of its own in seconds, or None if it has none."""
        if payload not in self._out:
            return None
        now = self._loop.time()
        for each in list(self._out):
            waiter, sent_at = self._out.pop(each)
            if not waiter.done():
                waiter.set_result(now - sent_at)
            if each == payload:
                return now - sent_at
        return None

    def fail(self, error: Exception) -> None:
        """The connection is gone: no pong will come."""
        for waiter, _ in self._out.values():
            if not waiter.done():
                waiter.set_exception(error)
                waiter.exception()  # nobody need look at it
        self._out.clear()


def control_payload(data: DataLike) -> bytes:
    """What a ping or pong carries.

    Raises:
        TypeError: if it is neither text nor bytes.
        ProtocolError: if it has more than 125 bytes.
    """
    if not isinstance(data, str | bytes | bytearray | memoryview):
        raise TypeError("data must be str or bytes-like")
    return check_control(data.encode() if isinstance(data, str) else bytes(data))


def check_control(payload: bytes) -> bytes:
    """The payload of a control frame, if one may be that long.

    Raises:
        ProtocolError: if it may not.
    """
    if len(payload) > MAX_CONTROL_BYTES:
        raise ProtocolError("control frame too long")
    return payload
