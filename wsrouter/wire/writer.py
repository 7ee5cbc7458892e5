"""[hot] The sending half of a connection: what is sent in a turn is one write, and what the client does not take yet waits.

While the client keeps up, bytes go to the transport, those of topics past it to the socket. Once it has enough, an `Outbox` holds
what follows, within the route's `outbox`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsrouter.access.bounds import STALLED_LOOKS
from wsrouter.api.causes import Cause
from wsrouter.api.messages import Sendable, to_message
from wsrouter.api.ports import Losses
from wsrouter.wire.facts import ConnectionFacts
from wsrouter.wire.frames import TEXT_HEADERS, encode, frame, pack_header16
from wsrouter.wire.shedding import SheddingOutbox, count_messages, make_outbox

if TYPE_CHECKING:
    import asyncio

    from wsrouter.api.topics import Direct
    from wsrouter.topics.topic import Topic
    from wsrouter.wire.hub import Hub
    from wsrouter.wire.outbox import Outbox
    from wsrouter.wire.upgrade import Upgrade

HOLD_REPLIES, HOLD_INBOX, HOLD_TURN, HOLD_RATE = 1, 2, 4, 8
"""Why reading pauses: the client does not take its replies; its handler is behind; a read is not dealt with yet; it is over its rate."""
TELL_EVERY_S = 10.0
"""That a connection loses messages is told at most so often."""


class Writer(ConnectionFacts):
    """What a connection sends. `Connection` adds what it receives, and its life."""

    __slots__ = (
        "_bytes_out",
        "_corked",
        "_holds",
        "_hub",
        "_messages_out",
        "_out",
        "_outbox",
        "_shut",
        "_socket_write",
        "_topics",
        "closing",
        "direct",
        "losses",
        "slot",
        "transport",
        "variant",
    )

    def __init__(self, hub: Hub, transport: asyncio.Transport, upgrade: Upgrade) -> None:
        """Nothing waits. `_corked` is set while a read is handled, whose replies leave together at its end."""
        super().__init__(upgrade, hub.clock)
        self.transport = transport
        self.variant = upgrade.deflate.server_bits if upgrade.deflate is not None else 0
        self.closing = False
        self._messages_out = self._bytes_out = 0
        self.losses: Losses | None = None
        self.slot = 0
        self._hub = hub
        self._out: list[bytes] = []
        self._outbox: Outbox | None = None
        self._corked = False
        self._shut = False
        self._holds = 0
        self._topics: dict[str, Topic] | None = None
        self._socket_write: Direct | None = None
        self.direct: Direct | None = None

    @property
    def messages_out(self) -> int:
        """How many messages it was sent, and has not lost again."""
        return self._messages_out + sum(topic.counted(self)[0] for topic in (self._topics or {}).values())

    @property
    def bytes_out(self) -> int:
        """How many bytes it was sent, frames and all."""
        return self._bytes_out + sum(topic.counted(self)[1] for topic in (self._topics or {}).values())

    def end(self, cause: Cause, code: int | None = None, reason: str = "") -> None:
        """Begins the closing handshake; `Connection` does it."""
        raise NotImplementedError

    def _go_on_soon(self) -> None:
        """Nothing but the turn holds it: `Intake` goes on with what is left of a read."""
        raise NotImplementedError

    def on_time(self, now: float) -> float | None:
        """Its moment in the timer has come; `Connection` looks at everything."""
        raise NotImplementedError

    def send(self, message: Sendable) -> None:
        """Sends a message at the end of this read or turn. See `api.Connection.send`."""
        if self.closing:
            return
        if self._topics is not None:
            self._flush_topics()
            if self.closing:  # the flush filled the outbox
                return
            self._step_out()
        out = self._out
        if type(message) is str and not self.variant:  # `encode` and `frame` in line: saves 100 ns a message, 150 ns one of 4 KiB
            payload = message.encode()
            length = len(payload)
            if length < 126:
                out.append(TEXT_HEADERS[length] + payload)
            else:
                out.append(pack_header16(0x81, 126, length) + payload if length < 65536 else frame(0x81, payload))
        else:
            out.append(encode(to_message(message), self.variant))
        if not self._corked and len(out) == 1:
            self._hub.flush_soon(self)

    def flush(self) -> None:
        """Writes what was sent in this read or turn."""
        out = self._out
        count = len(out)
        if not count:
            return
        data = out[0] if count == 1 else b"".join(out)
        out.clear()
        self._messages_out += count
        self._bytes_out += len(data)
        if self._outbox is None:
            self.transport.write(data)
        else:
            self._queue(data)

    def deliver(self, payload: bytes, messages: int) -> None:
        """Takes a batch of a topic (api.Subscriber); behind what was sent before."""
        if self.closing:
            return
        if self._out:
            self.flush()
        self._messages_out += messages
        self._bytes_out += len(payload)
        if self._outbox is not None:
            self._queue(payload)
        elif self.direct is not None or self._step_in():
            self._write_past(payload)
        else:
            self.transport.write(payload)

    # Past the transport, while nothing is on its way there: 0.35 us of 3.4 a delivery. Such a connection is `direct` in all its topics.

    def count(self, messages: int, size_bytes: int) -> None:
        """Adds what a topic wrote past it (api.Subscriber)."""
        self._messages_out += messages
        self._bytes_out += size_bytes

    def not_taken(self, rest: bytes, error: OSError | None) -> None:
        """The transport takes what the socket did not (api.Subscriber)."""
        self._step_out()
        if error is None or isinstance(error, BlockingIOError):
            self.transport.write(rest)
        else:
            self.transport.abort()  # it is gone, and will be told so

    def _write_past(self, payload: bytes) -> None:
        assert self.direct is not None
        try:
            taken = self.direct(payload)
        except OSError as error:
            self.not_taken(payload, error)
        else:
            if taken != len(payload):
                self.not_taken(payload[taken:], None)

    def _step_in(self) -> bool:
        """Has its topics write past it from now on, if nothing is in the way; tells whether they do."""
        if self._socket_write is None or self._outbox is not None or self._out or self.transport.get_write_buffer_size():
            return False
        self.direct = self._socket_write
        for topic in (self._topics or {}).values():
            topic.release(self)
        return True

    def _step_out(self) -> None:
        """Has its topics deliver to it: something goes another way now, and must not be overtaken."""
        if self.direct is not None:
            for topic in (self._topics or {}).values():
                topic.hold(self)
            self.direct = None

    def send_control(self, data: bytes) -> None:
        """Sends control frames, behind what was sent before."""
        if self._out:
            self.flush()
        if not data:
            return
        self._step_out()
        self._bytes_out += len(data)
        self._put(data)

    def _put(self, data: bytes) -> None:
        """Behind what waits, but also between the fragments of a message: control frames and the fragments themselves."""
        outbox = self._outbox
        if outbox is None or not (outbox.is_paused or outbox.frames):
            self.transport.write(data)
        else:
            outbox.append(data)
            if self._corked and not self.closing:  # pongs for a client that does not read
                self._hold(HOLD_REPLIES)

    def _queue(self, data: bytes) -> None:
        """Behind: into the outbox, if the route's policy has room for it. One message always fits an empty one."""
        outbox = self._outbox
        assert outbox is not None
        if outbox.sheds and not self.closing:
            self._shed(data)
            return
        waiting = outbox.size_bytes + self.transport.get_write_buffer_size()
        if not self.closing and (outbox.frames or outbox.held) and waiting + len(data) > self.endpoint.settings.outbox.size:
            self.end(Cause.SLOW_CONSUMER, reason="outbox full")
            return
        if outbox.held is not None:
            outbox.hold(data)
        else:
            outbox.append(data)
        if self._corked:
            self._hold(HOLD_REPLIES)

    def _shed(self, batch: bytes) -> None:
        """Behind, where the route's policy drops messages: message by message into the outbox."""
        outbox, settings = self._outbox, self.endpoint.settings.outbox
        assert isinstance(outbox, SheddingOutbox)
        policy, boundaries = settings.on_full, self._hub.boundaries
        keys = None if isinstance(policy, str) else boundaries.keys(batch, policy.latest)
        room = settings.size - self.transport.get_write_buffer_size()
        count, size = outbox.shed(boundaries.split(batch), keys, room, keep_old=policy == "drop_newest")
        if count:
            self._messages_out -= count
            self._bytes_out -= size
            self._note_dropped(count)
            self._tell_behind(outbox)
        if self._corked:
            self._hold(HOLD_REPLIES)

    def _note_dropped(self, messages: int) -> Losses:
        """Counts messages that the client will not get, and how far behind it is now."""
        outbox, losses = self._outbox, self._note_losses()
        losses.dropped_out += messages
        losses.waiting_bytes = self.transport.get_write_buffer_size()
        if outbox is not None:
            losses.waiting_bytes += outbox.size_bytes
            losses.behind_s = self._hub.loop.time() - outbox.since
        return losses

    def _note_losses(self) -> Losses:
        if self.losses is None:
            self.losses = Losses()
        return self.losses

    def _tell_behind(self, outbox: SheddingOutbox) -> None:
        losses, now = self._note_losses(), self._hub.loop.time()
        if not outbox.is_told and (losses.told_at is None or now - losses.told_at >= TELL_EVERY_S):
            outbox.is_told = True
            losses.told_at = now
            self._hub.observer.behind(self, losses)  # type: ignore[arg-type]  # it is a Connection

    def _drop_waiting(self) -> None:
        """A slow consumer is closed: what waits is not for it any more, and its record says how much that was."""
        outbox = self._outbox
        if outbox is not None:
            count = sum(map(count_messages, outbox.all()))
            self._note_dropped(count)
            self._messages_out -= count
            self._bytes_out -= outbox.clear()

    def pause_writing(self) -> None:
        """The transport has enough: what comes now waits in the outbox."""
        outbox, now = self._outbox, self._hub.loop.time()
        if outbox is None:
            outbox = self._outbox = make_outbox(self.endpoint.settings.outbox.on_full, now)
        outbox.is_paused = True
        outbox.progress_at = now
        self._hub.timers.sooner(self, now + self.endpoint.settings.outbox.stalled / STALLED_LOOKS)
        if self._corked:
            self._hold(HOLD_REPLIES)

    def resume_writing(self) -> None:
        """The transport has room: the outbox goes out, until the transport has enough again."""
        outbox = self._outbox
        if outbox is None:
            return
        outbox.is_paused = False
        while outbox.frames and not outbox.is_paused:
            self.transport.write(outbox.popleft())
        if outbox.is_paused:
            return
        outbox.wake()
        if outbox.held is None:
            if isinstance(outbox, SheddingOutbox) and outbox.is_told:
                self._hub.observer.caught_up(self, self._note_dropped(0))  # type: ignore[arg-type]
            self._outbox = None
            self._release(HOLD_REPLIES)
            if self._shut:
                self.transport.close()

    @property
    def is_behind(self) -> bool:
        """Whether something waits for its client beyond the transport's small buffer."""
        return self._outbox is not None and self._outbox.size_bytes > 0

    @property
    def outbox_bytes(self) -> int:
        """How much that is."""
        return self._outbox.size_bytes if self._outbox is not None else 0

    def begin_fragments(self) -> None:
        """A message begins to be sent in fragments: whole messages wait until its last one."""
        self._flush_topics()
        self._step_out()
        self.flush()
        if self._outbox is None:
            self._outbox = make_outbox(self.endpoint.settings.outbox.on_full, self._hub.loop.time())
        self._outbox.begin_hold()

    def send_awaited(self, data: bytes, *, is_last: bool = True) -> None:
        """Sends a whole message or one fragment, whose sender then waits for `drained`: so `on_full` does not apply."""
        self._flush_topics()
        self._step_out()
        self.flush()
        if self.closing:  # the flush filled the outbox
            return
        self._messages_out += is_last
        self._bytes_out += len(data)
        self._put(data)

    def end_fragments(self) -> None:
        """The last fragment is out, or never will be."""
        outbox = self._outbox
        if outbox is not None and outbox.held is not None:
            if self.closing:
                outbox.held.clear()  # no data may follow the close frame
            outbox.release_held()
            if not outbox.is_paused:
                self.resume_writing()

    async def drained(self) -> None:
        """Waits until the client has taken what was sent, but for the transport's small buffer; then, or when it is gone, returns."""
        outbox = self._outbox
        if outbox is None or not outbox.is_paused:
            return
        waiter = self._hub.loop.create_future()
        outbox.waiters.append(waiter)
        await waiter

    def _flush_topics(self) -> None:
        """What was published to it before goes out before what it sends now."""
        if self._topics is not None:
            for topic in self._topics.values():
                if topic.pending:
                    topic.flush()

    # Reading pauses when writing does not keep up.

    @property
    def is_held(self) -> bool:
        """Whether reading is paused from this side."""
        return bool(self._holds)

    def pause_reading(self) -> None:
        """Its handler is behind."""
        self._hold(HOLD_INBOX)

    def resume_reading(self) -> None:
        """Its handler has caught up."""
        self._release(HOLD_INBOX)

    def _hold(self, why: int) -> None:
        if self.closing and why != HOLD_TURN:  # its close is to be heard
            return
        if not self._holds and not self.transport.is_closing():
            self.transport.pause_reading()
        self._holds |= why

    def _release(self, why: int) -> None:
        if not self._holds & why:
            return
        self._holds &= ~why
        if self._holds == HOLD_TURN:
            self._go_on_soon()
        elif not self._holds and not self.transport.is_closing():
            self.transport.resume_reading()
