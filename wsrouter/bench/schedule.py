"""When messages are due at a fixed rate, and the alarm that wakes the loop for them.

The k-th message is due at k / rate, whatever happens; senders take turns. Nothing is kept of what is due but a count, so a
server that takes nothing for an hour costs no memory.
"""

from __future__ import annotations

import asyncio
from time import monotonic_ns
from typing import TYPE_CHECKING

from wsrouter.bench.alarm import Alarm

if TYPE_CHECKING:
    from wsrouter.bench.sender import ScheduledSender

LATE_NS = 1_000_000
"""What is sent later than this was sent late; the generator's own doing, if the connection could have taken it."""


class Schedule:
    """A fixed number of messages a second, over all senders."""

    def __init__(self, loop: asyncio.AbstractEventLoop, rate: float) -> None:
        self.owed = 0
        self.late = 0
        """How many were due over LATE_NS before the loop came to it."""
        self.latest_ns = 0
        """The worst of these."""
        self._interval_ns = 1e9 / rate
        self._start_ns = self._end_ns = 0
        self._senders: list[ScheduledSender] = []
        self._alarm = Alarm(loop, self._ring)

    def add(self, sender: ScheduledSender) -> int:
        """Takes a sender in; its place in the turn."""
        self._senders.append(sender)
        return len(self._senders) - 1

    def dues(self, index: int, first: int, count: int) -> list[int]:
        """When the messages of the sender in this place are due, from its `first`-th, in ns."""
        step, turn, start = self._interval_ns, len(self._senders), self._start_ns
        return [start + int((number * turn + index) * step) for number in range(first, first + count)]

    def start(self, duration_s: float) -> None:
        """The first message is due now, the last one before the end."""
        self._start_ns = monotonic_ns()
        self._end_ns = self._start_ns + int(duration_s * 1e9)
        self._ring()

    def stop(self) -> None:
        """No more is due."""
        self._alarm.close()

    def _ring(self) -> None:
        """Hands out what has become due."""
        now = monotonic_ns()
        until = min(now, self._end_ns - 1)
        count = int((until - self._start_ns) / self._interval_ns) + 1
        senders = self._senders
        turn = len(senders)
        first = self.owed
        if count > first:
            self._note_lateness(now, first, count)
            for number in range(first, count):
                senders[number % turn].owed += 1
            self.owed = count
            for number in range(first, min(count, first + turn)):
                senders[number % turn].refill()
        if until == now:
            self._alarm.set(self._start_ns + int(count * self._interval_ns) + 1)

    def _note_lateness(self, now: int, first: int, count: int) -> None:
        late_ns = now - self._start_ns - int(first * self._interval_ns)
        if late_ns > LATE_NS:
            self.late += min(count - first, int((late_ns - LATE_NS) / self._interval_ns) + 1)
            self.latest_ns = max(self.latest_ns, late_ns)
