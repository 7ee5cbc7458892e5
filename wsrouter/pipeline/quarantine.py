"""The quarantine of a route: one whose handlers fail too often takes no new connections for a while.

More than `plugins.failures` failures in a minute, from at least two connections, close the route to newcomers for `plugins.pause`.
Connections that are open stay and are served. After the pause the route is on trial for `TRIAL_S`: then failures of two
connections are enough, as in a half-open circuit breaker, and never one alone, since a client that can make a handler fail at
will must not keep the others out all by itself. Failures during the pause count for nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from wsrouter.access.retry import retry_after_s
from wsrouter.api.ports import Failure, Quarantined

if TYPE_CHECKING:
    from wsrouter.api.ports import Observer
    from wsrouter.config.settings import Plugins

WINDOW_S = 60.0
TRIAL_S = 10.0
LEAST_CONNECTIONS = 2
# Newcomers come back over half a pause more, not all in the moment of the release.
SPREAD = 0.5


class Timer(Protocol):
    """What `call_later` answers."""

    def cancel(self) -> object:
        """Forgets it."""


CallLater = Callable[[float, Callable[[], None]], Timer]


class FailureCount:
    """How many failures there were in the last minute, and of how many connections. Keeps no more than it is asked to."""

    __slots__ = ("_connections", "_times")

    def __init__(self) -> None:
        """Nothing has failed."""
        self._times: deque[float] = deque()
        self._connections: dict[str, float] = {}  # id -> its last failure, the latest last

    def add(self, now: float, connection_id: str | None, most: int) -> None:
        """One more failure; None is one without a connection. Only the latest `most` failures and connections are kept."""
        self._times.append(now)
        if connection_id is not None:
            self._connections.pop(connection_id, None)
            self._connections[connection_id] = now
        while len(self._times) > most or self._times[0] <= now - WINDOW_S:
            self._times.popleft()
        while self._connections and (len(self._connections) > most or next(iter(self._connections.values())) <= now - WINDOW_S):
            del self._connections[next(iter(self._connections))]

    def clear(self) -> None:
        """Begins anew."""
        self._times.clear()
        self._connections.clear()

    @property
    def failures(self) -> int:
        """How many at the last `add`."""
        return len(self._times)

    @property
    def connections(self) -> int:
        """Of how many connections."""
        return len(self._connections)


class Quarantine:
    """Decides when a route is closed to newcomers, and opens it again. Must be used in the thread of the loop."""

    __slots__ = ("_call_later", "_count", "_is_retired", "_last", "_monotonic", "_observer", "_release", "_settings", "_trial_until", "_until")

    def __init__(self, *, settings: Callable[[], Plugins], observer: Observer, monotonic: Callable[[], float], call_later: CallLater) -> None:
        """`settings` answers those of now: a reload may change them."""
        self._settings = settings
        self._observer = observer
        self._monotonic = monotonic
        self._call_later = call_later
        self._count = FailureCount()
        self._release: Timer | None = None
        self._until = 0.0
        self._trial_until = 0.0
        self._is_retired = False
        self._last: Failure | None = None

    @property
    def is_on(self) -> bool:
        """Whether newcomers are refused."""
        return self._release is not None

    def failed(self, failure: Failure) -> None:
        """A handler of the route has failed; at one too many the quarantine begins."""
        settings = self._settings()
        if self.is_on or self._is_retired or not settings.failures:
            return
        now, count = self._monotonic(), self._count
        count.add(now, failure.connection_id or failure.peer or None, settings.failures + 1)
        if count.connections >= LEAST_CONNECTIONS and (count.failures > settings.failures or now < self._trial_until):
            self._last = failure
            self._until = now + settings.pause
            self._release = self._call_later(settings.pause, self._end)
            self._observer.quarantined(Quarantined(failure, count.failures, count.connections, settings.pause))

    def retry_after_s(self) -> int:
        """In how many seconds a client should try again: whole ones, at least 1, by chance up to half a pause after the release."""
        left = max(0.0, self._until - self._monotonic())
        return retry_after_s(left, SPREAD * self._settings().pause)

    def retire(self) -> None:
        """The route is stopped or replaced: nothing is counted and told any more."""
        self._is_retired = True
        if self._release is not None:
            self._release.cancel()
            self._release = None

    def _end(self) -> None:
        assert self._last is not None
        self._release = None
        self._trial_until = self._monotonic() + TRIAL_S
        self._count.clear()
        self._observer.released(self._last.route, self._last.handler)
