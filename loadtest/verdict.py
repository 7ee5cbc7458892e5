"""Whether a run was good: thresholds, and what must hold of the server's process. Pure.

Thresholds are those of wsrouter/bench/threshold.py, the same as for `wsrouter bench`: `p99 delivery < 50ms, lost = 0`.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest.recorder import Record
from wsrouter.bench.threshold import Threshold, parse_thresholds

MISSED_EXIT = 3
"""The exit status of a run that missed a threshold."""
SETTLED_S = 300.0
"""Memory is judged from here on: by then caches are warm and the allocator has what it needs."""
MOST_GROWTH_MIB = 1.0
"""In ten minutes."""
JUDGED_S = 600.0
"""Growth of less than this time, after SETTLED_S at the latest, says nothing: memory comes by the page and the arena."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was asked of a run."""

    text: str
    value: str
    is_met: bool | None
    """None where it could not be judged."""


def read_thresholds(texts: Sequence[str], file: str | None = None) -> tuple[Threshold, ...]:
    """Those of the command line and of a file, where # begins a comment. A statistic without a subject is of round trips.

    Raises:
        ValueError: for one that is none, with the file and the line where it is in one.
        OSError: if the file cannot be read.
    """
    found = [threshold for text in texts for threshold in parse_thresholds(text)]
    for number, line in enumerate(Path(file).read_text("utf-8").splitlines() if file else (), 1):
        text = line.partition("#")[0].strip().rstrip(",")
        try:
            found += parse_thresholds(text) if text else ()
        except ValueError as error:
            raise ValueError(f"{file}:{number}: {error}") from None
    return tuple(dict.fromkeys(found))


def measure(record: Record, threshold: Threshold, seconds: float) -> float | None:
    """What a threshold is about: seconds for a time, else a number. None where there was none."""
    if threshold.subject is None:
        if threshold.measure == "messages/s":
            return (record.counts["sent"] + record.counts["received"]) / seconds if seconds else None
        return float(record.counts[threshold.measure])
    histogram = record.times.get(threshold.subject)
    if histogram is None or not histogram.count:
        return None
    percent = 100.0 if threshold.measure == "max" else threshold.percentile
    value_ms = histogram.mean_ms() if percent is None else histogram.percentile_ms(percent)
    return None if value_ms is None else value_ms / 1000


def judge(record: Record, thresholds: Sequence[Threshold], seconds: float) -> list[Check]:
    """Each threshold as a check."""
    checks = []
    for threshold in thresholds:
        value = measure(record, threshold, seconds)
        checks.append(Check(str(threshold), format_value(threshold, value), value is not None and threshold.is_met(value)))
    return checks


def format_value(threshold: Threshold, value: float | None) -> str:
    """A measured value as text."""
    if value is None:
        return "nothing to measure"
    return f"{value:,.0f}" if threshold.subject is None else f"{value * 1000:.3g} ms"


def judge_memory(moments_s: Sequence[float], memory_bytes: Sequence[float]) -> Check:
    """Whether memory grows, by the line through what was sampled after the fifth minute; moments count from the start."""
    text = f"memory grows less than {MOST_GROWTH_MIB:g} MiB in 10 minutes, after the fifth"
    rows = [(moment, memory) for moment, memory in zip(moments_s, memory_bytes, strict=True) if moment >= SETTLED_S]
    if not rows or moments_s[-1] < JUDGED_S:
        return Check(text, f"not judged: the run takes less than {JUDGED_S / 60:g} minutes", None)
    slope = statistics.linear_regression(*zip(*rows, strict=True)).slope
    growth_mib = slope * 600 / 2**20
    return Check(text, f"{growth_mib:+.2f} MiB", growth_mib < MOST_GROWTH_MIB)
