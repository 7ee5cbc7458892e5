"""The object that coroutine handlers get: the interface of `websockets.asyncio.server.ServerConnection` over our connection.

What was written for that library runs unchanged: `recv`, `recv_streaming`, `send` (also of iterables), `async for`, `close`,
`ping`, `pong`, its attributes and its exceptions, and its `broadcast()`. What differs, on purpose: messages are bounded by the
route's `limits.message_size`; what nobody awaits is under its `outbox`; text that is not UTF-8 closes with 1007 when it comes
and is refused when it is sent; what the client says after this side began to close is dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID
from weakref import proxy

from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK, TooManyFragments
from websockets.frames import OK_CLOSE_CODES, Close
from websockets.http11 import Request, Response
from websockets.protocol import State

from wsrouter.api.causes import Cause
from wsrouter.wire.control import PING, PONG
from wsrouter.wire.fragments import FragmentSender
from wsrouter.wire.frames import encode, frame
from wsrouter.wire.head import to_request, to_response
from wsrouter.wire.inbox import Inbox
from wsrouter.wire.pings import Pings, check_control, control_payload

if TYPE_CHECKING:
    from websockets.typing import DataLike

    from wsrouter.api.messages import Message
    from wsrouter.wire.connection import Connection


class BroadcastProtocol:
    """The little that `websockets.asyncio.server.broadcast` touches of a connection's protocol."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def state(self) -> State:
        """OPEN while messages can be sent."""
        return State.CLOSING if self._connection.closing else State.OPEN

    @property
    def subprotocol(self) -> str | None:
        """As on the connection."""
        return self._connection.subprotocol

    def send_text(self, data: bytes) -> None:
        """Sends UTF-8 text."""
        self._connection.send(data.decode())

    def send_binary(self, data: bytes) -> None:
        """Sends bytes."""
        self._connection.send(bytes(data))


class WebSocket:
    """One connection, as coroutines written for `websockets` know it."""

    def __init__(self, connection: Connection) -> None:
        """Made when the connection opens, by the coroutine's handler."""
        self.connection = connection
        self.protocol = BroadcastProtocol(connection)
        self.send_in_progress: asyncio.Future[None] | None = None
        self.id = UUID(2 * connection.id, version=4)
        loop = asyncio.get_running_loop()
        self._inbox = Inbox(connection.pause_reading, connection.resume_reading)
        self._closed: asyncio.Future[None] = loop.create_future()
        self._pings = Pings(loop)

    # What the pipeline calls (api.ports.Inbox).

    def put(self, message: Message) -> None:
        """A whole message came."""
        self._inbox.put(message)

    def put_fragment(self, data: bytes, *, text: bool, first: bool, final: bool) -> None:
        """A fragment came."""
        self._inbox.put_fragment(data, text=text, first=first, final=final)

    def connection_closed(self) -> None:
        """The connection is gone."""
        self._inbox.close()
        self._closed.set_result(None)
        self._pings.fail(self._closed_error())

    async def finish(self) -> None:
        """The coroutine returned."""
        await self.close()

    # Attributes.

    @cached_property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """The library's logger for servers, with this connection in the `websocket` of its records."""
        return logging.LoggerAdapter(logging.getLogger("websockets.server"), {"websocket": proxy(self)})

    @property
    def path(self) -> str:
        """The request's target, query included (as in versions before 13)."""
        return self.request.path

    @property
    def open(self) -> bool:
        """Whether messages can be sent (as in versions before 13)."""
        return self.state is State.OPEN

    @property
    def closed(self) -> bool:
        """Whether the connection is gone (as in versions before 13)."""
        return self.state is State.CLOSED

    @cached_property
    def request(self) -> Request:
        """The opening handshake's request."""
        return to_request(self.connection.upgrade.head)

    @property
    def request_headers(self) -> Any:
        """Its headers (as in versions before 13)."""
        return self.request.headers

    @cached_property
    def response(self) -> Response:
        """The opening handshake's response."""
        return to_response(self.connection.upgrade.response)

    @property
    def response_headers(self) -> Any:
        """Its headers (as in versions before 13)."""
        return self.response.headers

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that was agreed on."""
        return self.connection.subprotocol

    @property
    def local_address(self) -> Any:
        """This side's address: a tuple for IP, a path for Unix sockets."""
        return self.connection.transport.get_extra_info("sockname")

    @property
    def remote_address(self) -> Any:
        """The client's address: a tuple for IP."""
        return self.connection.transport.get_extra_info("peername")

    @property
    def username(self) -> str | None:
        """Who it is, where the route has `auth`."""
        return self.connection.user

    @property
    def state(self) -> State:
        """OPEN, CLOSING or CLOSED."""
        if self._closed.done():
            return State.CLOSED
        return self.protocol.state

    @property
    def latency(self) -> float:
        """The round trip of the latest ping that was answered, in seconds; 0.0 before."""
        return self.connection.watch.latency_s

    @property
    def close_code(self) -> int | None:
        """The close code that was received; 1006 without one; None while it is open."""
        received = self.connection.closes[0]
        if not self._closed.done():
            return None
        return int(received.code) if received is not None else 1006

    @property
    def close_reason(self) -> str | None:
        """The close reason that was received; None while it is open."""
        received = self.connection.closes[0]
        if not self._closed.done():
            return None
        return received.reason if received is not None else ""

    # Receiving.

    async def recv(self, decode: bool | None = None) -> Any:
        """The next message: `str` or `bytes`, as it was sent or as `decode` says. Cancelling it loses nothing.

        Raises:
            ConnectionClosed: when the connection is closed.
            ConcurrencyError: if another `recv` or `recv_streaming` runs.
        """
        try:
            return await self._inbox.get(decode)
        except (EOFError, TooManyFragments, UnicodeDecodeError) as error:
            reason = error
        raise await self._no_message(reason)

    async def recv_streaming(self, decode: bool | None = None) -> AsyncIterator[Any]:
        """The next message, fragment by fragment as they come. It must be read to its end.

        Raises:
            ConnectionClosed: when the connection is closed.
            ConcurrencyError: if another `recv` or `recv_streaming` runs.
        """
        try:
            async for part in self._inbox.stream(decode):
                yield part
            return
        except (EOFError, UnicodeDecodeError) as error:
            reason = error
        raise await self._no_message(reason)

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Messages until the connection is closed normally (1000 or 1001); another close raises."""
        try:
            while True:
                yield await self.recv()
        except ConnectionClosedOK:
            return

    # Sending.

    async def send(self, message: DataLike | Iterable[DataLike] | AsyncIterable[DataLike], *, text: bool | None = None) -> None:
        """Sends a message, or the items of an iterable as its fragments; waits while the client is behind.

        Raises:
            ConnectionClosed: when the connection is closed.
            TypeError: if `message` is of another type, or a dict.
        """
        await self.wait_for_turn()
        if isinstance(message, str | bytes | bytearray | memoryview):
            await self.check_open()
            self.connection.send_awaited(encode(_typed(message, text), self.connection.variant))
            await self.drain()
        elif isinstance(message, Mapping):
            raise TypeError("data is a dict-like object")
        elif isinstance(message, Iterable | AsyncIterable):
            await FragmentSender(self, text).send(message)  # type: ignore[arg-type]  # byte-likes were taken above
        else:
            raise TypeError("data must be str, bytes, iterable, or async iterable")

    def send_data(self) -> None:
        """Writes what `protocol` was given (for `broadcast`)."""
        self.connection.flush()

    async def ping(self, data: DataLike | None = None) -> Awaitable[float]:
        """Sends a ping; the future that it returns is done with the round trip in seconds when its pong comes.

        Raises:
            ConnectionClosed: when the connection is closed.
            ConcurrencyError: if a ping of the same data is still out.
            ProtocolError: if `data` has more than 125 bytes.
        """
        payload = control_payload(data) if data is not None else None
        await self.check_open()
        payload, answered = self._pings.add(payload)
        self.connection.on_pong = self._on_pong
        self.connection.pongs_due += 1
        self.connection.send_control(frame(PING, payload))
        await self.drain()
        return answered

    async def pong(self, data: DataLike = b"") -> None:
        """Sends a pong that nobody asked for. Raises as `ping`."""
        payload = control_payload(data)
        await self.check_open()
        self.connection.send_control(frame(PONG, payload))
        await self.drain()

    # Closing.

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Runs the closing handshake and waits until the connection is gone. Closing twice is closing once.

        Raises:
            ProtocolError: for a code that no close frame may carry, or a reason over 123 bytes.
        """
        if not self.connection.closing:
            if self.send_in_progress is not None:
                self.connection.fail(Cause.HANDLER_ERROR, "close during fragmented message")
            else:
                check_control(Close(code, reason).serialize())
                self.connection.end(Cause.HANDLER_CLOSE, int(code), reason)
        await self.wait_closed()

    async def wait_closed(self) -> None:
        """Waits until the connection is gone."""
        await asyncio.shield(self._closed)

    async def __aenter__(self) -> Self:
        """For `async with`."""
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        """Closes; with 1011 after an exception."""
        await self.close(1000 if kind is None else 1011)

    # What `FragmentSender` needs too.

    async def wait_for_turn(self) -> None:
        """Waits while a message is being sent in fragments."""
        while self.send_in_progress is not None:
            await asyncio.shield(self.send_in_progress)

    async def check_open(self) -> None:
        """Raises ConnectionClosed, once the connection is gone, if it is closing."""
        if self.connection.closing:
            raise await self._closed_error_at_end()

    async def drain(self) -> None:
        """Waits while the client is behind."""
        await self.connection.drained()
        if self._closed.done():
            raise self._closed_error()

    # Inside.

    async def _no_message(self, reason: Exception) -> ConnectionClosed:
        """What a `recv` raises that has no message to return: there is none any more, or it is the client's fault."""
        if isinstance(reason, TooManyFragments):
            self.connection.fail(Cause.TOO_BIG, "too many fragments")
        elif isinstance(reason, UnicodeDecodeError):
            self.connection.fail(Cause.INVALID_TEXT, f"{reason.reason} at position {reason.start}")
        error = await self._closed_error_at_end()
        if not isinstance(reason, EOFError):
            error.__cause__ = reason
        return error

    async def _closed_error_at_end(self) -> ConnectionClosed:
        """What to raise: only when the connection is gone, both close frames are known."""
        await self.wait_closed()
        return self._closed_error()

    def _closed_error(self) -> ConnectionClosed:
        received, sent, received_first = self.connection.closes
        is_ok = received is not None and sent is not None and received.code in OK_CLOSE_CODES and sent.code in OK_CLOSE_CODES
        error = (ConnectionClosedOK if is_ok else ConnectionClosedError)(received, sent, received_first)
        error.__cause__ = self.connection.protocol_error
        return error

    def _on_pong(self, payload: bytes) -> None:
        latency_s = self._pings.answer(payload)
        if latency_s is not None:
            self.connection.watch.latency_s = latency_s


class OpenWebSocket:
    """Makes the `WebSocket` of a connection (api.ports.OpenInbox)."""

    closed_errors: tuple[type[BaseException], ...] = (ConnectionClosed,)

    def __call__(self, connection: Any) -> WebSocket:
        """For a connection that was just opened."""
        return WebSocket(connection)


def _typed(message: DataLike, text: bool | None) -> Message:
    """The message as `str` or `bytes`, as it is or as `text` says."""
    if isinstance(message, str):
        return message.encode() if text is False else message
    data = bytes(message)
    return data.decode() if text else data
