"""`Overload`: whether the daemon is behind with its work, told by how late the event loop answers. Pure.

While it is, nobody more is let in: every newcomer would make those wait longer who are here. One long stall is no overload, since it is
over when newcomers are decided on; only a loop that answers late again and again is.
"""

from __future__ import annotations

from typing import Literal

from wsrouter.access.bounds import OVERLOAD_AFTER_S, OVERLOAD_LAG_S

WELL_LAG_S = OVERLOAD_LAG_S / 2
"""What is good enough to let clients in again; between the two it stays as it is, so that it does not flap."""


class Overload:
    """Is told how late each answer came."""

    __slots__ = ("_since", "_turned_at", "is_on", "lag_s", "refused")

    def __init__(self) -> None:
        """All is well."""
        self.is_on = False
        self.lag_s = 0.0
        """How late the last answer came."""
        self.refused = 0
        """How many newcomers were refused since it began."""
        self._since = 0.0
        self._turned_at: float | None = None
        """Since when the answers are of the other kind: late ones before it begins, good ones before it ends."""

    def answered(self, now: float, late_s: float) -> Literal["began", "ended"] | None:
        """An answer of the loop, so many seconds late; `now` is on a monotonic clock. Says whether something has changed by it."""
        self.lag_s = late_s
        if late_s <= WELL_LAG_S if self.is_on else late_s >= OVERLOAD_LAG_S:
            if self._turned_at is None:
                self._turned_at = now
            elif now - self._turned_at >= OVERLOAD_AFTER_S:
                return self._turn(now)
        else:
            self._turned_at = None
        return None

    def lasted_s(self, now: float) -> float:
        """For how long it has been on, or was."""
        return now - self._since

    def _turn(self, now: float) -> Literal["began", "ended"]:
        self.is_on = not self.is_on
        self._turned_at = None
        if not self.is_on:
            return "ended"
        self._since = now
        self.refused = 0
        return "began"
