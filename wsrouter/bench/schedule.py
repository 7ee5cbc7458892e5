"""[hot] Who sends when it is due: an open loop, at a fixed rate.

A message counts from when it was due, not from when there was room to send it: a server that stalls cannot hide (no
coordinated omission). The k-th message is due at k / rate, whatever happens; senders take turns. Nothing is kept of what is
due but a count, so a server that takes nothing for an hour costs no memory.
"""

from __future__ import annotations

import asyncio
from math import ceil
from time import monotonic_ns

from wsrouter.bench.alarm import Alarm
from wsrouter.bench.client import Client
from wsrouter.bench.messages import Messages
from wsrouter.bench.sender import Sender

LATE_NS = 1_000_000
"""What is sent later than this was sent late; the generator's own doing, if the connection could have taken it."""

GRAIN_NS = 250_000
"""Messages that are closer than this are due in groups: to sleep and wake for each of them would cost 20 to 50 µs of a core."""


class Schedule:
    """A fixed number of messages a second, over all senders, and the alarm that wakes the loop for them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, rate: float) -> None:
        self.owed = 0
        self.late = 0
        """How many were due over LATE_NS before the loop came to it."""
        self.latest_ns = 0
        """The worst of these."""
        self._interval_ns = 1e9 / rate
        self._grain_ns = GRAIN_NS if self._interval_ns < GRAIN_NS else 1
        self._start_ns = self._duration_ns = 0
        self._senders: list[ScheduledSender] = []
        self._alarm = Alarm(loop, self._ring)

    def add(self, sender: ScheduledSender) -> int:
        """Takes a sender in; its place in the turn."""
        self._senders.append(sender)
        return len(self._senders) - 1

    def dues(self, index: int, first: int, count: int) -> list[int]:
        """When the messages of the sender in this place are due, from its `first`-th, in ns."""
        turn, start = len(self._senders), self._start_ns
        return [start + self._offset(number * turn + index) for number in range(first, first + count)]

    def start(self, duration_s: float) -> None:
        """The first message is due now, the last one before the end."""
        self._start_ns = monotonic_ns()
        self._duration_ns = int(duration_s * 1e9)
        self._ring()

    def stop(self) -> None:
        """No more is due."""
        self._alarm.close()

    def _offset(self, number: int) -> int:
        """When a message is due, in ns from the start."""
        offset = int(number * self._interval_ns)
        return offset - offset % self._grain_ns

    def _count_due(self, passed_ns: int) -> int:
        """How many are due when so much time has passed since the start."""
        until = passed_ns - passed_ns % self._grain_ns + self._grain_ns
        return ceil(min(until, self._duration_ns) / self._interval_ns)

    def _ring(self) -> None:
        """Hands out what has become due."""
        passed = monotonic_ns() - self._start_ns
        first, count = self.owed, self._count_due(passed)
        senders = self._senders
        turn = len(senders)
        if count > first:
            self._note_lateness(passed, first)
            for number in range(first, count):
                senders[number % turn].owed += 1
            self.owed = count
            for number in range(first, min(count, first + turn)):
                senders[number % turn].refill()
        if passed < self._duration_ns:
            self._alarm.set(self._start_ns + self._offset(count))

    def _note_lateness(self, passed_ns: int, first: int) -> None:
        late_ns = passed_ns - self._offset(first)
        if late_ns > LATE_NS:
            self.late += self._count_due(passed_ns - LATE_NS) - first
            self.latest_ns = max(self.latest_ns, late_ns)


class ScheduledSender(Sender):
    """Sends what is due. What it cannot send at once stays due since when it was."""

    def __init__(self, client: Client, messages: Messages, window: int, receivers: int, schedule: Schedule) -> None:
        super().__init__(client, messages, window, receivers)
        self.owed = 0
        """How many were due until now, sent ones included."""
        self._schedule = schedule
        self._index = schedule.add(self)

    @property
    def unsent(self) -> int:
        """How many are due and not sent."""
        return self.owed - self.sent

    def refill(self) -> None:
        """Sends what is due and may be sent; also after `stop`, as long as answers are waited for."""
        count = min(self.owed - self.sent, self._room())
        if count > 0:
            first = self.sent
            self.sent = first + count
            dues = self._schedule.dues(self._index, first, count)
            if self.dues is not None:
                self.dues.extend(dues)
            self._client.write(self._messages.encode_scheduled(first, dues))
