"""Thresholds of a load run, as a command line or a file gives them: `p99 delivery < 50ms, lost = 0`.

    thresholds ::= threshold ("," threshold)*
    threshold  ::= statistic [subject] operator time | count operator number
    statistic  ::= "p50" to "p99.999" | "max" | "mean"
    subject    ::= "connect" | "round_trip" | "delivery"
    count      ::= "lost" | "duplicated" | "out_of_order" | "errors" | "messages/s"
    operator   ::= "<" | "<=" | "=" | ">=" | ">"

Pure: what was measured is handed in. `wsrouter bench --fail` and the load lab share it.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from wsrouter.config.units import format_duration, parse_duration

SUBJECTS: Final = ("connect", "round_trip", "delivery")
"""What takes a time: to open a connection; from a message to its answer; from a publication to one who receives it."""

COUNTS: Final = ("lost", "duplicated", "out_of_order", "errors", "messages/s")
"""What is a number."""

_COMPARE: Final = {"<": operator.lt, "<=": operator.le, "=": operator.eq, "==": operator.eq, ">=": operator.ge, ">": operator.gt}
_THRESHOLD: Final = re.compile(r"\s*([A-Za-z_/]+[0-9.]*)(?:\s+([A-Za-z_]+))?\s*(<=|>=|==|<|>|=)\s*(\S+)\s*", re.ASCII)
_PERCENTILE: Final = re.compile(r"p(\d{1,2}(?:\.\d{1,3})?)", re.ASCII)
_NUMBER: Final = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(?:/s)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Threshold:
    """One condition on what was measured."""

    measure: str
    """A statistic (`p99.9`, `max`, `mean`), or a count (`lost`, `messages/s`)."""
    subject: str | None
    """What a statistic is of, one of SUBJECTS; None for a count."""
    operator: str
    limit: float
    """Seconds for a statistic, else a number."""

    def __str__(self) -> str:
        limit = self._format(self.limit)
        return f"{self.measure} {self.subject} {self.operator} {limit}" if self.subject else f"{self.measure} {self.operator} {limit}"

    @property
    def percentile(self) -> float | None:
        """99.9 for `p99.9`; None for what is no percentile."""
        return float(self.measure[1:]) if _PERCENTILE.fullmatch(self.measure) else None

    def is_met(self, value: float) -> bool:
        """Whether a measured value, in the unit of `limit`, is within it."""
        return bool(_COMPARE[self.operator](value, self.limit))

    def describe_miss(self, value: float | None) -> str | None:
        """One line if the value is beyond the limit, or if nothing was measured (None); None if the threshold is met."""
        if value is None:
            return f"missed: {self}, but there was none to measure"
        return None if self.is_met(value) else f"missed: {self}, but it was {self._format(value)}"

    def _format(self, value: float) -> str:
        if self.subject is None:
            return f"{value:.12g}"
        return format_duration(float(f"{value:.6g}"))  # no more digits than a measurement has


def parse_thresholds(text: str, subject: str = "round_trip") -> tuple[Threshold, ...]:
    """The thresholds of a text, separated by commas; a statistic without a subject is of `subject`.

    Raises:
        ValueError: for one that is none, with the value and what is allowed.
    """
    return tuple(_parse(part, subject) for part in text.split(","))


def find_missed(thresholds: Iterable[Threshold], measured: Callable[[Threshold], float | None]) -> list[str]:
    """One line for each threshold that is missed. `measured` gives the value of one: seconds or a number, None where there is none."""
    return [line for threshold in thresholds if (line := threshold.describe_miss(measured(threshold))) is not None]


def _parse(text: str, subject: str) -> Threshold:
    match = _THRESHOLD.fullmatch(text)
    if match is None:
        raise ValueError(f"{text.strip()!r} is not a threshold: write p99 < 50ms, max connect <= 1s or lost = 0")
    measure, named, compare, limit = match.groups()
    if measure in COUNTS:
        if named is not None:
            raise ValueError(f"{text.strip()!r}: {measure} is a number, and of nothing: write {measure} {compare} {limit}")
        return Threshold(measure, None, compare, _parse_number(limit, text))
    if measure not in {"max", "mean"} and not _is_percentile(measure):
        raise ValueError(f"{text.strip()!r}: there is no {measure}; times are p50 to p99.999, max and mean, numbers are {', '.join(COUNTS)}")
    if named is not None and named not in SUBJECTS:
        raise ValueError(f"{text.strip()!r}: there is no {measure} of {named}; there is {measure} of {', '.join(SUBJECTS)}")
    return Threshold(measure, named or subject, compare, _parse_time(limit, text))


def _is_percentile(measure: str) -> bool:
    match = _PERCENTILE.fullmatch(measure)
    return match is not None and float(match[1]) > 0


def _parse_time(limit: str, text: str) -> float:
    try:
        return parse_duration(limit)
    except ValueError as error:
        raise ValueError(f"{text.strip()!r}: {error}") from None


def _parse_number(limit: str, text: str) -> float:
    match = _NUMBER.fullmatch(limit)
    if match is None:
        raise ValueError(f"{text.strip()!r}: {limit} is not a number: write 0 or 100000")
    return float(match[1])
