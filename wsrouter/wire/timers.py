"""One timer for all connections: each has one place in it, the moment when it must be looked at next.

Moments are rounded up to a tenth of a second, so that thousands of connections share a few hundred slots, and the loop has
one timer handle instead of one or two a connection.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from math import ceil
from typing import Protocol

SLOTS_PER_S = 10
# So late only a loop that stood still comes.
STOOD_STILL_S = 0.3
# The turns in which it reads what came meanwhile.
CATCH_UP_S = 0.1


class Timed(Protocol):
    """What has a place in the timer. `slot` belongs to the timer; it begins as 0."""

    slot: int

    def on_time(self, now: float) -> float | None:
        """Its moment has come; returns the next one, or None for none."""


class Handle(Protocol):
    """A timer handle of the loop."""

    def cancel(self) -> None:
        """Forgets it."""


class Timers:
    """Calls `on_time` of what was set, never early and at most a tenth of a second late.

    After a time in which the loop stood still, what clients sent meanwhile is read first: else a pong that has come would be
    missed, as timers run before sockets are read.
    """

    def __init__(self, monotonic: Callable[[], float], call_at: Callable[[float, Callable[[], None]], Handle]) -> None:
        """The loop's `time` and `call_at`, or those of a test."""
        self._monotonic = monotonic
        self._call_at = call_at
        self._slots: dict[int, set[Timed]] = {}
        self._order: list[int] = []
        self._handle: Handle | None = None
        self._handle_slot = 0
        self._catches_up = False

    def set(self, item: Timed, moment: float) -> None:
        """Gives an item its place, instead of the one it had."""
        slot = max(1, ceil(moment * SLOTS_PER_S))
        if slot == item.slot:
            return
        self.discard(item)
        item.slot = slot
        items = self._slots.get(slot)
        if items is None:
            items = self._slots[slot] = set()
            heappush(self._order, slot)
            self._arm()
        items.add(item)

    def sooner(self, item: Timed, moment: float) -> None:
        """Gives an item an earlier place, if this is earlier than the one it has."""
        if not item.slot or ceil(moment * SLOTS_PER_S) < item.slot:
            self.set(item, moment)

    def discard(self, item: Timed) -> None:
        """Takes an item out; it may be out already."""
        items = self._slots.get(item.slot)
        if items is not None:
            items.discard(item)
        item.slot = 0

    def _arm(self) -> None:
        first = self._order[0]
        if self._handle is not None:
            if self._handle_slot <= first:
                return
            self._handle.cancel()
        self._handle_slot = first
        self._handle = self._call_at(first / SLOTS_PER_S, self._run)

    def _run(self) -> None:
        self._handle = None
        now = self._monotonic()
        if self._order and now - self._order[0] / SLOTS_PER_S > STOOD_STILL_S and not self._catches_up:
            self._catches_up = True
            self._handle_slot = 0  # nothing is sooner
            self._handle = self._call_at(now + CATCH_UP_S, self._run)
            return
        self._catches_up = False
        due = []
        while self._order and self._order[0] / SLOTS_PER_S <= now:
            due.append(heappop(self._order))
        # Taken out before anybody is looked at: whoever sets itself a moment that is due already waits for the next run, and cannot hold up the loop.
        for slot, items in [(slot, self._slots.pop(slot)) for slot in due]:
            for item in items:
                if item.slot != slot:  # an item before it in this slot gave it another place
                    continue
                item.slot = 0
                moment = item.on_time(now)
                if moment is not None:
                    # Half a slot later at the least: a peer being aborted has a moment that stays past.
                    self.sooner(item, max(moment, now + 0.5 / SLOTS_PER_S))
        if self._order:
            self._arm()
