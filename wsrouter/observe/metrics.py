"""The metrics: their names, types, labels and texts, in one table that is a contract. `exposition` renders them, docs/metrics.md is made from it.

Labels are route patterns, names of handlers and words of closed lists: nothing that a client says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from wsrouter.observe.histogram import Histogram

DROP_REASONS: Final = {
    "rate": "from the client, over its rates (`limits.on_exceed: drop`)",
    "outbox": "for the client, that did not fit its outbox (`outbox.on_full`) or waited in it when it was closed for `slow_consumer`",
}
RELOAD_OUTCOMES: Final = {"ok": "the site serves as its files say", "failed": "nothing was loaded, and what served before goes on"}


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of the contract."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


METRICS: Final = (
    Metric("wsrouter_connections", "gauge", "Connections that are open.", ("route",)),
    Metric("wsrouter_connections_opened_total", "counter", "Connections that were opened.", ("route",)),
    Metric("wsrouter_connections_closed_total", "counter", "Connections that ended, by cause.", ("route", "cause")),
    Metric("wsrouter_connection_duration_seconds", "histogram", "How long connections lasted that have ended.", ("route",)),
    Metric("wsrouter_handshakes_refused_total", "counter", "Handshakes that were refused, by reason.", ("reason",)),
    Metric("wsrouter_messages_received_total", "counter", "Messages from clients.", ("route",)),
    Metric("wsrouter_messages_sent_total", "counter", "Messages to clients, as far as they were not dropped again.", ("route",)),
    Metric("wsrouter_received_bytes_total", "counter", "Bytes from clients after their handshakes, frames and all.", ("route",)),
    Metric("wsrouter_sent_bytes_total", "counter", "Bytes to clients after their handshakes, frames and all.", ("route",)),
    Metric("wsrouter_messages_dropped_total", "counter", "Messages that were dropped, by reason.", ("route", "reason")),
    Metric("wsrouter_outbox_bytes", "gauge", "Bytes that wait for clients that are behind, beyond the buffers of their sockets.", ("route",)),
    Metric("wsrouter_slow_consumers_total", "counter", "Times that a client was too slow: it was closed for it, or began to lose messages.", ("route",)),
    Metric("wsrouter_handler_failures_total", "counter", "Failures of handlers: hooks, coroutines and tasks that raised.", ("route", "handler")),
    Metric(
        "wsrouter_handler_seconds",
        "histogram",
        "How long on_message took for one message, sampled once a second. Async hooks with what they await; coroutines and sources are not timed.",
        ("route", "handler"),
    ),
    Metric("wsrouter_loop_lag_seconds", "histogram", "How late the event loop did what was due, asked four times a second."),
    Metric("wsrouter_reloads_total", "counter", "Reloads, by outcome.", ("outcome",)),
    Metric("wsrouter_config_last_reload_successful", "gauge", "Whether the last load of the site went well: 1 or 0."),
    Metric("wsrouter_config_last_reload_success_timestamp_seconds", "gauge", "When a load of the site went well last, in seconds since 1970."),
    Metric("wsrouter_log_records_dropped_total", "counter", "Lines of the log that were lost."),
    Metric("wsrouter_build_info", "gauge", "Always 1; what runs.", ("version", "python")),
)
"""All of them, in the order in which they are shown."""

PROCESS_METRICS: Final = {
    "process_virtual_memory_bytes": ("gauge", "Virtual memory size in bytes."),
    "process_resident_memory_bytes": ("gauge", "Resident memory size in bytes."),
    "process_start_time_seconds": ("gauge", "Start time of the process since unix epoch in seconds."),
    "process_cpu_seconds_total": ("counter", "Total user and system CPU time spent in seconds."),
    "process_open_fds": ("gauge", "Number of open file descriptors."),
    "process_max_fds": ("gauge", "Maximum number of open file descriptors."),
}
"""What every program with Prometheus' client library tells of its process, on Linux."""

Value = float | Histogram
Samples = Mapping[str, Sequence[tuple[tuple[str, ...], Value]]]
"""The values of metrics by their names, each with its labels in the order of the table."""
