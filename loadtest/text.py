"""The figures of a run as text: a live line, a table, the checks."""

from __future__ import annotations

from collections.abc import Sequence

from loadtest.recorder import FAULTS, Record
from loadtest.verdict import Check

TITLES = {
    "connect": "connect",
    "round_trip": "round trip",
    "delivery": "delivery",
    "slow_delivery": "delivery, slow readers",
    "return": "back after a loss",
    "late": "sent late (generator)",
}
"""The latencies in the order of a table."""

PERCENTILES = (50.0, 90.0, 99.0, 99.9, 100.0)
MARKS = {True: "ok", False: "MISSED", None: "-"}


def format_ms(value_ms: float | None) -> str:
    """Milliseconds with three digits, as a table has them: `0.213`, `12.4`, `2010`."""
    if value_ms is None:
        return "-"
    return f"{value_ms:.0f}" if value_ms >= 100 else f"{value_ms:.1f}" if value_ms >= 10 else f"{value_ms:.2f}" if value_ms >= 1 else f"{value_ms:.3f}"


def name_percentile(percent: float) -> str:
    """`p99.9`; the highest is `max`."""
    return "max" if percent == 100 else f"p{percent:g}"


def list_times(record: Record) -> list[tuple[str, list[str]]]:
    """The rows of the table of latencies: a title, then the count, the percentiles and the mean."""
    rows = []
    for what, title in TITLES.items():
        histogram = record.times.get(what)
        if histogram is not None and histogram.count:
            rows.append(
                (title, [f"{histogram.count:,}", *(format_ms(histogram.percentile_ms(percent)) for percent in PERCENTILES), format_ms(histogram.mean_ms())])
            )
    return rows


def list_counts(record: Record, seconds: float) -> list[tuple[str, str]]:
    """The counts that are worth a line."""
    counts = record.counts
    rate = f" ({counts['sent'] / seconds:,.0f}/s)" if seconds else ""
    received = f" ({counts['received'] / seconds:,.0f}/s)" if seconds else ""
    rows = [("sent", f"{counts['sent']:,}{rate}"), ("received", f"{counts['received']:,}{received}")]
    rows += [(what.replace("_", " "), f"{counts[what]:,}") for what in FAULTS]
    rows += [("errors", f"{counts['errors']:,}"), ("connections opened", f"{counts['opened']:,}")]
    rows += [
        (text, f"{counts[what]:,}")
        for what, text in (("connect_failed", "connections that failed"), ("cut_off", "messages cut off by a close"))
        if counts[what]
    ]
    return rows


def format_record(record: Record, seconds: float) -> list[str]:
    """The table of latencies, the counts, and why connections ended."""
    head = ["count", *map(name_percentile, PERCENTILES), "mean"]
    lines = [f"{'milliseconds':<24}" + "".join(f"{word:>10}" for word in head)]
    lines += [f"{title:<24}" + "".join(f"{cell:>10}" for cell in cells) for title, cells in list_times(record)]
    lines += ["", *(f"{name:<30}{value}" for name, value in list_counts(record, seconds))]
    lines += [f"{'closed':<30}{count:,} x {cause}" for cause, count in sorted(record.closes.items())]
    lines += [f"{'error':<30}{count:,} x {text}" for text, count in sorted(record.errors.items())]
    return lines


def format_checks(checks: Sequence[Check]) -> list[str]:
    """A line for each check."""
    return ["", *(f"{MARKS[check.is_met]:<8}{check.text}   {check.value}" for check in checks)] if checks else []


def format_live(record: Record, elapsed_s: float, second: int) -> str:
    """One line about a second."""
    counts, times = record.count_seconds.get(second, {}), record.seconds.get(second, {})
    latency = next((times[what] for what in ("round_trip", "delivery") if what in times), None)
    parts = [
        f"{elapsed_s:6.0f} s",
        f"{record.counts['opened'] - record.counts['closed']:6,} open",
        f"{counts.get('sent', 0):7,} sent",
        f"{counts.get('received', 0):7,} received",
    ]
    if latency is not None:
        parts.append(f"p99 {format_ms(latency.percentile_ms(99))} ms")
    bad = sum(record.counts[what] for what in FAULTS)
    return "  ".join([*parts, *([f"{bad} lost or wrong"] if bad else []), *([f"{record.counts['errors']} errors"] if record.counts["errors"] else [])])
