"""`MemoryTransport`: the daemon's end of a connection without a socket.

It behaves as asyncio's do: what is written goes to the client in order; above the high mark it pauses the writer, at a quarter
of it the writer goes on; `close` waits for what is written, `abort` does not; `connection_lost` comes in a later turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

HIGH_BYTES = 64 * 1024
"""As asyncio's own, unless the protocol sets another."""


class MemoryTransport(asyncio.Transport):
    """One connection's transport. The client takes what is written at once, unless it is told not to read."""

    def __init__(self, loop: asyncio.AbstractEventLoop, peername: tuple[str, int], on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        """`on_data` and `on_end` are the client's: bytes for it, and the end of the stream."""
        super().__init__({"peername": peername, "sockname": ("127.0.0.1", 8765), "socket": None})
        self._loop = loop
        self._on_data = on_data
        self._on_end = on_end
        self._protocol: asyncio.Protocol | None = None
        self._out: deque[bytes] = deque()
        self._out_bytes = 0
        self._in: deque[bytes | None] = deque()
        self._high = HIGH_BYTES
        self._writer_is_paused = self._reader_is_paused = False
        self._client_reads = True
        self._wrote_eof = self._is_closing = self._is_lost = False
        self._flow_is_due = False

    # What the client does.

    def start(self, protocol: asyncio.Protocol) -> None:
        """The socket was accepted."""
        self._protocol = protocol
        protocol.connection_made(self)

    def receive(self, data: bytes) -> None:
        """Bytes from the client; none are its end of the stream. The daemon gets them in the next turn."""
        self._in.append(data or None)
        self._flow_soon()

    def set_client_reads(self, reads: bool) -> None:
        """Whether the client takes what is written."""
        self._client_reads = reads
        self._flow_soon()

    # What the daemon asks for.

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hands the connection over."""
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who has it."""
        assert self._protocol is not None
        return self._protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The mark above which the writer is paused."""
        self._high = HIGH_BYTES if high is None else high

    def get_write_buffer_size(self) -> int:
        """What the client has not taken; nothing while it reads."""
        return 0 if self._client_reads else self._out_bytes

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """The low and the high mark."""
        return self._high // 4, self._high

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Sends bytes to the client."""
        if self._is_closing or self._wrote_eof or not data:
            return
        self._out.append(bytes(data))
        self._out_bytes += len(data)
        if self._client_reads:
            self._flow_soon()
        elif self._out_bytes > self._high and not self._writer_is_paused:
            self._writer_is_paused = True
            self.get_protocol().pause_writing()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[Any]]) -> None:
        """Sends several at once."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """As TCP."""
        return True

    def write_eof(self) -> None:
        """Ends this direction when what is written is taken."""
        self._wrote_eof = True
        self._flow_soon()

    def pause_reading(self) -> None:
        """What the client sends waits."""
        self._reader_is_paused = True

    def resume_reading(self) -> None:
        """And goes on."""
        self._reader_is_paused = False
        self._flow_soon()

    def is_reading(self) -> bool:
        """Whether the daemon takes what the client sends."""
        return not self._reader_is_paused and not self._is_closing

    def is_closing(self) -> bool:
        """Whether it is closed or about to be."""
        return self._is_closing

    def close(self) -> None:
        """Closes it when what is written is taken."""
        self._is_closing = True
        self._flow_soon()

    def abort(self) -> None:
        """Closes it at once."""
        self._is_closing = True
        self._drop()
        self._flow_soon()

    # What goes on between two turns.

    def _drop(self) -> None:
        self._out.clear()
        self._out_bytes = 0

    def _flow_soon(self) -> None:
        if not self._flow_is_due:
            self._flow_is_due = True
            self._loop.call_soon(self._flow)

    def _flow(self) -> None:
        self._flow_is_due = False
        self._flow_out()
        self._flow_in()
        if self._is_closing and not self._out and not self._is_lost:
            self._is_lost = True
            self._loop.call_soon(self.get_protocol().connection_lost, None)
            self._end_for_client()

    def _flow_out(self) -> None:
        while self._out and self._client_reads:
            data = self._out.popleft()
            self._out_bytes -= len(data)
            self._on_data(data)
        if self._writer_is_paused and self._out_bytes <= self._high // 4:
            self._writer_is_paused = False
            self.get_protocol().resume_writing()
        if self._wrote_eof and not self._out:
            self._end_for_client()

    def _end_for_client(self) -> None:
        end, self._on_end = self._on_end, _nothing
        end()

    def _flow_in(self) -> None:
        while self._in and not self._reader_is_paused and not self._is_closing:
            data = self._in.popleft()
            protocol = self.get_protocol()
            assert isinstance(protocol, asyncio.Protocol)
            if data is not None:
                protocol.data_received(data)
            elif not protocol.eof_received():
                self.close()


def _nothing() -> None:
    """Whoever was to be told has been told."""
