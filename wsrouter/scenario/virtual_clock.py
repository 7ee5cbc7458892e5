"""`VirtualClock`: the clock of a site on virtual time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsrouter.scenario.virtual_loop import VirtualLoop

START = datetime(2024, 1, 1, 12, 0, tzinfo=UTC)
"""What the wall clock shows when a site is started."""


class VirtualClock:
    """A `Clock` that follows a loop's time; the wall clock begins at a fixed moment."""

    def __init__(self, loop: VirtualLoop, start: datetime = START) -> None:
        """`start` is aware; it is what the wall clock shows now."""
        self._loop = loop
        self._wall = start.astimezone(UTC) - timedelta(seconds=loop.time())

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        return self._wall + timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        """The loop's time."""
        return self._loop.time()

    async def sleep(self, delay_s: float) -> None:
        """Waits on virtual time; zero or less gives way once."""
        await asyncio.sleep(max(0.0, delay_s))
