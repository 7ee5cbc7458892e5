"""`RecordLimit`: how many records of one kind are written, so that whoever can cause records cannot fill a disk with them.

A token bucket for each kind: `RATE` a second, `BURST` at once. The next record of the kind that is written says how many like it
were left out, as `suppressed`; where none comes, a record of the log's own does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Final, NamedTuple

RATE: Final = 10.0
BURST: Final = 50
QUIET_S: Final = 1.0
"""What was left out is told of when nothing like it came for so long."""
MAX_KINDS: Final = 1_000
"""Names of events may be made of what a client sent. All kinds beyond these share one bucket."""

UNLIMITED: Final = frozenset({"connection.opened", "connection.closed", "reload.problem", "route.lost", "log.suppressed"})
"""Events of which each record counts, or which only whoever runs the daemon can cause."""


class Kind(NamedTuple):
    """What is counted together."""

    event: str
    handler: str = ""
    """So that a plugin with much to say does not silence another."""


_REST: Final = Kind("other events")


class _Bucket:
    """The state of one kind."""

    __slots__ = ("at", "suppressed", "tokens")

    def __init__(self, now: float) -> None:
        self.tokens = float(BURST)
        self.at = now
        self.suppressed = 0

    def fill(self, now: float) -> None:
        self.tokens = min(float(BURST), self.tokens + (now - self.at) * RATE)
        self.at = now


class RecordLimit:
    """Decides for each record whether it is written. May be asked from any thread."""

    def __init__(self, on_pending: Callable[[], None] = lambda: None, clock: Callable[[], float] = monotonic) -> None:
        """`on_pending` is called where a record was left out and all before had been told of."""
        self._on_pending = on_pending
        self._clock = clock
        self._buckets: dict[Kind, _Bucket] = {}
        self._lock = threading.RLock()  # again by the thread that has it: a signal's handler may log amid a call
        self._pending = 0

    @property
    def pending(self) -> bool:
        """Whether there are records that were left out and not yet told of."""
        return self._pending > 0

    def admit(self, kind: Kind) -> int | None:
        """How many like it were left out since the last one was written; None where this one is left out, too."""
        with self._lock:
            now = self._clock()
            bucket = self._buckets.get(kind) or self._make_bucket(kind, now)
            bucket.fill(now)
            if bucket.tokens >= 1:
                bucket.tokens -= 1
                suppressed, bucket.suppressed = bucket.suppressed, 0
                self._pending -= suppressed
                return suppressed
            bucket.suppressed += 1
            self._pending += 1
            is_first = self._pending == 1
        if is_first:
            self._on_pending()
        return None

    def collect(self, *, final: bool = False) -> list[tuple[Kind, int]]:
        """What was left out and of which nothing came for a while; with `final`, all that was left out."""
        found = []
        with self._lock:
            now = self._clock()
            for kind, bucket in self._buckets.items():
                if bucket.suppressed and (final or now - bucket.at >= QUIET_S):
                    found.append((kind, bucket.suppressed))
                    self._pending -= bucket.suppressed
                    bucket.suppressed = 0
        return found

    def _make_bucket(self, kind: Kind, now: float) -> _Bucket:
        if len(self._buckets) >= MAX_KINDS:
            self._forget(now)
        if len(self._buckets) >= MAX_KINDS:
            kind = _REST
        return self._buckets.setdefault(kind, _Bucket(now))

    def _forget(self, now: float) -> None:
        """Lets go of kinds of which there was nothing for so long that it makes no difference."""
        full_s = BURST / RATE
        for kind in [kind for kind, bucket in self._buckets.items() if not bucket.suppressed and now - bucket.at >= full_s]:
            del self._buckets[kind]
