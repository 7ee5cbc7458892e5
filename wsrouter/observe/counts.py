"""`Counts`: what happened since the start, in plain integers. They are added once for a connection, a refusal or a failure, never for a message.

The messages and bytes of open connections stand on the connections; those of closed ones are added here. What they are called outside: `metrics`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wsrouter.api.causes import Cause, Reason
from wsrouter.observe.histogram import Histogram

if TYPE_CHECKING:
    from datetime import datetime

    from wsrouter.api.ports import Failure, Traffic

DURATION_BOUNDS_S: Final = (1.0, 10.0, 60.0, 600.0, 3600.0, 21600.0, 86400.0)
TIME_BOUNDS_S: Final = (0.000001, 0.00001, 0.0001, 0.001, 0.01, 0.1, 1.0)


class RouteCounts:
    """Of one route, by its pattern: they go on when a reload changes it."""

    __slots__ = (
        "bytes_in", "bytes_out", "closed", "dropped_in", "dropped_out", "durations", "failures", "messages_in", "messages_out", "opened", "slow", "times",
    )  # fmt: skip

    def __init__(self) -> None:
        """Nothing has happened."""
        self.opened = self.slow = 0
        self.closed: dict[Cause, int] = {}
        self.failures: dict[str, int] = {}
        """By handler."""
        self.times: dict[str, Histogram] = {}
        """By handler: how long its hook took for a message, as far as that was sampled."""
        self.durations = Histogram(DURATION_BOUNDS_S)
        self.messages_in = self.messages_out = self.bytes_in = self.bytes_out = self.dropped_in = self.dropped_out = 0

    def take(self, connection: Traffic) -> None:
        """Adds what went through a connection."""
        self.messages_in += connection.messages_in
        self.messages_out += connection.messages_out
        self.bytes_in += connection.bytes_in
        self.bytes_out += connection.bytes_out
        losses = connection.losses
        if losses is not None:
            self.dropped_in += losses.dropped_in
            self.dropped_out += losses.dropped_out


class Counts:
    """Of a daemon."""

    def __init__(self) -> None:
        """Nothing has happened."""
        self.routes: dict[str, RouteCounts] = {}
        self.refused = dict.fromkeys(Reason, 0)
        self.reloads = {True: 0, False: 0}
        """By whether the site serves as its files say since."""
        self.is_loaded = True
        """Whether the last load of the site went well; the first did."""
        self.loaded_at: datetime | None = None
        """When a load went well last."""

    def of(self, route: str) -> RouteCounts:
        """Those of a route."""
        counts = self.routes.get(route)
        if counts is None:
            counts = self.routes[route] = RouteCounts()
        return counts

    def closed(self, route: str, connection: Traffic, cause: Cause, duration_s: float) -> None:
        """A connection is gone; its counters are final."""
        counts = self.of(route)
        counts.closed[cause] = counts.closed.get(cause, 0) + 1
        counts.durations.add(duration_s)
        counts.take(connection)
        if cause is Cause.SLOW_CONSUMER:
            counts.slow += 1

    def failed(self, failure: Failure) -> None:
        """A handler has failed."""
        failures = self.of(failure.route).failures
        failures[failure.handler] = failures.get(failure.handler, 0) + 1

    def sampled(self, route: str, handler: str, duration_s: float) -> None:
        """A hook was timed."""
        times = self.of(route).times
        histogram = times.get(handler)
        if histogram is None:
            histogram = times[handler] = Histogram(TIME_BOUNDS_S)
        histogram.add(duration_s)

    def loaded(self, at: datetime, *, ok: bool) -> None:
        """A reload has ended."""
        self.reloads[ok] += 1
        self.is_loaded = ok
        if ok:
            self.loaded_at = at
