"""What the service manager is told of a daemon: that it is ready, reloads, stops; how many connections it has; and that it is well."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from wsrouter.daemon.health import Health
    from wsrouter.daemon.service_manager import ServiceManager

STATUS_S: Final = 5.0
"""How often the status may change."""
SIGNS_IN_TIME: Final = 4
"""How many signs of life are sent in the time in which one is expected: a few may be held back while the loop recovers from a stall."""
DRAIN_BEAT_S: Final = 1.0
EXTENSION_S: Final = 10.0
"""While connections are being closed, it is asked for so much time again and again, so that one that hangs is ended soon."""


class Bulletin:
    """Of one daemon. Nothing is told before `ready`, and nothing at all where nobody listens."""

    def __init__(self, manager: ServiceManager, health: Health, connections: Callable[[], int], loop: asyncio.AbstractEventLoop) -> None:
        """`connections` counts those that are open."""
        self._manager = manager
        self._health = health
        self._connections = connections
        self._loop = loop
        self._said = ""
        self._state = "serving"
        self._reload_failed = False
        self._timer: asyncio.TimerHandle | None = None

    def ready(self) -> None:
        """It serves. From now on signs of life are sent."""
        if self._enter("serving", "READY=1"):
            self._again()

    def reloading(self) -> None:
        """A reload begins."""
        self._enter("reloading", "RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def reloaded(self, *, ok: bool) -> None:
        """It is over; with or without it, the daemon serves."""
        self._reload_failed = not ok
        self._enter("serving", "READY=1")

    def stopping(self) -> None:
        """It has been told to stop."""
        self._enter("stopping", "STOPPING=1", _extension())
        self._again()

    def close(self) -> None:
        """Says nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        self._manager.close()

    def _enter(self, state: str, *lines: str) -> bool:
        """Whether it is in this state now: one who stops does nothing else any more, also where the signal came in the middle of it."""
        if self._state == "stopping":
            return False
        self._state = state
        self._tell(*lines)
        return True

    def _beat(self) -> None:
        lines = [_extension()] if self._state == "stopping" else []
        if self._manager.watchdog_s is not None and self._health.is_well:
            lines.append("WATCHDOG=1")
        self._tell(*lines)
        self._again()

    def _again(self) -> None:
        """Comes back in time for the next sign of life."""
        if self._timer is not None:
            self._timer.cancel()
        if self._manager.listens:
            every_s = DRAIN_BEAT_S if self._state == "stopping" else STATUS_S
            if self._manager.watchdog_s is not None:
                every_s = min(every_s, self._manager.watchdog_s / SIGNS_IN_TIME)
            self._timer = self._loop.call_later(every_s, self._beat)

    def _tell(self, *lines: str) -> None:
        """These lines, and the status if it is another than before."""
        if (status := self._status()) != self._said:
            lines, self._said = (*lines, f"STATUS={status}"), status
        if lines:
            self._manager.tell(*lines)

    def _status(self) -> str:
        count = self._connections()
        parts = [f"{self._state}, {count} connection{'s' * (count != 1)}"]
        if self._state == "stopping":
            parts = [f"stopping, {count} connection{'s' * (count != 1)} left"]
        if not self._health.is_well:
            parts.append(f"not well: the event loop answered {self._health.lag_s:.1f} s late")
        if self._reload_failed:
            parts.append("the last reload failed, see the log")
        return "; ".join(parts)


def _extension() -> str:
    return f"EXTEND_TIMEOUT_USEC={round(EXTENSION_S * 1e6)}"
