"""The clock of the daemon: the machine's."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from time import monotonic


class SystemClock:
    """Wall time in UTC, and the loop's own monotonic time. Implements `api.Clock`."""

    def now(self) -> datetime:
        """The wall clock."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return monotonic()

    async def sleep(self, delay_s: float) -> None:
        """Waits; zero or less gives way once."""
        # uvloop's timers have whole milliseconds: it would take less than half of one for none, and a source that sleeps so would never rest.
        await asyncio.sleep(max(0.001, delay_s) if delay_s > 0 else 0)
