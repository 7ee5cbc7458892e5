"""`Overload`: whether the daemon has too much to do, told by how late the event loop answers, or too little memory left. Pure.

While it is, nobody more is let in: every newcomer would make those wait longer who are here, or bring the end of the process nearer. One
long stall is no overload, since it is over when newcomers are decided on; only a loop that answers late again and again is. Memory that
is nearly full counts at once: what fills it may be quick.
"""

from __future__ import annotations

from typing import Literal

from wsrouter.access.bounds import OVERLOAD_AFTER_S, OVERLOAD_LAG_S, OVERLOAD_MEMORY

WELL_LAG_S = OVERLOAD_LAG_S / 2
"""What is good enough to let clients in again; between the two it stays as it is, so that it does not flap."""
WELL_MEMORY = OVERLOAD_MEMORY
"""The same: Python gives little memory back, and nobody should stay outside for what it only keeps for later."""


class Overload:
    """Is told how late each answer came, and how much of its memory the daemon has then."""

    __slots__ = ("_lag", "_memory", "_since", "is_on", "refused")

    def __init__(self) -> None:
        """All is well."""
        self.is_on = False
        self.refused = 0
        """How many newcomers were refused since it began."""
        self._lag = _Level(OVERLOAD_LAG_S, WELL_LAG_S, patience_s=OVERLOAD_AFTER_S)
        self._memory = _Level(OVERLOAD_MEMORY, WELL_MEMORY, patience_s=0.0)
        self._since = 0.0

    @property
    def lag_s(self) -> float:
        """How late the last answer came."""
        return self._lag.latest

    @property
    def memory_share(self) -> float:
        """How much of the memory that it may have it had then: 1.0 is all."""
        return self._memory.latest

    @property
    def is_memory_short(self) -> bool:
        """Whether it is for its memory, whatever else it is for."""
        return self._memory.is_high

    @property
    def why(self) -> str:
        """What is too much of what, in words."""
        if self._memory.is_high:
            return f"{self.memory_share:.0%} of the memory that it may have is in use"
        return f"the event loop answers {self.lag_s:.2f} s late"

    def answered(self, now: float, late_s: float, memory_share: float = 0.0) -> Literal["began", "ended"] | None:
        """An answer of the loop, so many seconds late; `now` is on a monotonic clock. Says whether something has changed by it."""
        self._lag.measured(now, late_s)
        self._memory.measured(now, memory_share)
        if self.is_on is (self._lag.is_high or self._memory.is_high):
            return None
        self.is_on = not self.is_on
        if not self.is_on:
            return "ended"
        self._since = now
        self.refused = 0
        return "began"

    def lasted_s(self, now: float) -> float:
        """For how long it has been on, or was."""
        return now - self._since


class _Level:
    """Whether something is too high: when it was `begins_at` or more for its patience, until it was `ends_at` or less for OVERLOAD_AFTER_S."""

    __slots__ = ("_begins_at", "_ends_at", "_patience_s", "_turned_at", "is_high", "latest")

    def __init__(self, begins_at: float, ends_at: float, *, patience_s: float) -> None:
        self.is_high = False
        self.latest = 0.0
        self._begins_at = begins_at
        self._ends_at = ends_at
        self._patience_s = patience_s
        self._turned_at: float | None = None
        """Since when what is measured is of the other kind: too high before it begins, low enough before it ends."""

    def measured(self, now: float, value: float) -> None:
        """The value of this moment."""
        self.latest = value
        if not (value <= self._ends_at if self.is_high else value >= self._begins_at):
            self._turned_at = None
            return
        if self._turned_at is None:
            self._turned_at = now
        if now - self._turned_at >= (OVERLOAD_AFTER_S if self.is_high else self._patience_s):
            self.is_high = not self.is_high
            self._turned_at = None
