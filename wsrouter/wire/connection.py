"""[hot] One client's WebSocket, from the accepted upgrade until it is closed: one `asyncio.Protocol` object.

Guarantees: messages reach the endpoint in their order and whole; what is sent leaves in the order of the calls, joined into
one write a turn; exactly one `opened` and one `closed` to the observer, the latter with its cause.
Loses: what the client had not taken when it was closed.

The fast lane (`frames.cut`) turns a read into a list of messages. Whatever else comes goes through the slow lane: a
`ServerProtocol`, made when it is needed (4 us) and dropped when nothing of it is pending (1.8 KiB). Sending is in `writer`.
Ordinary pings, pongs and closing handshakes need none (see `control`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from websockets.frames import Close, Frame, Opcode

from wsrouter.access.bounds import (
    CLOSE_TIMEOUT_S,
    CONTROL_BURST,
    CONTROL_RATE,
    INFLATED_PER_TURN_BYTES,
    STALLED_CLOSE_TIMEOUT_S,
    STALLED_LOOKS,
    WRITE_HIGH_BYTES,
)
from wsrouter.api.causes import Cause
from wsrouter.api.errors import HandlerError
from wsrouter.api.messages import Message
from wsrouter.api.ports import Ending
from wsrouter.wire.control import CLOSE, NO_CLOSES, PING, PONG, Closes, parse_close, parse_ping
from wsrouter.wire.direct import direct_write
from wsrouter.wire.frames import BAD, DONE, MORE, NOT_TEXT, SLOW, cut, frame, measure
from wsrouter.wire.intake import Intake
from wsrouter.wire.shedding import change_outbox
from wsrouter.wire.slow_lane import SlowLane
from wsrouter.wire.watch import Watch
from wsrouter.wire.writer import HOLD_INBOX, HOLD_RATE, HOLD_REPLIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsrouter.api.topics import TopicSettings
    from wsrouter.config.settings import RouteSettings
    from wsrouter.wire.hub import Hub
    from wsrouter.wire.upgrade import Upgrade

# What a frame of the slow lane counts for in that, however short: it costs 10 us. Without it 256 KiB of empty pings took 0.6 s in one turn.
SLOW_FRAME_BYTES = 1024


class Connection(Intake, asyncio.Protocol):
    """One client's WebSocket. Implements `api.Connection`, `api.ClientConnection` and `api.Recorded`."""

    __slots__ = (
        "_closes",
        "_control_at",
        "_ending",
        "_limit",
        "_slow",
        "on_pong",
        "pongs_due",
        "watch",
    )

    def __init__(self, hub: Hub, transport: asyncio.Transport, upgrade: Upgrade) -> None:
        """The 101 is written already; `open` begins its life."""
        super().__init__(hub, transport, upgrade)
        self.watch = Watch(self.endpoint.settings, hub.loop.time())
        if upgrade.expires_in_s:
            self.watch.expire_at(hub.loop.time() + upgrade.expires_in_s)
        self.on_pong: Callable[[bytes], None] | None = None
        self._limit = self.endpoint.settings.limits.message_size
        self._control_at = 0.0
        self.pongs_due = 0  # answers to the pings of its coroutine, which are no flood however many they are
        self._slow: SlowLane | None = None
        self._closes = NO_CLOSES
        self._ending: Ending | None = None

    def open(self) -> None:
        """Begins: told to the observer, then to the endpoint."""
        hub = self._hub
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        hub.added(self)
        self._look_next()
        hub.observer.opened(self)
        self.endpoint.on_open(self)

    def settings_changed(self, old: RouteSettings) -> None:
        """A reload gave its endpoint other settings: they count from now on, but for the size of a message in the middle of its fragments."""
        new, now = self.endpoint.settings, self._hub.loop.time()
        self._limit = new.limits.message_size
        if (new.limits.message_rate, new.limits.byte_rate) != (old.limits.message_rate, old.limits.byte_rate):
            self._set_rates(new.limits)
        elif new.limits.on_exceed != old.limits.on_exceed:
            self._end_pause()
        if self._outbox is not None and new.outbox.on_full != old.outbox.on_full:
            self._outbox = change_outbox(self._outbox, new.outbox.on_full)
        self.watch.change(old, new, now, self._hub.clock.monotonic() - self.opened_monotonic, self.messages_in)
        moment = self.watch.next_moment()
        if moment is not None:
            self._hub.timers.sooner(self, moment)  # its place may be that of a client that does not read

    # What handlers do with it (api.Connection).

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Begins the closing handshake. See `api.Connection.close`.

        Raises:
            HandlerError: for a code that no close frame may carry, or a reason over 123 bytes.
        """
        if not (1000 <= code <= 1014 and code not in (1004, 1005, 1006)) and not 3000 <= code <= 4999:
            raise HandlerError(f"close code {code} cannot be sent; use 1000 to 1003, 1007 to 1014 or 3000 to 4999")
        if len(reason.encode()) > 123:
            raise HandlerError(f"the close reason has {len(reason.encode())} bytes; at most 123 are allowed")
        self.end(Cause.HANDLER_CLOSE, code, reason)

    def join(self, topic: str, settings: TopicSettings | None = None) -> None:
        """Subscribes it to a topic. See `api.Connection.join`."""
        if self.closing or (self._topics is not None and topic in self._topics):
            return
        if self._topics is None:
            self._socket_write = direct_write(self.transport)
            self._step_in()
        joined = self._hub.topics.join(topic, self, settings)
        if self._topics is None:
            self._topics = {}
        self._topics[topic] = joined

    def leave(self, topic: str) -> None:
        """Ends a subscription. See `api.Connection.leave`."""
        joined = self._topics.get(topic) if self._topics is not None else None
        if joined is not None:
            self._hub.topics.leave(joined, self)  # what it flushes may close this connection, which leaves all
            if self._topics is not None:
                self._topics.pop(topic, None)

    # Reading.

    def data_received(self, data: bytes) -> None:
        """One read: its messages go to the endpoint together, what they make the connection send is one write."""
        self.bytes_in += len(data)
        tail = self._tail
        if tail is not None:
            tail += data
            if len(tail) < self._wanted:
                return
            data = bytes(tail)
            self._tail = None
        self._corked = True
        if self._slow is None and not self.closing:
            messages: list[Message] = []
            at, stop, end = cut(data, 0, self._limit, messages)
            if messages:
                count = len(messages)
                self.messages_in += count
                if count <= self._at_once:
                    self.endpoint.on_messages(self, messages)
                elif not self._hand_on(messages, at):
                    self._postpone(data[at:])
                    stop = DONE
            if stop != DONE:
                self._read_on(data, at, stop, end)
        else:
            self._read_on(data, 0, *self._measure(data, 0))
        out = self._out
        if len(out) == 1 and self._outbox is None:  # `flush` in line for a reply alone: saves 35 ns a message
            reply = out.pop()
            self._messages_out += 1
            self._bytes_out += len(reply)
            self.transport.write(reply)
        elif out:
            self.flush()
        self._corked = False

    def _read_on(self, data: bytes, at: int, stop: int, end: int) -> None:
        """What the fast lane stopped at, and what follows it."""
        inflated = 0
        while stop != DONE:
            if self._closes[0] is not None or (self._slow is not None and self._slow.is_over):
                return
            if stop == MORE:
                self._tail = bytearray(data[at:])
                self._wanted = end
                return
            if stop == NOT_TEXT and not self.closing:
                self._fail_text(data[at:end])
                return
            size = None
            if stop == SLOW and self._slow is None:
                if self._take_close(data[at:end]):
                    return
                size = self._take_ping(data[at:end])
            if size is None:
                size = self._feed(data[at:] if stop == BAD else data[at:end])
            if stop == BAD or (end == len(data) and self._backlog is None):
                return
            at = end
            inflated += size + SLOW_FRAME_BYTES
            if inflated > INFLATED_PER_TURN_BYTES or self._backlog is not None:
                self._postpone(data[at:])
                return
            if self._slow is None and not self.closing:
                messages: list[Message] = []
                begun = at
                at, stop, end = cut(data, at, self._limit, messages)
                if messages:
                    self.messages_in += len(messages)
                    if not self._hand_on(messages, at - begun):
                        self._postpone(data[at:])
                        return
            else:
                stop, end = self._measure(data, at)

    def _measure(self, data: bytes, at: int) -> tuple[int, int]:
        return measure(data, at, self._limit if self._slow is None else self._slow.room_bytes)

    def _feed(self, piece: bytes) -> int:
        """One whole frame, or bytes that fail, through the slow lane; how many bytes of payload it had, inflated."""
        lane = self._lane()
        size, is_flood = 0, False
        for event in lane.feed(piece):
            size += len(event.data)
            if event.opcode >= Opcode.CLOSE:
                if event.opcode is Opcode.PONG:
                    self._pong(bytes(event.data))
                is_flood = self._is_flood(event.opcode)
            elif not self.closing:
                self._data_frame(lane, event)
        if is_flood:
            self.fail(Cause.FLOOD, str(Cause.FLOOD))
        else:
            self._settle(lane)
        return size

    def _take_ping(self, piece: bytes) -> int | None:
        """Deals with an ordinary ping or pong, as `_feed` does with others; None where it is neither."""
        payload = None if self.closing else parse_ping(piece)
        if payload is None:
            return None
        opcode = Opcode.PING if piece[0] == PING else Opcode.PONG
        if opcode is Opcode.PONG:
            self._pong(payload)
        if self._is_flood(opcode):
            self.fail(Cause.FLOOD, str(Cause.FLOOD))
        elif opcode is Opcode.PING and not self.closing:
            self.send_control(frame(PONG, payload))
        return len(payload)

    def _is_flood(self, opcode: Opcode) -> bool:
        """Counts a control frame; tells whether it is one too many (a token bucket, as the moment when it will be full again)."""
        if opcode is Opcode.PONG and self.pongs_due:
            self.pongs_due -= 1
            return False
        now = self._hub.loop.time()
        self._control_at = max(self._control_at, now) + 1 / CONTROL_RATE
        return self._control_at > now + CONTROL_BURST / CONTROL_RATE + 0.001

    def _data_frame(self, lane: SlowLane, event: Frame) -> None:
        on_fragment = self.endpoint.on_fragment
        if on_fragment is not None and not (event.fin and event.opcode is not Opcode.CONT):
            text, first = lane.begin(event)
            self.messages_in += event.fin
            if self._admits_fragment(len(event.data), is_first=first, is_last=event.fin):
                on_fragment(self, bytes(event.data), text=text, first=first, final=event.fin)
            return
        message = lane.assemble(event)
        if message is not None:
            self.messages_in += 1
            self._hand_on([message], len(message))

    def _pong(self, payload: bytes) -> None:
        self.watch.pong(payload, self._hub.loop.time())
        if self.on_pong is not None:
            self.on_pong(payload)

    def _fail_text(self, piece: bytes) -> None:
        """A whole text frame that is not UTF-8."""
        lane = self._lane()
        for event in lane.feed(piece):
            lane.assemble(event)
        self._settle(lane)

    def _lane(self) -> SlowLane:
        lane = self._slow
        if lane is None:
            lane = self._slow = SlowLane(self._limit, self.upgrade.deflate)
            sent = self._closes[1]
            if sent is not None:  # it answers as after a close that it sent itself
                lane.protocol.send_close(sent.code, sent.reason)
                lane.to_send()
        return lane

    def _settle(self, lane: SlowLane) -> None:
        """Sends what the slow lane answers, ends what it found to be over, and drops it when nothing is pending."""
        answer = lane.to_send()
        if lane.is_over:
            if not self.closing:
                self._begin_closing(lane.ending())
            self.send_control(answer)
            self._shut_down(is_failure=lane.protocol.close_rcvd is None or lane.protocol.parser_exc is not None)
        elif answer:
            self.send_control(answer)
        if lane.is_idle:
            lane.release()
            self._slow = None

    # Ending.

    def _take_close(self, piece: bytes) -> bool:
        """Ends the closing handshake if this frame is an ordinary close frame; tells whether it was."""
        parsed = parse_close(piece)
        if parsed is None:
            return False
        received, payload = parsed
        sent = self._closes[1]
        self._closes = (received, sent or received, sent is None)
        if not self.closing:
            self._begin_closing(Ending(Cause.CLIENT_CLOSE, int(received.code), received.reason, "client"))
        if sent is None:
            self.send_control(frame(CLOSE, payload))
        self._shut_down(is_failure=False)
        return True

    def end(self, cause: Cause, code: int | None = None, reason: str = "") -> None:
        """Begins the closing handshake from this side; the reason tells the cause where it tells nothing else."""
        if self.closing:
            return
        code = code or cause.code or 1000
        if not reason and cause is not Cause.HANDLER_CLOSE:
            reason = str(cause)
        self._flush_topics()
        self.flush()
        if self.closing:  # the flush filled the outbox
            return
        self._begin_closing(Ending(cause, code, reason, "server"))
        if cause is Cause.SLOW_CONSUMER:
            self._drop_waiting()
        lane = self._slow
        if lane is None:
            sent = Close(code, reason)
            data = frame(CLOSE, sent.serialize())
            self._closes = (None, sent, None)
            self.send_control(data)
            return
        if lane.protocol.state.name == "OPEN":
            lane.protocol.send_close(code, reason)
        self.send_control(lane.to_send())

    def fail(self, cause: Cause, reason: str) -> None:
        """As `end`, without waiting for the client's close frame: what it says no longer counts (RFC 6455, section 7.1.7)."""
        if not self.closing:
            self.end(cause, reason=reason)
        elif cause is not Cause.FLOOD:
            return
        lane = self._lane()
        lane.protocol.fail(cause.code or 1011)
        lane.to_send()
        self._shut_down(is_failure=True)

    def abort(self) -> None:
        """Cuts the connection off without a closing handshake."""
        self.transport.abort()

    def _begin_closing(self, ending: Ending) -> None:
        now = self._hub.loop.time()
        self.closing = True
        self._ending = ending
        self._leave_topics()
        self.watch.close_within(now, CLOSE_TIMEOUT_S)
        self._hub.timers.sooner(self, now + CLOSE_TIMEOUT_S)
        self._release(HOLD_REPLIES | HOLD_INBOX | HOLD_RATE)  # to hear the client's close

    def _shut_down(self, *, is_failure: bool) -> None:
        """The closing handshake is done, or cannot be: the TCP connection ends when what waits is written.

        After a failure only this direction ends, so that unread bytes do not destroy the close frame by a reset.
        """
        outbox = self._outbox
        if outbox is not None and (outbox.frames or outbox.is_paused):
            self._shut = True
        elif is_failure and self.transport.can_write_eof():
            try:
                self.transport.write_eof()
            except (OSError, RuntimeError):  # uvloop raises RuntimeError on a socket that is gone
                self.transport.abort()
        else:
            self.transport.close()

    def eof_received(self) -> bool:
        """The client has ended its direction: nothing more is to be said, and what is on its way has as long as a close."""
        if not self.closing:
            self._begin_closing(Ending(Cause.CLIENT_ABORT, 1006, "", "client"))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The TCP connection is gone."""
        self.closing = True
        ending = self._ending or Ending(Cause.CLIENT_ABORT, 1006, "", "client")
        self._ending = ending
        self._leave_topics()
        self._out.clear()
        self._forget_rest()
        if self._outbox is not None:
            self._outbox.clear()
            self._outbox.wake()
            self._outbox = None  # nobody waits for it any more
        self._hub.timers.discard(self)
        self._hub.removed(self)
        self.endpoint.on_close(self, ending.cause)
        self._hub.observer.closed(self, ending)

    @property
    def closes(self) -> Closes:
        """The close frames, as far as they have come."""
        if self._slow is None:
            return self._closes
        protocol = self._slow.protocol
        return protocol.close_rcvd, protocol.close_sent, protocol.close_rcvd_then_sent

    @property
    def protocol_error(self) -> Exception | None:
        """What the client did against the protocol, if that is why it ended."""
        return self._slow.protocol.parser_exc if self._slow is not None else None

    @property
    def ending(self) -> Ending | None:
        """How it ends, once that has begun."""
        return self._ending

    # Time.

    @property
    def unfinished(self) -> tuple[int, int] | None:
        """Where in the stream the frame begins that the client has begun and not finished, and how much of it has come."""
        if not self._tail or self._holds or self.closing:
            return None
        return self.bytes_in - len(self._tail), len(self._tail)

    def on_time(self, now: float) -> float | None:
        """Its moment in the timer has come."""
        self.watch.look(self, now)
        outbox = self._outbox
        if outbox is not None and outbox.is_paused and not self.closing:
            stalled_s = self.endpoint.settings.outbox.stalled
            left = outbox.size_bytes + self.transport.get_write_buffer_size()
            patience_s = stalled_s - outbox.stalled_s(self.bytes_out - left, now)
            if patience_s <= 0:
                self.end(Cause.SLOW_CONSUMER, reason="stalled")
                self.watch.close_within(now, STALLED_CLOSE_TIMEOUT_S)
            else:
                self._hub.timers.sooner(self, now + min(patience_s, stalled_s / STALLED_LOOKS))
        return self.watch.next_moment()

    def _look_next(self) -> None:
        moment = self.watch.next_moment()
        if moment is not None:
            self._hub.timers.set(self, moment)

    # Topics.

    def _leave_topics(self) -> None:
        if self._topics is not None:
            self._step_out()
            topics, self._topics = self._topics, None
            for topic in topics.values():
                self._hub.topics.leave(topic, self)
