"""Latencies counted in buckets: merged by adding, exact to 0.8 %, with the true maximum.

A list of every value does not travel from workers to a master, and a mean of percentiles is none. Buckets are as in HdrHistogram: 128 for
each doubling, so that a bucket is never wider than 1/128 of what it holds. Values are microseconds, whole ones.
"""

from __future__ import annotations

from collections.abc import Iterable

FINE = 128
FINE_BITS = 7


def bucket_of(value_us: int) -> int:
    """The number of the bucket that holds a value; larger values are in higher ones."""
    if value_us < FINE:
        return value_us
    shift = value_us.bit_length() - FINE_BITS - 1
    return (shift << FINE_BITS) + (value_us >> shift)


def middle_of(bucket: int) -> float:
    """The middle of what a bucket holds, in microseconds."""
    if bucket < 2 * FINE:
        return float(bucket)
    shift = (bucket >> FINE_BITS) - 1
    low = (bucket - (shift << FINE_BITS)) << shift
    return low + ((1 << shift) - 1) / 2


class Histogram:
    """How often which latency was seen."""

    __slots__ = ("buckets", "count", "max_us", "sum_us")

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.count = 0
        self.sum_us = 0
        self.max_us = 0

    def add(self, seconds: float) -> None:
        """One latency; what is below zero, as clocks may say, counts as zero."""
        value_us = max(0, round(seconds * 1e6))
        bucket = bucket_of(value_us)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1
        self.count += 1
        self.sum_us += value_us
        self.max_us = max(self.max_us, value_us)

    def merge(self, other: Histogram) -> None:
        """Adds what another one holds."""
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count
        self.count += other.count
        self.sum_us += other.sum_us
        self.max_us = max(self.max_us, other.max_us)

    def percentile_ms(self, percent: float) -> float | None:
        """The latency that so many percent did not pass, in milliseconds; 100 is the true maximum. None without any."""
        if not self.count:
            return None
        if percent >= 100:
            return self.max_us / 1000
        wanted = self.count * percent / 100
        for bucket in sorted(self.buckets):
            wanted -= self.buckets[bucket]
            if wanted <= 0:
                break
        return min(middle_of(bucket), self.max_us) / 1000

    def mean_ms(self) -> float | None:
        """The mean in milliseconds; None without any."""
        return self.sum_us / self.count / 1000 if self.count else None

    def dump(self) -> list[object]:
        """As lists of numbers, for a message between processes."""
        return [self.count, self.sum_us, self.max_us, list(self.buckets), list(self.buckets.values())]


def load_histogram(dumped: list[object]) -> Histogram:
    """The histogram of a dump."""
    histogram = Histogram()
    histogram.count, histogram.sum_us, histogram.max_us, keys, counts = dumped  # type: ignore[assignment]
    assert isinstance(keys, Iterable)
    assert isinstance(counts, Iterable)
    histogram.buckets = dict(zip(keys, counts, strict=True))
    return histogram
