"""`ManualClock`: time that passes only when the test says so."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta
from itertools import count

START = datetime(2024, 1, 1, 12, 0, tzinfo=UTC)
TURNS = 10
"""How many turns of the event loop tasks get after each wake-up: enough for a chain of this many tasks that wake each other."""


class ManualClock:
    """A `Clock` whose sleepers wait for `advance` or `jump`.

    Deterministic: sleepers wake in the order of their times, those of one time in the order in which they fell asleep, and
    each has run to its next wait before the next one wakes.
    """

    def __init__(self, start: datetime = START) -> None:
        """`start` is the wall clock's first time, aware; the monotonic clock begins at 0."""
        self._wall = start.astimezone(UTC)
        self._monotonic_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        return self._wall + timedelta(seconds=self._monotonic_s)

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._monotonic_s

    async def sleep(self, delay_s: float) -> None:
        """Waits until time has been moved on by that much; zero or less gives way once."""
        if delay_s <= 0:
            await asyncio.sleep(0)
            return
        sleeper = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic_s + delay_s, next(self._numbers), sleeper))
        await sleeper

    @property
    def sleeping(self) -> int:
        """How many wait for time to pass."""
        return sum(1 for _, _, sleeper in self._sleepers if not sleeper.done())

    async def advance(self, seconds: float) -> None:
        """Lets time pass: whoever sleeps wakes at exactly its time, and may sleep again within these seconds."""
        end_s = self._monotonic_s + seconds
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= end_s:
            self._monotonic_s = max(self._monotonic_s, self._sleepers[0][0])
            await self._wake_first()
        self._monotonic_s = max(self._monotonic_s, end_s)

    async def jump(self, seconds: float) -> None:
        """Time has passed while the process stood still: whoever was due wakes late, all at the same time."""
        await self.settle()
        self._monotonic_s += seconds
        while self._sleepers and self._sleepers[0][0] <= self._monotonic_s:
            await self._wake_first()

    def set_wall(self, moment: datetime) -> None:
        """Sets the wall clock, as an operator or NTP does; the monotonic clock and sleepers notice nothing."""
        self._wall = moment.astimezone(UTC) - timedelta(seconds=self._monotonic_s)

    async def settle(self) -> None:
        """Lets tasks run until they wait, without any time passing."""
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def _wake_first(self) -> None:
        """Wakes the first sleeper, unless it was cancelled, and lets it run."""
        _, _, sleeper = heapq.heappop(self._sleepers)
        if not sleeper.done():
            sleeper.set_result(None)
            await self.settle()
