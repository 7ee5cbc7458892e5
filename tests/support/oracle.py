"""What `websockets` does with a stream of frames: its `ServerProtocol`, with the assembler of its asyncio layer, echoing.

Its asyncio layer handles the messages of a read after all frames of the read: a pong that comes behind a message in one read
leaves before the echo. That order depends on how the stream was cut. The oracle therefore goes frame by frame, as RFC 6455
has it: what a frame makes the server send leaves before the next frame is looked at. wsrouter promises that order.

Nor does it take messages any more once a close frame was sent: there the library leaves it to the handler.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from websockets.asyncio.messages import Assembler
from websockets.exceptions import TooManyFragments
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from support.wire import ManualLoop
from wsrouter.api.messages import Message

MAX_FRAGMENTS = 4096


class Oracle:
    """One connection of the library. `closes_at` tells which messages the server answers by closing instead."""

    def __init__(self, limit_bytes: int, window_bits: tuple[int, int] | None, closes_at: Callable[[Message], bool]) -> None:
        self.protocol = ServerProtocol(state=State.OPEN, max_size=limit_bytes)
        if window_bits is not None:
            self.protocol.extensions = [PerMessageDeflate(True, True, *window_bits, {"memLevel": 5})]
        self.messages: list[Message] = []
        self.sent = b""
        self.is_over = False
        """Whether it ended the stream."""
        self._closes_at = closes_at
        self._assembler = _make_assembler()
        self._waiting = 0

    @property
    def close_code(self) -> int | None:
        """The code that the connection closes with, once that has begun."""
        close = self.protocol.close_sent
        return None if close is None else int(close.code)

    def feed(self, piece: bytes) -> None:
        """One whole frame; anything else must come byte by byte."""
        self.protocol.receive_data(piece)
        for event in self.protocol.events_received():
            assert isinstance(event, Frame)
            if event.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT} and self.protocol.state is State.OPEN:
                self._take(event)
        for data in self.protocol.data_to_send():
            self.sent += data
            self.is_over = self.is_over or not data

    def _take(self, frame: Frame) -> None:
        self._assembler.put(frame)
        self._waiting += 1
        if not frame.fin and self._waiting <= MAX_FRAGMENTS:
            return
        self._waiting = 0
        try:
            self._assembler.get().send(None)
        except StopIteration as done:
            self._answer(done.value)
        except TooManyFragments:
            self.protocol.fail(1009, "too many fragments")
        except UnicodeDecodeError as error:
            self.protocol.fail(1007, f"{error.reason} at position {error.start}")

    def _answer(self, message: Message) -> None:
        self.messages.append(message)
        if self._closes_at(message):
            self.protocol.send_close(1000, "bye")
        elif isinstance(message, str):
            self.protocol.send_text(message.encode())
        else:
            self.protocol.send_binary(message)


def _make_assembler() -> Assembler:
    """The assembler of a connection. It asks for the loop when it is made, and uses it only to wait, which never happens here."""
    asyncio._set_running_loop(ManualLoop())  # type: ignore[arg-type]
    try:
        return Assembler()
    finally:
        asyncio._set_running_loop(None)
