"""Whether the daemon is sound and whether it should be sent clients: one object that those who know report to, and those who ask read.

*Well* is measured: the event loop is asked for a beat every `BEAT_S`, and how late it comes is the loop's lag. *Ready* is reported:
it is ready while nobody has said why not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Final

from wsrouter.observe.histogram import Histogram

if TYPE_CHECKING:
    import asyncio

BEAT_S: Final = 0.25
LAG_S: Final = 1.0
"""A loop that answers later than this is not well. Precedent: liveness probes of Kubernetes wait one second."""
WINDOW_S: Final = 5.0
"""For so long a late beat counts."""
LAG_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class NotReady(Enum):
    """Why it should not be sent clients; a closed list."""

    STARTING = "starting"
    DRAINING = "draining"
    OVERLOAD = "overload"


class Health:
    """The health of one daemon. It is starting at first. Must be used in the thread of the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Nothing is measured before `start`."""
        self.on_change: list[Callable[[], None]] = []
        """Called when `reasons` has changed."""
        self.lags = Histogram(LAG_BOUNDS_S)
        """How late each beat came, in seconds."""
        self._loop = loop
        self._reasons: dict[NotReady, str] = {NotReady.STARTING: "its handlers are being started"}
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._late: deque[float] = deque(maxlen=round(WINDOW_S / BEAT_S))

    def start(self) -> None:
        """Begins to measure."""
        self._due = self._loop.time() + BEAT_S
        self._timer = self._loop.call_at(self._due, self._beat)

    def stop(self) -> None:
        """Measures no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def is_well(self) -> bool:
        """Whether the loop has kept up in the last `WINDOW_S`."""
        return self.lag_s <= LAG_S

    @property
    def lag_s(self) -> float:
        """How late the latest beat came of those in the last `WINDOW_S`, and the one that is due now."""
        overdue_s = self._loop.time() - self._due if self._timer is not None else 0.0
        return max(0.0, overdue_s, *self._late)

    @property
    def is_ready(self) -> bool:
        """Whether it should be sent clients."""
        return not self._reasons

    @property
    def reasons(self) -> dict[str, str]:
        """Why not, by the words of `NotReady` in their order, each with what was seen."""
        return {why.value: self._reasons[why] for why in NotReady if why in self._reasons}

    def not_ready(self, why: NotReady, detail: str) -> None:
        """Reports why it should not be sent clients; `detail` is for people, and may be reported anew."""
        if self._reasons.get(why) != detail:
            self._reasons[why] = detail
            self._tell()

    def ready_again(self, why: NotReady) -> None:
        """Takes that back."""
        if self._reasons.pop(why, None) is not None:
            self._tell()

    def _tell(self) -> None:
        for tell in self.on_change:
            tell()

    def _beat(self) -> None:
        now = self._loop.time()
        late_s = max(0.0, now - self._due)
        self.lags.add(late_s)
        self._late.append(late_s)
        self._due = now + BEAT_S
        self._timer = self._loop.call_at(self._due, self._beat)
