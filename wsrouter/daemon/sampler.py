"""Once a second, the next message of each route that has connections is timed: what its hooks take is known, and costs the others nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wsrouter.pipeline.sampling import sample_next

if TYPE_CHECKING:
    import asyncio

    from wsrouter.daemon.running import Running

EVERY_S: Final = 1.0


class Sampler:
    """Samples the routes that serve."""

    def __init__(self, running: Running) -> None:
        """Nothing is timed before `start`."""
        self._running = running
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begins."""
        self._timer = self._running.hub.loop.call_later(EVERY_S, self._sample)

    def stop(self) -> None:
        """Ends it."""
        if self._timer is not None:
            self._timer.cancel()

    def _sample(self) -> None:
        running = self._running
        sample_next((built.endpoint for built in running.generation.routes if built.endpoint.connections), running.records.counts.sampled)
        self.start()
