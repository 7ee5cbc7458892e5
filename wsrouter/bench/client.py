"""[hot] One connection: its handshake, then frames in and out.

A read of 16 messages, cut, matched, timed and answered with 16 more, costs 16 µs; to parse them alone takes the `websockets` library 31.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic_ns
from typing import Protocol, cast

from wsrouter.bench.frames import BAD, CLOSE, DONE, FIN, PING, PONG, SLOW, client_frame, cut, cut_one
from wsrouter.bench.handshake import describe_close, judge

LOST = "lost: the connection ended without a close frame"


class Receiver(Protocol):
    """Takes the messages of one connection."""

    unexpected: int
    """How many belong to nothing that was sent to it in this run."""

    def take(self, messages: list[bytes], now_ns: int) -> None:
        """Notes messages that came in one read."""

    def count_lost(self) -> int:
        """How many have not come, of what was sent so far."""

    def count(self, name: str) -> int:
        """How many are `received`, `duplicated` or `out_of_order`."""

    def leave(self) -> None:
        """The connection is closed: nothing more is waited for."""


class Client(asyncio.Protocol):
    """A connection. `ended` is called once with what went wrong, if it ends before `close` is called."""

    def __init__(self, request: bytes, ended: Callable[[Client, str], None]) -> None:
        self.is_paused = False
        """Whether the server takes less than it is sent."""
        self.is_closed = False
        self.resumed: Callable[[], None] = _nothing
        """Called when it may send again."""
        self.receiver: Receiver | None = None
        self.opened: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Why there is no connection, "" if there is one."""
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self._request = request
        self._ended = ended
        self._rest = b""
        self._fragments: list[bytes] | None = None
        self._is_closing = False
        self._problem = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for the upgrade."""
        self._transport = cast("asyncio.Transport", transport)
        self.write = self._transport.write  # looked up once: 30 ns a message of its own
        self.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Hands the messages of a read to the receiver."""
        now = monotonic_ns()
        if self._rest:
            data, self._rest = self._rest + data, b""
        if not self.opened.done():
            data = self._open(data)
        messages: list[bytes] = []
        at, why = cut(data, 0, messages)
        while why == SLOW:
            at, why = self._take_frame(data, at, messages)
        if messages and self.receiver is not None:
            self.receiver.take(messages, now)
        if why != DONE:
            self._rest = data[at:]
            if why == BAD:
                self._problem = "protocol error: the server sent a frame that no server may send"
        if self._problem:
            self._fail(self._problem)

    def pause_writing(self) -> None:
        """The server takes less than it is sent."""
        self.is_paused = True

    def resume_writing(self) -> None:
        """The server takes more again."""
        self.is_paused = False
        self.resumed()

    def eof_received(self) -> None:
        """The answer to the handshake may have ended here."""
        if not self.opened.done():
            self.opened.set_result(judge(self._rest, ended=True) or "hung up before the upgrade")

    def connection_lost(self, error: Exception | None) -> None:
        """What had not come will not."""
        self.is_closed = True
        if not self.opened.done():
            self.opened.set_result(judge(self._rest, ended=True) or "hung up before the upgrade")
        elif self.opened.result() == "":
            self._fail(LOST)
        if not self.closed.done():
            self.closed.set_result(None)

    def close(self) -> None:
        """Says goodbye; the server ends the connection."""
        if not self._is_closing and not self.is_closed:
            self._is_closing = True
            self.write(client_frame((1000).to_bytes(2, "big"), FIN | CLOSE))

    def abort(self) -> None:
        """Ends it without a word."""
        self._is_closing = True
        if self._transport is not None:
            self._transport.abort()

    def _open(self, data: bytes) -> bytes:
        """The handshake's answer; what follows it, once it is whole."""
        problem = judge(data)
        if problem is None:
            self._rest = data
            return b""
        self.opened.set_result(problem)
        if problem:
            self.abort()
            return b""
        return data.partition(b"\r\n\r\n")[2]

    def _take_frame(self, data: bytes, at: int, messages: list[bytes]) -> tuple[int, int]:
        """A control frame or a fragment, and then the messages after it."""
        first, payload, end = cut_one(data, at)
        opcode = first & 0x0F
        if opcode == PING:
            self.write(client_frame(payload, FIN | PONG))
        elif opcode == CLOSE:
            if not self._is_closing:
                self.write(client_frame(payload[:2], FIN | CLOSE))
                self._problem = describe_close(payload)
            return end, DONE
        elif opcode in {0, 1, 2} and (opcode == 0) == (self._fragments is not None):
            self._fragments = [*(self._fragments or ()), payload]
            if first & FIN:
                messages.append(b"".join(self._fragments))
                self._fragments = None
        elif opcode != PONG:
            return at, BAD
        return cut(data, end, messages)

    def _fail(self, problem: str) -> None:
        """It has ended, and nobody asked for it."""
        if self._is_closing:
            return
        self._is_closing = True
        self.is_closed = True
        if self.receiver is not None:
            self.receiver.leave()
        self._ended(self, problem)
        if self._transport is not None:
            self._transport.close()


def _nothing() -> None:
    """Nobody waits for it."""
