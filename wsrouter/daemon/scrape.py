"""The values of the metrics, read from where they are counted when somebody asks; see `observe.metrics` for what they mean."""

from __future__ import annotations

import asyncio
import platform
from typing import TYPE_CHECKING, Final

from wsrouter import __version__
from wsrouter.observe.counts import RouteCounts
from wsrouter.observe.logs import logs_dropped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsrouter.daemon.running import Running
    from wsrouter.observe.histogram import Histogram
    from wsrouter.observe.metrics import Samples, Value

SLICE: Final = 500
"""So many connections are added up in one turn of the loop: about half a millisecond."""
ROUTES_A_TURN: Final = 200

Labels = tuple[str, ...]


class Scrape:
    """Reads a daemon's metrics. Counters never go back, though a message that was sent may be dropped again."""

    def __init__(self, running: Running) -> None:
        """Reads nothing yet."""
        self._running = running
        self._told: dict[tuple[str, Labels], float] = {}

    async def read(self) -> Samples:
        """The values of now. What is open is added up over several turns of the loop; what ends meanwhile counts once."""
        hub, counts = self._running.hub, self._running.records.counts
        for route in self._running.gates:
            counts.of(route)
        # In one turn: who is open, and what those had who are not any more.
        traffic = {route: _copy(of_route) for route, of_route in counts.routes.items()}
        connections, outboxes = list(hub.connections), dict.fromkeys(traffic, 0)
        samples: dict[str, list[tuple[Labels, Value]]] = {}
        self._add_routes(samples)
        self._add_daemon(samples)
        for begin in range(0, len(connections), SLICE):
            for connection in connections[begin : begin + SLICE]:
                route = connection.route
                traffic[route].take(connection)
                outboxes[route] += connection.outbox_bytes
            await asyncio.sleep(0)
        for number, (route, sums) in enumerate(traffic.items(), 1):
            for name, labels, value in _traffic(route, sums):
                samples.setdefault(name, []).append((labels, self._not_less(name, labels, value)))
            samples.setdefault("wsrouter_outbox_bytes", []).append(((route,), outboxes[route]))
            if number % ROUTES_A_TURN == 0:
                await asyncio.sleep(0)
        return samples

    def _not_less(self, name: str, labels: Labels, value: float) -> float:
        """A counter's value, or what was told of it before, if that was more: a smaller one would mean that the daemon was restarted."""
        told = self._told[name, labels] = max(value, self._told.get((name, labels), 0.0))
        return told

    def _add_routes(self, samples: dict[str, list[tuple[Labels, Value]]]) -> None:
        """What is counted for routes when something happens."""
        census = self._running.hub.census
        for route, counts in self._running.records.counts.routes.items():
            for name, labels, value in _happened(route, counts, census.of_route(route)):
                samples.setdefault(name, []).append((labels, value))

    def _add_daemon(self, samples: dict[str, list[tuple[Labels, Value]]]) -> None:
        """What is counted for the whole daemon."""
        counts = self._running.records.counts
        samples["wsrouter_handshakes_refused_total"] = [((reason.value,), count) for reason, count in counts.refused.items()]
        samples["wsrouter_loop_lag_seconds"] = [((), self._running.health.lags.copy())]
        samples["wsrouter_reloads_total"] = [(("ok" if ok else "failed",), count) for ok, count in counts.reloads.items()]
        samples["wsrouter_config_last_reload_successful"] = [((), float(counts.is_loaded))]
        samples["wsrouter_config_last_reload_success_timestamp_seconds"] = [((), counts.loaded_at.timestamp() if counts.loaded_at else 0.0)]
        samples["wsrouter_log_records_dropped_total"] = [((), logs_dropped())]
        samples["wsrouter_build_info"] = [((__version__, platform.python_version()), 1.0)]


def _copy(counts: RouteCounts) -> RouteCounts:
    """What went through the closed connections of a route, to be added to."""
    copy = RouteCounts()
    copy.messages_in, copy.messages_out = counts.messages_in, counts.messages_out
    copy.bytes_in, copy.bytes_out = counts.bytes_in, counts.bytes_out
    copy.dropped_in, copy.dropped_out = counts.dropped_in, counts.dropped_out
    return copy


def _traffic(route: str, sums: RouteCounts) -> Iterator[tuple[str, Labels, float]]:
    yield "wsrouter_messages_received_total", (route,), sums.messages_in
    yield "wsrouter_messages_sent_total", (route,), sums.messages_out
    yield "wsrouter_received_bytes_total", (route,), sums.bytes_in
    yield "wsrouter_sent_bytes_total", (route,), sums.bytes_out
    yield "wsrouter_messages_dropped_total", (route, "rate"), sums.dropped_in
    yield "wsrouter_messages_dropped_total", (route, "outbox"), sums.dropped_out


def _happened(route: str, counts: RouteCounts, connections: int) -> Iterator[tuple[str, Labels, float | Histogram]]:
    yield "wsrouter_connections", (route,), connections
    yield "wsrouter_connections_opened_total", (route,), counts.opened
    for cause, count in counts.closed.items():
        yield "wsrouter_connections_closed_total", (route, cause.value), count
    yield "wsrouter_connection_duration_seconds", (route,), counts.durations.copy()
    yield "wsrouter_slow_consumers_total", (route,), counts.slow
    for handler, count in counts.failures.items():
        yield "wsrouter_handler_failures_total", (route, handler), count
    for handler, times in counts.times.items():
        yield "wsrouter_handler_seconds", (route, handler), times.copy()
