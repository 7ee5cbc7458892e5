"""The sockets that are accepted and no WebSockets yet: so many and no more, so that whoever opens them and says nothing keeps nobody out.

The oldest is cut off for a newcomer. A client that means it has sent its request within a round trip; one that says nothing grows
old. To keep out the newest instead would let a thousand silent sockets close the door for as long as a request may take.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from wsrouter.access.bounds import GRACE_S, MAX_HALF_OPEN

if TYPE_CHECKING:
    from wsrouter.api.ports import Observer


class HalfOpen(Protocol):
    """A socket that is no WebSocket yet."""

    def shed(self) -> None:
        """Ends it without a word; it takes itself out of the set."""


class HalfOpens:
    """All of them, the oldest first."""

    def __init__(self, now: Callable[[], float], observer: Observer, files_left: Callable[[], int]) -> None:
        """`files_left` is how many sockets the open-file limit leaves for them."""
        self._now = now
        self._observer = observer
        self._files_left = files_left
        self._since: dict[HalfOpen, float] = {}
        self.shed = 0
        """How many were cut off so far."""

    def __len__(self) -> int:
        return len(self._since)

    @property
    def most(self) -> int:
        """How many there may be now."""
        return max(1, min(MAX_HALF_OPEN, self._files_left()))

    def add(self, item: HalfOpen) -> None:
        """One more; the oldest makes room for it where there is none."""
        since = self._since
        since[item] = self._now()
        if len(since) > self.most:
            oldest = next(iter(since))
            del since[oldest]
            self.shed += 1
            self._observer.noticed("accept.shed", {"half_open": len(since)})
            oldest.shed()

    def discard(self, item: HalfOpen) -> None:
        """It became a WebSocket, or is gone."""
        self._since.pop(item, None)

    def wait_s(self) -> float:
        """How long a listener that can wait should do so: as long as the next one would cut off somebody who has only just come."""
        since = self._since
        if len(since) < self.most:
            return 0.0
        return max(0.0, next(iter(since.values())) + GRACE_S - self._now())
