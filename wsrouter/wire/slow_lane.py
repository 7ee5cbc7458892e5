"""The slow lane of a connection: whatever is not a whole, plain data frame, done by `websockets`' own `ServerProtocol`.

It answers pings, runs the closing handshake, inflates and finds protocol errors. Assembling fragments, their limit and UTF-8
are done here, as the library's asyncio layer does them. The object lives only while something of it is pending.
"""

from __future__ import annotations

from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from wsrouter.access.bounds import MAX_FRAGMENTS
from wsrouter.api.causes import Cause
from wsrouter.api.messages import Message
from wsrouter.api.ports import Ending
from wsrouter.wire.inflate import Inflater
from wsrouter.wire.upgrade import Deflate

_FAILURES = {1002: Cause.PROTOCOL_ERROR, 1007: Cause.INVALID_TEXT, 1009: Cause.TOO_BIG}


class SlowLane:
    """A `ServerProtocol` in the middle of a connection, with the fragments of the message that it is in."""

    __slots__ = ("_limit", "_parts", "_text", "protocol")

    def __init__(self, limit_bytes: int, deflate: Deflate | None) -> None:
        """`limit_bytes` bounds a message, inflated and assembled."""
        self.protocol = ServerProtocol(state=State.OPEN, max_size=limit_bytes)
        if deflate is not None:
            self.protocol.extensions = [Inflater(deflate)]
        self._limit = limit_bytes
        self._parts: list[bytes] = []
        self._text = False

    @property
    def room_bytes(self) -> int:
        """How long the next frame may be: the limit less the fragments so far, which the protocol counts."""
        return self._limit - (self.protocol.current_size or 0)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is pending, so that this object can go."""
        return not self._parts and self.protocol.state is State.OPEN

    @property
    def is_over(self) -> bool:
        """Whether what comes now is discarded: a close frame was received, or the client failed."""
        return self.protocol.eof_sent

    def release(self) -> None:
        """It is not needed any more: freed at once. Its parser refers to it, so that the collector would have to find it.

        The collector looks after 10,000 objects; with a decompressor of 40 KiB each, a client that sends short compressed messages
        had 90 MiB lie about by then.
        """
        self.protocol.parser.close()

    def feed(self, data: bytes) -> list[Frame]:
        """Gives the protocol one whole frame, or bytes that fail; what it answers is in `to_send`."""
        self.protocol.receive_data(data)
        return self.protocol.events_received()  # type: ignore[return-value]  # only frames in this state

    def to_send(self) -> bytes:
        """What the protocol wants to have sent, its end of stream left out; `is_over` tells of that."""
        return b"".join(self.protocol.data_to_send())

    def assemble(self, data: Frame) -> Message | None:
        """Adds a data frame; the whole message with the last one. A message that fails closes, and is None."""
        if data.opcode is not Opcode.CONT:
            self._text = data.opcode is Opcode.TEXT
            self._parts = []
        elif len(self._parts) >= MAX_FRAGMENTS:
            self.protocol.fail(1009, "too many fragments")
            self._parts = []
            return None
        self._parts.append(bytes(data.data))
        if not data.fin:
            return None
        whole = b"".join(self._parts)
        self._parts = []
        return self.decode(whole) if self._text else whole

    def begin(self, data: Frame) -> tuple[bool, bool]:
        """Notes a data frame that goes on as a fragment: (whether it is text, whether it is the first)."""
        first = data.opcode is not Opcode.CONT
        if first:
            self._text = data.opcode is Opcode.TEXT
        self._parts = [] if data.fin else [b""]
        return self._text, first

    def decode(self, payload: bytes) -> str | None:
        """Text; or None, and the connection fails with 1007."""
        try:
            return payload.decode()
        except UnicodeDecodeError as error:
            self.protocol.fail(1007, f"{error.reason} at position {error.start}")
            return None

    def ending(self) -> Ending:
        """How the connection ends, once it is over without this side having begun it."""
        received, sent = self.protocol.close_rcvd, self.protocol.close_sent
        if self.protocol.close_rcvd_then_sent and received is not None and sent is received:
            return Ending(Cause.CLIENT_CLOSE, int(received.code), received.reason, "client")
        if sent is not None:
            return Ending(_FAILURES.get(int(sent.code), Cause.PROTOCOL_ERROR), int(sent.code), sent.reason, "server")
        return Ending(Cause.CLIENT_ABORT, 1006, "", "client")
