"""What a load run measured, and how it is judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wsrouter.bench.histogram import Histogram
from wsrouter.bench.threshold import Threshold

PERCENTILES = (50.0, 90.0, 99.0, 99.9)
BUSY = 0.95
"""Of a core: a generator that needs more was the bottleneck itself."""

_MUST_BE_NONE = ("errors", "lost", "duplicated", "out_of_order", "unexpected", "unsent")


@dataclass(slots=True)
class Figures:
    """The figures of a run; times are in ns in the histograms, else in seconds."""

    subject: str
    """What `latency` is of: `round_trip` or `delivery`."""
    connect: Histogram = field(default_factory=Histogram)
    latency: Histogram = field(default_factory=Histogram)
    errors: Counter[str] = field(default_factory=Counter)
    """What went wrong with connections, by name."""
    sent: int = 0
    received: int = 0
    lost: int = 0
    duplicated: int = 0
    out_of_order: int = 0
    unexpected: int = 0
    """Messages that belong to nothing that was sent in this run."""
    unsent: int = 0
    """Messages that were due, and never could be sent."""
    time_s: float = 0.0
    """How long messages were sent."""
    per_s: float = 0.0
    """Messages that came in this time, a second."""
    cpu: float = 0.0
    """What the generator took of a core in this time."""
    late: int = 0
    """Messages that the generator itself came to over a millisecond after they were due."""
    latest_s: float = 0.0
    """The worst of these."""
    is_interrupted: bool = False

    @property
    def is_busy(self) -> bool:
        """Whether the generator was the bottleneck."""
        return self.cpu > BUSY

    def get(self, threshold: Threshold) -> float | None:
        """The value that a threshold is about; None if nothing of the kind was measured."""
        if threshold.subject is None:
            return {**self.counts(), "messages/s": self.per_s}[threshold.measure]
        histogram = {"connect": self.connect, self.subject: self.latency}.get(threshold.subject)
        if histogram is None or not histogram.count:
            return None
        if threshold.percentile is not None:
            return histogram.percentile_ns(threshold.percentile) / 1e9
        return (histogram.max_ns if threshold.measure == "max" else histogram.mean_ns()) / 1e9

    def counts(self) -> dict[str, float]:
        """The numbers that should be 0, by name."""
        return {name: self.errors.total() if name == "errors" else getattr(self, name) for name in _MUST_BE_NONE}

    def is_sound(self, thresholds: Sequence[Threshold] = ()) -> bool:
        """Whether something was measured and nothing went wrong. A count that has a threshold is left to it."""
        judged = {threshold.measure for threshold in thresholds}
        return bool(self.latency.count) and not any(value for name, value in self.counts().items() if name not in judged)

    def as_json(self) -> Mapping[str, object]:
        """Everything, in plain values: times in seconds."""
        return {
            "messages": {"sent": self.sent, "received": self.received, "per_s": round(self.per_s, 3)},
            "time_s": round(self.time_s, 6),
            **{name: value for name, value in self.counts().items() if name != "errors"},
            "errors": dict(self.errors.most_common()),
            "connect": summary(self.connect),
            self.subject: summary(self.latency),
            "generator": {"cpu": round(self.cpu, 4), "late": self.late, "latest_s": round(self.latest_s, 6)},
            "interrupted": self.is_interrupted,
        }


def summary(histogram: Histogram) -> dict[str, float]:
    """How many, and the statistics in seconds; no statistics of nothing."""
    if not histogram.count:
        return {"count": 0}
    percentiles = {f"p{percent:g}_s": round(histogram.percentile_ns(percent) / 1e9, 9) for percent in PERCENTILES}
    return {"count": histogram.count, "mean_s": round(histogram.mean_ns() / 1e9, 9), **percentiles, "max_s": histogram.max_ns / 1e9}
