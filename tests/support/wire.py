"""The wire without sockets: a loop whose time stands still, a client that takes what the test says, an endpoint that echoes.

    wire = Wire()
    wire.read(masked(TEXT, b"hi"))
    assert wire.sent == frame(TEXT, b"hi")

Nothing here waits: the loop's turns and its time are moved on by the test.
"""

from __future__ import annotations

import asyncio
import heapq
import struct
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from wsrouter.api.causes import Cause
from wsrouter.api.messages import Message, Sendable
from wsrouter.api.ports import Attempt, DoorEvent, Ending, Failure, Losses, Quarantined, Refusal
from wsrouter.config.settings import Keepalive, RouteSettings, ServerLimits
from wsrouter.wire.connection import Connection
from wsrouter.wire.handshake import Handshake
from wsrouter.wire.hub import Hub
from wsrouter.wire.upgrade import Deflate, Upgrade

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10
MASK = bytes.fromhex("00000000")
HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HIGH_BYTES = 64 * 1024
DEFAULTS = RouteSettings()
NO_LIMITS = ServerLimits()


def frame(opcode: int, payload: bytes = b"", *, flags: int = FIN) -> bytes:
    """A frame as a server sends it, written out from RFC 6455, section 5.2, so that no code of ours is used."""
    return bytes([flags | opcode]) + _length(len(payload), 0) + payload


def masked(opcode: int, payload: bytes = b"", *, flags: int = FIN, key: bytes = MASK) -> bytes:
    """The same as a client sends it."""
    return bytes([flags | opcode]) + _length(len(payload), 0x80) + key + bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))


def close_payload(code: int, reason: str = "") -> bytes:
    """What a close frame holds."""
    return code.to_bytes(2, "big") + reason.encode()


def close_codes(data: bytes) -> list[int]:
    """The codes of the close frames among whole frames of a server; 1005 for one without a code."""
    return [int.from_bytes(payload[:2], "big") if payload else 1005 for first, payload in split_frames(data) if first & 0x0F == CLOSE]


def split_frames(data: bytes) -> list[tuple[int, bytes]]:
    """Whole frames of a server as (first byte, payload); fails on half a frame."""
    frames, at = [], 0
    while at < len(data):
        length, start = data[at + 1], at + 2
        if length == 126:
            length, start = struct.unpack_from("!H", data, at + 2)[0], at + 4
        elif length == 127:
            length, start = struct.unpack_from("!Q", data, at + 2)[0], at + 10
        assert start + length <= len(data), "half a frame"
        frames.append((data[at], data[start : start + length]))
        at = start + length
    return frames


def texts(data: bytes) -> list[str]:
    """The texts among whole frames of a server."""
    return [payload.decode() for first, payload in split_frames(data) if first == FIN | TEXT]


def _length(length: int, mask_bit: int) -> bytes:
    if length < 126:
        return bytes([mask_bit | length])
    if length < 65536:
        return struct.pack("!BH", mask_bit | 126, length)
    return struct.pack("!BQ", mask_bit | 127, length)


class ManualLoop:
    """As much of an event loop as `wire/` uses. `settle` runs what is ready, `advance` lets time pass."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._ready: deque[Callable[[], object]] = deque()
        self._timers: list[tuple[float, int, _Timer]] = []
        self._numbers = count()

    def time(self) -> float:
        return self._now

    def get_debug(self) -> bool:
        return False

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)  # type: ignore[arg-type]

    def call_soon(self, function: Callable[..., object], *arguments: object, context: object = None) -> None:
        self._ready.append(lambda: function(*arguments))

    def call_later(self, delay_s: float, function: Callable[..., object], *arguments: object) -> _Timer:
        return self.call_at(self._now + delay_s, function, *arguments)

    def call_at(self, moment: float, function: Callable[..., object], *arguments: object) -> _Timer:
        timer = _Timer(lambda: function(*arguments))
        heapq.heappush(self._timers, (moment, next(self._numbers), timer))
        return timer

    def turn(self) -> None:
        """One turn: what is ready now, and not what that makes ready."""
        for _ in range(len(self._ready)):
            self._ready.popleft()()

    def settle(self) -> None:
        """Turns until nothing is ready."""
        turns = 0
        while self._ready:
            self.turn()
            turns += 1
            assert turns < 1000, "the loop never comes to rest"

    def advance(self, seconds: float) -> None:
        """Lets time pass, from timer to timer."""
        end = self._now + seconds
        self.settle()
        while self._timers and self._timers[0][0] <= end:
            moment, _, timer = heapq.heappop(self._timers)
            self._now = max(self._now, moment)
            if not timer.cancelled:
                timer.function()
            self.settle()
        self._now = end

    def run(self, coroutine: Coroutine[Any, Any, None]) -> Callable[[], bool]:
        """Starts a coroutine, up to its first wait; the answer tells whether it has ended. `settle` goes on with it."""
        done = False

        def step(_: object = None) -> None:
            nonlocal done
            try:
                coroutine.send(None).add_done_callback(step)
            except StopIteration:
                done = True

        step()
        return lambda: done


class _Timer:
    def __init__(self, function: Callable[[], object]) -> None:
        self.function = function
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class LoopClock:
    """A `Clock` that follows the loop's time."""

    def __init__(self, loop: ManualLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, delay_s: float) -> None:
        raise NotImplementedError


class Transport:
    """A transport with its client: what is written lies in `buffer` until the client takes it, at once unless `is_stuck`.

    It behaves as asyncio's do: above the high mark it pauses the writer, at a quarter of it it resumes it; `close` waits for
    the buffer, `abort` does not; `connection_lost` comes in a later turn.
    """

    def __init__(self, loop: ManualLoop, peername: object = ("127.0.0.1", 50000)) -> None:
        self.protocol: Any = None
        self.sent = b""
        """What the client has taken."""
        self.writes: list[bytes] = []
        """Each write, in its order."""
        self.calls: list[str] = []
        """What was asked of the transport besides writing."""
        self.is_stuck = False
        self.write_eof_error: Exception | None = None
        self._loop = loop
        self._info = {"peername": peername, "sockname": ("127.0.0.1", 8765), "socket": None}
        self._buffer = b""
        self._high = HIGH_BYTES
        self._is_paused = False
        self._is_closing = False
        self._is_lost = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._info.get(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = HIGH_BYTES if high is None else high

    def get_write_buffer_size(self) -> int:
        return len(self._buffer)

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def write(self, data: bytes) -> None:
        assert data, "an empty write"
        assert "eof" not in self.calls, "a write after the end of the stream"
        if self._is_closing:
            return
        self.writes.append(bytes(data))
        if not self.is_stuck and not self._buffer:
            self.sent += data
            return
        self._buffer += data
        if len(self._buffer) > self._high and not self._is_paused:
            self._is_paused = True
            self.protocol.pause_writing()

    def writelines(self, parts: list[bytes]) -> None:
        self.write(b"".join(parts))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if self.write_eof_error is not None:
            raise self.write_eof_error
        self.calls.append("eof")

    def pause_reading(self) -> None:
        self.calls.append("pause_reading")

    def resume_reading(self) -> None:
        self.calls.append("resume_reading")

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self.calls.append("close")
            if not self._buffer:
                self._lose(None)

    def abort(self) -> None:
        self.calls.append("abort")
        self._is_closing = True
        self._buffer = b""
        self._lose(None)

    def take(self, size_bytes: int | None = None) -> None:
        """The client takes that many bytes, or all and whatever comes now."""
        if size_bytes is None:
            self.is_stuck = False
            size_bytes = len(self._buffer)
        self.sent, self._buffer = self.sent + self._buffer[:size_bytes], self._buffer[size_bytes:]
        if self._is_paused and len(self._buffer) <= self._high // 4:
            self._is_paused = False
            self.protocol.resume_writing()
            if not self.is_stuck and self._buffer:
                self.take()
        if self._is_closing and not self._buffer:
            self._lose(None)

    def hang_up(self, error: Exception | None = None) -> None:
        """The client is gone: with its end of stream, or with a reset."""
        if error is None and not self.protocol.eof_received():
            self.close()
        else:
            self._is_closing = True
            self._buffer = b""
            self._lose(error)

    @property
    def is_reading(self) -> bool:
        asked = [call for call in self.calls if call.endswith("reading")]
        return not asked or asked[-1] == "resume_reading"

    @property
    def is_over(self) -> bool:
        """Whether this side ended the stream, in one way or another."""
        return any(call in {"eof", "close", "abort"} for call in self.calls)

    def _lose(self, error: Exception | None) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._loop.call_soon(lambda: self.protocol.connection_lost(error))


class Notes:
    """An `Observer` that keeps what it is told."""

    def __init__(self) -> None:
        self.opened_connections: list[Any] = []
        self.endings: list[Ending] = []
        self.told: list[tuple[str, Losses]] = []
        self.refusals: list[tuple[Attempt, Refusal]] = []
        self.vanished_peers: list[str] = []
        self.noticings: list[tuple[DoorEvent, dict[str, object]]] = []
        self.failures: list[Failure] = []
        self.quarantines: list[Quarantined] = []
        self.releases: list[tuple[str, str]] = []

    def opened(self, connection: Any) -> None:
        self.opened_connections.append(connection)

    def closed(self, connection: Any, ending: Ending) -> None:
        assert connection in self.opened_connections, "closed before it was opened"
        self.endings.append(ending)

    def refused(self, attempt: Attempt, refusal: Refusal) -> None:
        self.refusals.append((attempt, refusal))

    def vanished(self, peer: str) -> None:
        self.vanished_peers.append(peer)

    def behind(self, connection: Any, losses: Losses) -> None:
        self.told.append(("behind", replace(losses)))

    def caught_up(self, connection: Any, losses: Losses) -> None:
        self.told.append(("caught_up", replace(losses)))

    def noticed(self, event: DoorEvent, facts: Mapping[str, object]) -> None:
        self.noticings.append((event, dict(facts)))

    def failed(self, failure: Failure) -> None:
        self.failures.append(failure)

    def quarantined(self, quarantined: Quarantined) -> None:
        self.quarantines.append(quarantined)

    def released(self, route: str, handler: str) -> None:
        self.releases.append((route, handler))


class EchoEndpoint:
    """An endpoint that notes what it gets and sends it back; `on_message` may be replaced by a test."""

    route = "/"
    on_fragment = None
    quarantine: Any = None
    newcomers: Any = None

    def __init__(self, settings: RouteSettings = DEFAULTS) -> None:
        self.settings = settings
        self.accepts = True
        self.connections = 0
        self.events: list[object] = []
        """`open`, each message, the cause of the closing, in their order."""
        self.on_message: Callable[[Any, Message], Sendable | None] = lambda _, message: message
        self.on_open_hook: Callable[[Any], None] = lambda _: None

    @property
    def messages(self) -> list[object]:
        return [event for event in self.events if event != "open" and not isinstance(event, Cause)]

    def on_open(self, connection: Any) -> None:
        self.events.append("open")
        self.on_open_hook(connection)

    def on_messages(self, connection: Any, messages: list[Message]) -> None:
        for message in messages:
            if connection.closing:
                return
            self.events.append(message)
            reply = self.on_message(connection, message)
            if reply is not None:
                connection.send(reply)

    def on_close(self, connection: Any, cause: Cause) -> None:
        self.events.append(cause)


def make_hub(loop: ManualLoop, observer: Notes, limits: ServerLimits = NO_LIMITS) -> Hub:
    """A hub on a manual loop."""
    return Hub(loop=loop, clock=LoopClock(loop), observer=observer, limits=limits)  # type: ignore[arg-type]


class Wire:
    """One open `Connection` with everything around it; several may share a hub, as the members of a room do."""

    def __init__(
        self,
        settings: RouteSettings = DEFAULTS,
        *,
        deflate: Deflate | None = None,
        beside: Wire | None = None,
        endpoint: EchoEndpoint | None = None,
    ) -> None:
        self.loop = beside.loop if beside is not None else ManualLoop()
        self.notes = beside.notes if beside is not None else Notes()
        self.hub = beside.hub if beside is not None else make_hub(self.loop, self.notes)
        self.endpoint = endpoint or EchoEndpoint(settings)
        self.transport = Transport(self.loop)
        upgrade = Upgrade(
            endpoint=self.endpoint,
            head=HEAD,
            path="/",
            params={},
            peer="127.0.0.1:50000",
            client="127.0.0.1",
            deflate=deflate,  # type: ignore[arg-type]
        )
        self.connection = Connection(self.hub, self.transport, upgrade)  # type: ignore[arg-type]
        self.transport.protocol = self.connection
        self.connection.open()

    @property
    def sent(self) -> bytes:
        """What the client has got."""
        return self.transport.sent

    def read(self, *data: bytes) -> None:
        """The client's bytes, each argument one read."""
        for each in data:
            self.connection.data_received(each)

    def settle(self) -> None:
        self.loop.settle()

    def take_sent(self) -> bytes:
        """What the client has got since the last call."""
        sent, self.transport.sent = self.transport.sent, b""
        return sent


class Door:
    """One `Handshake` with its transport, before it is a WebSocket."""

    def __init__(self, hub: Hub, loop: ManualLoop, peername: object = ("127.0.0.1", 50000)) -> None:
        self.loop = loop
        self.transport = Transport(loop, peername)
        self.handshake = Handshake(hub)
        self.transport.protocol = self.handshake
        self.handshake.connection_made(self.transport)  # type: ignore[arg-type]

    @property
    def sent(self) -> bytes:
        return self.transport.sent

    def read(self, *data: bytes) -> None:
        """The client's bytes, each argument one read, to whichever protocol the socket has by then."""
        for each in data:
            self.transport.protocol.data_received(each)


HELLO = masked(TEXT, b"hello")
BYE = masked(CLOSE, close_payload(1000))
BIG = "x" * (HIGH_BYTES + 1)
"""A text that is more than a transport wants to hold."""
QUIET = RouteSettings(keepalive=Keepalive(ping=0.0))
"""No pings, so that nothing happens by itself."""


def stuck(settings: RouteSettings = QUIET) -> Wire:
    """A connection whose client takes nothing, with more than the transport wants to hold on its way."""
    wire = Wire(settings)
    wire.transport.is_stuck = True
    wire.connection.send(BIG)
    wire.settle()
    return wire
