"""Stopping gently: no new connections, then those that are open closed in random order, spread over time (design, section 6)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from wsrouter.api.causes import Cause
from wsrouter.daemon.spread import close_spread, gentle_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsrouter.config.settings import Shutdown
    from wsrouter.wire.hub import Hub

# An aborted connection is gone at the loop's next turn.
ABORT_S = 1.0
# How soon it is seen that what was waited for is over.
LOOK_S = 0.01


class Drain:
    """Closes the connections of a hub. The event `hurry`, a second signal, ends all waiting: what is still open is cut off."""

    def __init__(self, hub: Hub, settings: Shutdown, hurry: asyncio.Event) -> None:
        """Nothing happens before `run`."""
        self._hub = hub
        self._settings = settings
        self._hurry = hurry
        self._empty = asyncio.Event()

    async def pause(self, delay_s: float) -> None:
        """Waits while connections are still accepted, so that balancers notice first."""
        if delay_s > 0:
            await self._wait(asyncio.Event(), delay_s)

    async def pause_while(self, condition: Callable[[], bool], most_s: float) -> None:
        """Waits as long as this holds, and no longer than `most_s`."""
        deadline = self._hub.loop.time() + most_s
        while condition() and self._hub.loop.time() < deadline and not self._hurry.is_set():
            await self.pause(LOOK_S)

    async def run(self) -> int:
        """Closes all connections; tells how many had to be cut off at the end of `timeout`."""
        hub = self._hub
        hub.on_last_closed = self._empty.set  # not before: during the pause, connections still come and go
        deadline = hub.loop.time() + self._settings.timeout
        over_s = min(gentle_s(len(hub.connections), self._settings.spread), self._settings.timeout)
        await close_spread(hub.connections, Cause.SHUTDOWN, over_s, lambda left_s: self._wait(self._hurry, left_s))
        if hub.connections:
            await self._wait(self._empty, deadline - hub.loop.time())
        left = list(hub.connections)
        for connection in left:
            connection.end(Cause.SHUTDOWN)
            connection.abort()
        if hub.connections:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), ABORT_S)
        return len(left)

    async def _wait(self, event: asyncio.Event, timeout_s: float) -> None:
        """Until the event, the hurry, or the time is over."""
        waits = {asyncio.ensure_future(event.wait()), asyncio.ensure_future(self._hurry.wait())}
        _, pending = await asyncio.wait(waits, timeout=max(0.0, timeout_s), return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()
