"""`Client`: the other end of a connection in memory, as a browser or a script would be: it speaks the real protocol.

The frames, the handshake and its answers are those of `websockets`' Sans-I/O client; this is why this file may import it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import SEND_EOF, State
from websockets.uri import WebSocketURI

from wsrouter.scenario.transport import MemoryTransport

if TYPE_CHECKING:
    from websockets.typing import Origin, Subprotocol

    from wsrouter.api.messages import Message
    from wsrouter.api.ports import Ending, Refusal
    from wsrouter.wire.handshake import Handshake

MAX_MESSAGE_BYTES = 64 << 20
_PATH_CHARACTERS = "".join(map(chr, range(0x21, 0x7F)))
_OFFERED = [ClientPerMessageDeflateFactory(client_max_window_bits=True)]  # as browsers offer it; a route with `compression` takes it


@dataclass(frozen=True, slots=True)
class Opening:
    """How a client opens its connection."""

    path: str
    """The request's target, with its query; what is not ASCII is percent-encoded."""
    host: str = "localhost"
    headers: Mapping[str, str] = field(default_factory=dict)
    origin: str | None = None
    subprotocols: Sequence[str] = ()
    answers: bool = True
    """Whether it is there: one that is not never answers, as behind a cable that was pulled."""


class Client:
    """One client. `messages` are those that nobody has taken yet, in order."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop, handshake: Handshake, opening: Opening, port: int) -> None:
        """Sends its request; `settled` waits until it is answered."""
        self.name = name
        self.opening = opening
        self.peer = f"127.0.0.1:{port}"
        self.messages: deque[Message] = deque()
        self.response: Response | None = None
        self.handshake_error = ""
        """What is wrong with the daemon's answer, if something is."""
        self.connection_id: str | None = None
        self.ending: Ending | None = None
        """How the daemon says that it ended."""
        self.refusal: Refusal | None = None
        self.is_gone = False
        """Whether the stream has ended."""
        self._loop = loop
        self._parts: list[bytes] = []
        self._is_text = True
        self._waiter: asyncio.Future[None] | None = None
        self._waits_for_end = False
        uri = WebSocketURI(secure=False, host="localhost", port=80, path=quote(opening.path, safe=_PATH_CHARACTERS), query="")
        self._protocol = ClientProtocol(
            uri,
            origin=_as_origin(opening.origin),
            extensions=_OFFERED,
            subprotocols=_as_subprotocols(opening.subprotocols),
            max_size=MAX_MESSAGE_BYTES,
        )
        self._transport = MemoryTransport(loop, ("127.0.0.1", port), self._data_received, self._end_received)
        self._transport.start(handshake)
        request = self._protocol.connect()
        for header, value in {"Host": opening.host, **opening.headers}.items():
            if header in request.headers:
                del request.headers[header]
            request.headers[header] = value
        self._protocol.send_request(request)
        self._flush()

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._protocol.state is State.OPEN

    @property
    def has_ended(self) -> bool:
        """Whether it is over: closed, cut off or refused."""
        return self.is_gone or self._protocol.state is State.CLOSED or bool(self.handshake_error)

    @property
    def status(self) -> int | None:
        """The HTTP status of the answer to its request: 101 where it was accepted."""
        return self.response.status_code if self.response is not None else None

    @property
    def subprotocol(self) -> str | None:
        """What was agreed on."""
        return self._protocol.subprotocol

    @property
    def close_code(self) -> int:
        """The code that it was closed with: 1005 for a close frame without one, 1006 where there was none."""
        frame = self._protocol.close_rcvd
        return frame.code if frame is not None else 1006

    @property
    def close_reason(self) -> str:
        """The reason that it was closed with."""
        frame = self._protocol.close_rcvd
        return frame.reason if frame is not None else ""

    def send(self, message: Message) -> None:
        """Sends a message; it has effect in the next turn."""
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
        else:
            self._protocol.send_binary(message)
        self._flush()

    def close(self, code: int, reason: str = "") -> None:
        """Begins the closing handshake; 1005 sends a close frame without a code."""
        if code == 1005:
            self._protocol.send_close()
        else:
            self._protocol.send_close(code, reason)
        self._flush()

    def hang_up(self) -> None:
        """Goes away without a close frame."""
        self._transport.receive(b"")

    def set_reads(self, reads: bool) -> None:
        """Whether it takes what is sent to it."""
        self._transport.set_client_reads(reads)

    async def wait(self, within_s: float) -> None:
        """Waits until there is a message, or it is over, or the time has passed."""
        if not (self.messages or self.has_ended):
            await self._wait(within_s)

    async def wait_for_end(self, within_s: float) -> None:
        """Waits until it is over, or the time has passed."""
        self._waits_for_end = True
        try:
            if not self.has_ended:
                await self._wait(within_s)
        finally:
            self._waits_for_end = False

    async def _wait(self, within_s: float) -> None:
        self._waiter = waiter = self._loop.create_future()
        timer = self._loop.call_later(within_s, _wake, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None

    # What comes from the daemon.

    def _data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        self._take_events()

    def _end_received(self) -> None:
        self.is_gone = True
        if self._protocol.state is not State.CLOSED:
            self._protocol.receive_eof()
        self._take_events()
        self._transport.receive(b"")

    def _take_events(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._answered(event)
            elif isinstance(event, Frame):
                self._frame_received(event)
        if self.opening.answers:
            self._flush()
        if self._waiter is not None and (self.has_ended or (self.messages and not self._waits_for_end)):
            _wake(self._waiter)

    def _answered(self, response: Response) -> None:
        self.response = response
        error = self._protocol.handshake_exc
        if isinstance(error, InvalidHandshake) and not isinstance(error, InvalidStatus):
            self.handshake_error = str(error)

    def _frame_received(self, frame: Frame) -> None:
        if frame.opcode not in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            return
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._parts.append(bytes(frame.data))
        if frame.fin:
            whole = b"".join(self._parts)
            self._parts.clear()
            self.messages.append(whole.decode() if self._is_text else whole)

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            self._transport.receive(b"" if data is SEND_EOF else data)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _as_origin(origin: str | None) -> Origin | None:
    """As the library types it."""
    return origin  # type: ignore[return-value]


def _as_subprotocols(names: Sequence[str]) -> list[Subprotocol] | None:
    """As the library types them; it sends no header for none."""
    return list(names) or None  # type: ignore[arg-type]
