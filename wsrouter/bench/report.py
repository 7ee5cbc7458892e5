"""The figures of a run as text: the live line, the table, the histogram, the warnings. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsrouter.bench.figures import PERCENTILES

if TYPE_CHECKING:
    from wsrouter.bench.figures import Figures
    from wsrouter.bench.histogram import Histogram
    from wsrouter.bench.plan import Plan

ROWS = 12
BAR = 40


def format_ns(value_ns: float) -> str:
    """A time with three digits: `95.3 µs`, `1.20 ms`, `2.01 s`."""
    for unit, factor in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if value_ns >= factor * 0.9995:
            value = value_ns / factor
            return f"{value:.{max(0, 3 - len(str(int(value))))}f} {unit}"
    return f"{value_ns:.0f} ns"


def format_plan(plan: Plan) -> str:
    """What is done, and from when latency counts: two lines."""
    what = f"{len(plan.script)} lines of a script" if plan.script else f"{plan.size_bytes} bytes"
    who = f"{plan.connections:,} connection{'s' * (plan.connections > 1)}" + (f", {plan.senders} of them publish" if plan.senders else "")
    if plan.rate is not None:
        how = f"open loop, {plan.rate:,g} messages/s on a schedule: latency counts from when a message was due"
    else:
        again = "when all have received" if plan.senders else "when it is answered"
        how = f"closed loop, {plan.window} in flight: each {'publisher' if plan.senders else 'connection'} sends again {again}; latency counts from sending"
    return f"{plan.target.url}: {who}, {what}\n{how}"


def format_live(plan: Plan, figures: Figures, is_open: int, seconds: float, per_s: float) -> str:
    """One line while it runs."""
    if not seconds:
        return f"opening: {is_open} of {plan.connections} connections, {figures.errors.total()} errors"
    latency = figures.latency
    times = f"p50 {format_ns(latency.percentile_ns(50))}, p99 {format_ns(latency.percentile_ns(99))}, max {format_ns(latency.max_ns)}" if latency.count else ""
    return f"{seconds:.0f} s of {plan.time_s:g} s: {is_open} open, {per_s:,.0f} messages/s, {times}, {figures.errors.total()} errors"


def format_report(plan: Plan, figures: Figures) -> str:
    """Everything, as it is printed at the end."""
    parts = [format_plan(plan), *([_table(figures), _counts(figures)] if figures.connect.count else ())]
    if figures.errors:
        parts.append("\n".join(["errors", *(f"  {count:>7,}  {name}" for name, count in figures.errors.most_common())]))
    if figures.latency.count:
        parts.append(_picture(figures.latency, figures.subject.replace("_", " ")))
    return "\n\n".join(parts)


def warnings(plan: Plan, figures: Figures) -> list[str]:
    """What makes the figures say something else than they seem to: a line each."""
    lines = []
    if figures.is_interrupted:
        lines.append(f"interrupted after {figures.time_s:.1f} s of {plan.time_s:g} s")
    if figures.is_busy:
        lines.append(f"warning: the generator took {figures.cpu:.0%} of a core: it was the bottleneck, the server may be faster than this")
    if figures.late * 1000 >= figures.sent + figures.unsent > 0:  # it shows in p99.9
        lines.append(
            f"warning: the generator fell behind its schedule: it came to {figures.late:,} of {figures.sent + figures.unsent:,} messages "
            f"over 1 ms late, {format_ns(figures.latest_s * 1e9)} at the worst; latency counts from when they were due"
        )
    if figures.unsent:
        lines.append(f"warning: {figures.unsent:,} messages were due and never sent: their connections had ended, or took no more")
    if figures.unexpected and not figures.received and not plan.script:
        lines.append("warning: what comes is not what was sent; if this route answers with something else, send it lines with --script")
    return lines


def _table(figures: Figures) -> str:
    header = ["", "count", "mean", *(f"p{percent:g}" for percent in PERCENTILES), "max"]
    rows = [header, _row("connect", figures.connect), _row(figures.subject.replace("_", " "), figures.latency)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]) for row in rows)


def _row(name: str, histogram: Histogram) -> list[str]:
    if not histogram.count:
        return [name, "0", *["-"] * (len(PERCENTILES) + 2)]
    percentiles = [format_ns(histogram.percentile_ns(percent)) for percent in PERCENTILES]
    return [name, f"{histogram.count:,}", format_ns(histogram.mean_ns()), *percentiles, format_ns(histogram.max_ns)]


def _counts(figures: Figures) -> str:
    counts = ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in figures.counts().items())
    return (
        f"messages  sent {figures.sent:,}, received {figures.received:,}: {figures.per_s:,.0f} messages/s for {figures.time_s:.2f} s\n"
        f"problems  {counts}\n"
        f"generator {figures.cpu:.0%} of a core"
    )


def _picture(histogram: Histogram, name: str) -> str:
    """The histogram: a row for each part of the range, logarithmic, a bar as long as its share of the fullest."""
    parts = histogram.parts(ROWS)
    most = max(count for _, _, count in parts)
    lines = [f"{format_ns(low):>8} - {format_ns(high):>8}  {count:>11,}  {'#' * -(-count * BAR // most)}".rstrip() for low, high, count in parts]
    return "\n".join([name, *lines])
