"""How the messages of a read are handed on where that is not done at once: over a rate, or many in one read.

At most `MESSAGES_A_TURN` messages are handled in a turn of the loop, and no more while the client does not take the replies. What
is left, and what follows it in the read, waits with reading paused. A rate that pauses (`on_exceed: pause`) waits by the same way.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wsrouter.access.bounds import MESSAGES_A_TURN
from wsrouter.access.rates import WAIT_S, make_meter
from wsrouter.api.causes import Cause
from wsrouter.wire.writer import HOLD_RATE, HOLD_TURN, Writer

if TYPE_CHECKING:
    import asyncio

    from wsrouter.access.rates import RateMeter
    from wsrouter.api.messages import Message
    from wsrouter.config.settings import Limits
    from wsrouter.wire.hub import Hub
    from wsrouter.wire.upgrade import Upgrade


class Pace:
    """The rates of one client, and what is going on because of them."""

    __slots__ = ("is_skipping", "meter", "timer")

    def __init__(self, meter: RateMeter) -> None:
        """`is_skipping` is set in the middle of a message whose fragments are dropped; `timer` while reading pauses."""
        self.meter = meter
        self.is_skipping = False
        self.timer: asyncio.TimerHandle | None = None


class Intake(Writer):
    """The receiving half of a connection, behind its first slice of a read. `Connection` adds the frames."""

    __slots__ = ("_at_once", "_backlog", "_is_due", "_pace", "_tail", "_wanted", "bytes_in", "messages_in")

    def __init__(self, hub: Hub, transport: asyncio.Transport, upgrade: Upgrade) -> None:
        """Nothing has come. `_at_once` is how many messages of a read need nothing of this file: none where there is a rate."""
        super().__init__(hub, transport, upgrade)
        self.messages_in = self.bytes_in = 0
        self._tail: bytearray | None = None
        self._wanted = 0
        self._backlog: tuple[list[Message], int] | None = None
        self._is_due = False
        self._pace: Pace | None = None
        self._set_rates(self.endpoint.settings.limits)

    def data_received(self, data: bytes) -> None:
        """Takes one read; `Connection` does it."""
        raise NotImplementedError

    def _set_rates(self, limits: Limits) -> None:
        """Begins to count by these limits; a pause of those before ends."""
        meter = make_meter(limits.message_rate, limits.byte_rate, self._hub.loop.time())
        self._end_pause()
        self._pace = Pace(meter) if meter is not None else None
        self._at_once = MESSAGES_A_TURN if meter is None else 0

    def _hand_on(self, messages: list[Message], size_bytes: int) -> bool:
        """Hands on as many messages as may be now; False if some are left, and the rest of the read must wait behind them."""
        if self.closing:
            return True
        part = messages
        rest: list[Message] = []
        if len(messages) > MESSAGES_A_TURN:
            part, rest = messages[:MESSAGES_A_TURN], messages[MESSAGES_A_TURN:]
        if self._pace is not None:
            admitted = self._admit(self._pace, len(part), size_bytes * len(part) // len(messages))
            if self.closing:
                return True
            if admitted < len(part):
                if self.endpoint.settings.limits.on_exceed == "pause":
                    rest = messages[admitted:]
                part = part[:admitted]
        if part:
            self.endpoint.on_messages(self, part)  # type: ignore[arg-type]  # it is a Connection
        if not rest:
            return True
        self._backlog = rest, size_bytes * len(rest) // len(messages)
        return False

    def _admit(self, pace: Pace, messages: int, size_bytes: int) -> int:
        """How many of some messages are within the rates; what follows for the others is begun."""
        limits, now = self.endpoint.settings.limits, self._hub.loop.time()
        if limits.on_exceed == "close":
            if pace.meter.take(messages, size_bytes, now):
                return messages
            self.end(Cause.RATE_LIMIT, limits.close_code)
            return 0
        admitted = pace.meter.admit(messages, size_bytes, now)
        if admitted < messages:
            if limits.on_exceed == "pause":
                self._begin_pause(pace, now)
            else:
                self._note_losses().dropped_in += messages - admitted
        return admitted

    def _admits_fragment(self, size_bytes: int, *, is_first: bool, is_last: bool) -> bool:
        """The same for a fragment that goes on as one: a message is dropped whole, and reading pauses behind the fragment."""
        pace = self._pace
        if pace is None:
            return True
        limits, now = self.endpoint.settings.limits, self._hub.loop.time()
        if limits.on_exceed == "close":
            if pace.meter.take(int(is_last), size_bytes, now):
                return True
            self.end(Cause.RATE_LIMIT, limits.close_code)
            return False
        if limits.on_exceed == "drop":
            if is_first:
                pace.is_skipping = pace.meter.wait_s(now) > 0
                if pace.is_skipping:
                    self._note_losses().dropped_in += 1
            if pace.is_skipping:
                return False
        pace.meter.spend(int(is_last), size_bytes)
        if limits.on_exceed == "pause" and pace.meter.wait_s(now):
            self._begin_pause(pace, now)
        return True

    # A pause of reading until there is room under the rates again.

    def _begin_pause(self, pace: Pace, now: float) -> None:
        if pace.timer is None and not self.closing:
            self._hold(HOLD_RATE)
            pace.timer = self._hub.loop.call_later(max(WAIT_S, pace.meter.wait_s(now)), self._end_pause)

    def _end_pause(self) -> None:
        pace = self._pace
        if pace is not None and pace.timer is not None:
            pace.timer.cancel()
            pace.timer = None
        self._release(HOLD_RATE)

    # What is left of a read.

    def _postpone(self, rest: bytes) -> None:
        """Leaves the rest of a read to the next turn: others come first, and it is read no faster than it is dealt with."""
        self._tail = bytearray(rest)
        self._wanted = sys.maxsize  # what still comes is put behind it
        self._hold(HOLD_TURN)
        self._go_on_soon()

    def _go_on_soon(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._hub.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """One more slice; then the rest of the bytes. While reading is held back for another reason, whoever ends that comes here again."""
        self._is_due = False
        if self._tail is None or self._holds & ~HOLD_TURN:
            return
        backlog, self._backlog = self._backlog, None
        if backlog is not None:
            self._corked = True
            is_done = self._hand_on(*backlog)
            self.flush()
            self._corked = False
            if not is_done:
                self._go_on_soon()
                return
        self._wanted = 0
        self._release(HOLD_TURN)
        self.data_received(b"")

    def _forget_rest(self) -> None:
        """The connection is gone: nobody is to get what waits."""
        self._tail = self._backlog = None
        pace = self._pace
        if pace is not None and pace.timer is not None:
            pace.timer.cancel()
