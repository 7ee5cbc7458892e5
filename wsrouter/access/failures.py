"""How often each address tried credentials that were wrong: ten a minute, then it waits. Pure, and bounded in memory."""

from __future__ import annotations

from math import ceil
from typing import Final

MOST: Final = 10
WINDOW_S: Final = 60.0
# 100 bytes each; whoever has more addresses than this is not held off by counting addresses.
MAX_ADDRESSES: Final = 10_000


class Failures:
    """Counts failures by address group, in windows that begin with the first."""

    __slots__ = ("_windows",)

    def __init__(self) -> None:
        """Empty."""
        self._windows: dict[str, tuple[float, int]] = {}  # group -> when its window ends, failures in it; in the order of their begin

    def __len__(self) -> int:
        return len(self._windows)

    def add(self, group: str, now: float) -> None:
        """One more failure of an address group."""
        ends, count = self._windows.get(group, (0.0, 0))
        if now < ends:
            self._windows[group] = (ends, count + 1)
            return
        self._windows.pop(group, None)
        self._forget(now)
        self._windows[group] = (now + WINDOW_S, 1)

    def wait_s(self, group: str, now: float) -> int:
        """For how many seconds an address must wait; 0 where it need not."""
        if not self._windows:
            return 0
        ends, count = self._windows.get(group, (0.0, 0))
        return max(1, ceil(ends - now)) if count >= MOST and now < ends else 0

    def _forget(self, now: float) -> None:
        """Drops windows that have ended; where none has and the table is full, the oldest."""
        while self._windows:
            oldest = next(iter(self._windows))
            if self._windows[oldest][0] > now and len(self._windows) < MAX_ADDRESSES:
                return
            del self._windows[oldest]
