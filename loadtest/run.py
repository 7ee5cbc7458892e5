"""A run that is over: what was asked, what came of it, and the curves that tell of it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from loadtest.charts import Panel, Series, Value
from loadtest.histogram import Histogram
from loadtest.recorder import FAULTS, Record
from loadtest.sampler import Sample
from loadtest.verdict import Check

MIB = 2**20


@dataclass(slots=True)
class Run:
    """All that a report tells."""

    scenario: str
    text: str
    facts: list[tuple[str, str]]
    """What it ran on and with: command, users, server, machine."""
    begun_at: float
    """The wall clock, in seconds."""
    seconds: float
    record: Record
    samples: Sequence[Sample]
    checks: list[Check]
    marks: list[tuple[float, str]] = field(default_factory=list)
    """Moments of the wall clock at which something was done to the server."""
    log_closes: Counter[str] = field(default_factory=Counter)
    """Why connections ended by the log of the daemon, where it is ours: a slow reader sees the close long after."""

    @property
    def is_good(self) -> bool:
        """Whether nothing was missed."""
        return all(check.is_met is not False for check in self.checks)

    @property
    def time_s(self) -> float:
        """How long the time axis is: until the last thing that happened."""
        last = max([self.begun_at + self.seconds, *(sample.at_s for sample in self.samples), *self.record.count_seconds])
        return max(1.0, last - self.begun_at)

    @property
    def main_time(self) -> str | None:
        """The latency that a reader looks at first."""
        return next((what for what in ("round_trip", "delivery", "connect") if what in self.record.times), None)


def panels(run: Run) -> list[Panel]:
    """The curves, those of the clients first."""
    return [*client_panels(run), *server_panels(run)]


def client_panels(run: Run) -> list[Panel]:
    """What clients saw, for each second."""
    record = run.record
    first = int(run.begun_at)
    seconds = list(range(first, int(run.begun_at + run.time_s) + 1))
    times_s = [max(0.0, second + 0.5 - run.begun_at) for second in seconds]

    def counted(what: str) -> list[Value]:
        return [float(record.count_seconds[second][what]) if second in record.count_seconds else 0.0 for second in seconds]

    def until_end(values: list[Value]) -> list[Value]:
        """Afterwards all are closed, which is no part of the run."""
        return [value if at_s <= run.seconds else None for at_s, value in zip(times_s, values, strict=True)]

    def whole(what: str) -> list[Value]:
        """A second that is not whole would look like a dip."""
        return [value if run.begun_at <= second <= run.begun_at + run.seconds - 1 else None for second, value in zip(seconds, counted(what), strict=True)]

    found = [Panel("Connections open", "", times_s, [Series("open", "1", until_end(open_connections(counted("opened"), counted("closed"))))], is_filled=True)]
    if record.counts["sent"] or record.counts["received"]:
        found.append(
            Panel(
                "Messages in a second",
                "/s",
                times_s,
                [Series(what, colour, whole(what)) for what, colour in (("sent", "1"), ("received", "2")) if record.counts[what]],
            )
        )
    for what, title in (("round_trip", "Round trip"), ("delivery", "Delivery"), ("connect", "Time to connect"), ("return", "Back after a loss")):
        if what in record.times and (what in {"round_trip", "delivery"} or sum(what in times for times in record.seconds.values()) > 2):
            found.append(
                Panel(
                    f"{title}, from when it was due" if what in {"round_trip", "delivery"} else title,
                    "ms",
                    times_s,
                    latency_series(record, what, seconds),
                    is_log=True,
                )
            )
    wrong = [
        Series(name.replace("_", " "), colour, counted(name))
        for name, colour in zip((*FAULTS, "errors"), ("bad", "2", "3", "4"), strict=True)
        if record.counts[name]
    ]
    if wrong:
        found.append(Panel("What went wrong, in a second", "", times_s, wrong, is_filled=True))
    return found


def open_connections(opened: Sequence[Value], closed: Sequence[Value]) -> list[Value]:
    """How many are open after each second."""
    total, found = 0.0, list[Value]()
    for more, fewer in zip(opened, closed, strict=True):
        total += (more or 0.0) - (fewer or 0.0)
        found.append(total)
    return found


def latency_series(record: Record, what: str, seconds: Sequence[int]) -> list[Series]:
    """p50, p99 and the maximum of each second."""

    def of(percent: float) -> list[Value]:
        histograms: list[Histogram | None] = [record.seconds[second].get(what) if second in record.seconds else None for second in seconds]
        return [histogram.percentile_ms(percent) if histogram is not None else None for histogram in histograms]

    return [Series("max", "max", of(100)), Series("p99", "p99", of(99)), Series("p50", "p50", of(50))]


def server_panels(run: Run) -> list[Panel]:
    """What the server's process used, sample by sample."""
    samples = [sample for sample in run.samples if sample.at_s >= run.begun_at]
    times_s = [sample.at_s - run.begun_at for sample in samples]

    def sampled(read: Callable[[Sample], Value]) -> list[Value]:
        return [read(sample) for sample in samples]

    found = [
        Panel(
            "Lag of the server's loop: the longest that a ping waited",
            "ms",
            times_s,
            [Series("lag", "1", sampled(lambda one: one.lag_s and one.lag_s * 1000))],
            is_log=True,
        ),
        Panel(
            "CPU, of one core",
            "%",
            times_s,
            [Series("server", "1", sampled(lambda one: one.cpu_percent)), Series("load generator", "3", sampled(lambda one: one.generator_percent))],
        ),
        Panel("Memory of the server", "MiB", times_s, [Series("resident", "1", sampled(lambda one: one.memory_bytes and one.memory_bytes / MIB))]),
        Panel("Files that the server has open", "", times_s, [Series("files", "1", sampled(lambda one: one.fds))], is_filled=True),
    ]
    return [panel for panel in found if any(value is not None for series in panel.series for value in series.values)]
