"""What a run came to, second by second: latencies, counts and why connections ended; of one process, or of many added up.

`Record` is plain data that merges. `Recorder` listens to Locust's events and to those of WebSocketUser, and sends what a worker saw to its master.
A latency belongs to the second in which its message was due, a count to the second in which it happened. Seconds are of the wall clock.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from time import monotonic
from typing import Any

from loadtest.histogram import Histogram, load_histogram

TIMES = ("connect", "round_trip", "delivery", "return", "slow_delivery", "late")
"""What has a latency. `late` is how long after they were due messages were handed to the socket: how far the generator itself is behind."""

FAULTS = ("lost", "duplicated", "out_of_order")
"""What can be wrong with a message; all else that is wrong is an error."""


class Record:
    """Latencies and counts, in all and for each second. Closes and errors are counted by their text, too."""

    def __init__(self) -> None:
        self.times: dict[str, Histogram] = defaultdict(Histogram)
        self.seconds: dict[int, dict[str, Histogram]] = defaultdict(lambda: defaultdict(Histogram))
        self.counts: Counter[str] = Counter()
        self.count_seconds: dict[int, Counter[str]] = defaultdict(Counter)
        self.closes: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()

    def add_time(self, what: str, took_s: float, second: int) -> None:
        """One latency."""
        self.times[what].add(took_s)
        self.seconds[second][what].add(took_s)

    def add_count(self, what: str, second: int, count: int = 1) -> None:
        """So many of something."""
        self.counts[what] += count
        self.count_seconds[second][what] += count

    def merge(self, other: Record) -> None:
        """Adds what another one holds."""
        for what, histogram in other.times.items():
            self.times[what].merge(histogram)
        for second, times in other.seconds.items():
            for what, histogram in times.items():
                self.seconds[second][what].merge(histogram)
        self.counts.update(other.counts)
        for second, counts in other.count_seconds.items():
            self.count_seconds[second].update(counts)
        self.closes.update(other.closes)
        self.errors.update(other.errors)

    def dump(self) -> dict[str, Any]:
        """As lists and numbers, for a message between processes or a file."""
        return {
            "times": {what: histogram.dump() for what, histogram in self.times.items()},
            "seconds": [[second, {what: histogram.dump() for what, histogram in times.items()}] for second, times in self.seconds.items()],
            "counts": dict(self.counts),
            "count_seconds": [[second, dict(counts)] for second, counts in self.count_seconds.items()],
            "closes": dict(self.closes),
            "errors": dict(self.errors),
        }


def load_record(dumped: dict[str, Any]) -> Record:
    """The record of a dump."""
    record = Record()
    record.times.update({what: load_histogram(histogram) for what, histogram in dumped["times"].items()})
    for second, times in dumped["seconds"]:
        record.seconds[second].update({what: load_histogram(histogram) for what, histogram in times.items()})
    record.counts.update(dumped["counts"])
    for second, counts in dumped["count_seconds"]:
        record.count_seconds[second].update(counts)
    record.closes.update(dumped["closes"])
    record.errors.update(dumped["errors"])
    return record


class Recorder:
    """Fills a record from events. On a master it also has what its workers report."""

    def __init__(self) -> None:
        self.record = Record()
        self._offset_s = time.time() - monotonic()

    def listen(self, events: Any, ws_events: Any) -> None:
        """Begins to listen to Locust's events and those of WebSocketUser."""
        events.request.add_listener(self.on_request)
        events.report_to_master.add_listener(self.on_report_to_master)
        events.worker_report.add_listener(self.on_worker_report)
        ws_events.opened.add_listener(self.on_opened)
        ws_events.sent.add_listener(self.on_sent)
        ws_events.closed.add_listener(self.on_closed)
        ws_events.cut_off.add_listener(self.on_cut_off)

    def clear(self) -> None:
        """Forgets all, as at the start of the next run in the web UI."""
        self.record = Record()

    def second(self, moment_s: float | None = None) -> int:
        """The second of the wall clock in which a moment of the monotonic clock was; by default now."""
        return int((monotonic() if moment_s is None else moment_s) + self._offset_s)

    def on_request(self, request_type: str, response_time: float, exception: Exception | None, context: dict[str, Any], **_: object) -> None:
        """A latency or a fault."""
        if request_type != "WS":
            return
        what = context["what"]
        if exception is not None:
            self.record.add_count("connect_failed" if what == "connect" else what, self.second())
            if context["is_error"] and what not in FAULTS:
                self._add_error(f"{what}: {exception}" if what == "connect" else what)
            return
        self.record.add_time(what, response_time / 1000, self.second(context["due_s"]))
        if what in {"round_trip", "delivery", "slow_delivery"}:
            self.record.add_count("received", self.second())

    def on_opened(self, **_: object) -> None:
        """A connection is open."""
        self.record.add_count("opened", self.second())

    def on_sent(self, due_s: float, late_s: float, **_: object) -> None:
        """A message was sent."""
        self.record.add_count("sent", self.second())
        self.record.add_time("late", late_s, self.second(due_s))

    def on_closed(self, cause: str, is_error: bool, **_: object) -> None:
        """A connection ended."""
        self.record.closes[cause] += 1
        self.record.add_count("closed", self.second())
        if is_error:
            self._add_error(f"closed: {cause}")

    def on_cut_off(self, count: int, is_error: bool, **_: object) -> None:
        """Messages had no answer when their connection was closed."""
        self.record.add_count("cut_off", self.second(), count)
        if is_error:
            self._add_error("cut off: unanswered when the connection was closed", count)

    def _add_error(self, text: str, count: int = 1) -> None:
        self.record.add_count("errors", self.second(), count)
        self.record.errors[text] += count

    def on_report_to_master(self, data: dict[str, Any], **_: object) -> None:
        """A worker tells what it saw since it told last."""
        record, self.record = self.record, Record()
        data["wsrouter_load"] = record.dump()

    def on_worker_report(self, data: dict[str, Any], **_: object) -> None:
        """A master hears of it."""
        if "wsrouter_load" in data:
            self.record.merge(load_record(data["wsrouter_load"]))
