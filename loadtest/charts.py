"""Curves as SVG: panels below each other on one time axis. Pure; colours are CSS variables, so that a page decides on light and dark."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Value = float | None

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 960, 64, 26, 10, 22
PLOT = WIDTH - LEFT - RIGHT
HEIGHT = 132
"""Of the plot of a panel, without its axis."""


@dataclass(frozen=True, slots=True)
class Series:
    """A curve: its name, a colour (`1` to `4`, `p50`, `p99`, `max`, `bad`), and a value for each time of its panel; None is a gap."""

    name: str
    colour: str
    values: Sequence[Value]


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves that share a unit, each value at one of `times_s`, seconds from the start."""

    title: str
    unit: str
    times_s: Sequence[float]
    series: Sequence[Series]
    is_log: bool = False
    is_filled: bool = False


def nice_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers from `low` to at least `high`, about `count` steps."""
    raw = max(high - low, 1e-9) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first = math.floor(low / step)
    return [step * number for number in range(first, math.ceil(high / step - 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten from below `low` to above `high`."""
    return [10.0**power for power in range(math.floor(math.log10(low)), max(math.ceil(math.log10(high)), math.floor(math.log10(low)) + 1) + 1)]


def time_ticks(time_s: float) -> list[float]:
    """About ten times that people like, in seconds."""
    step = next((step for step in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400) if time_s / step <= 12), 86400)
    return [float(step * number) for number in range(int(time_s // step) + 1)]


def format_time(seconds: float) -> str:
    """`45`, and `1:30` from a minute on."""
    return f"{seconds:.0f} s" if seconds < 60 else f"{int(seconds // 60)}:{int(seconds % 60):02}"


def format_number(value: float) -> str:
    """A value of an axis: `0.1`, `250`, `1,500`, `20k`."""
    if abs(value) >= 10000:
        return f"{value / 1000:,.4g}k"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


class Scale:
    """The vertical axis of a panel."""

    def __init__(self, panel: Panel) -> None:
        values = [value for series in panel.series for value in series.values if value is not None]
        positive = [value for value in values if value > 0]
        self._is_log = panel.is_log and bool(positive)
        if self._is_log:
            self.ticks = log_ticks(min(positive), max(positive))
        else:
            self.ticks = nice_ticks(*self._bounds(values, panel))
        self._low, self._high = self._place(self.ticks[0]), self._place(self.ticks[-1])

    def y(self, value: float) -> float:
        """Where a value is."""
        share = (self._place(value) - self._low) / (self._high - self._low)
        return TOP + HEIGHT * (1 - min(1.0, max(0.0, share)))

    def _place(self, value: float) -> float:
        return math.log10(max(value, self.ticks[0])) if self._is_log else value

    @staticmethod
    def _bounds(values: Sequence[float], panel: Panel) -> tuple[float, float]:
        low, high = min(values, default=0.0), max(values, default=1.0)
        if panel.unit == "MiB" and low > 0:  # growth is what is looked for, and would be a flat line from zero
            margin = max(1.0, (high - low) * 0.25)
            return max(0.0, low - margin), high + margin
        return 0.0, max(high, 1.0)


def draw(panel: Panel, time_s: float, marks: Sequence[tuple[float, str]]) -> str:
    """A panel as an `<svg>`."""
    scale = Scale(panel)
    parts = [f'<svg viewBox="0 0 {WIDTH} {TOP + HEIGHT + BOTTOM}" role="img" aria-label="{html.escape(panel.title)}">']
    for tick in scale.ticks:
        y = scale.y(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{format_number(tick)}</text>')
    ticks = [(x_of(tick, time_s), format_time(tick)) for tick in time_ticks(time_s)]
    parts += [f'<text class="tick" x="{x:.1f}" y="{TOP + HEIGHT + 16}" text-anchor="middle">{text}</text>' for x, text in ticks]
    places = [x_of(at_s, time_s) for at_s, _ in marks]
    parts += [f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{TOP + HEIGHT}"/>' for x in places]
    for series in panel.series:
        parts += draw_series(panel, series, scale, time_s)
    parts.append(f'<line class="cross" x1="0" x2="0" y1="{TOP}" y2="{TOP + HEIGHT}" visibility="hidden"/></svg>')
    return "".join(parts)


def x_of(at_s: float, time_s: float) -> float:
    """Where a moment is."""
    return LEFT + PLOT * min(1.0, max(0.0, at_s / time_s))


def draw_series(panel: Panel, series: Series, scale: Scale, time_s: float) -> Iterator[str]:
    """The pieces of a curve; a value alone is a dot."""
    for piece in split_at_gaps(panel.times_s, series.values):
        points = [(x_of(at_s, time_s), scale.y(value)) for at_s, value in piece]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        if len(points) == 1:
            yield f'<circle class="dot c-{series.colour}" cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="2.5"/>'
            continue
        if panel.is_filled:
            yield f'<polygon class="area c-{series.colour}" points="{points[0][0]:.1f},{TOP + HEIGHT} {line} {points[-1][0]:.1f},{TOP + HEIGHT}"/>'
        yield f'<polyline class="line c-{series.colour}" points="{line}"/>'


def split_at_gaps(times_s: Sequence[float], values: Sequence[Value]) -> Iterator[list[tuple[float, float]]]:
    """Runs of values between gaps."""
    piece: list[tuple[float, float]] = []
    for at_s, value in zip(times_s, values, strict=True):
        if value is not None:
            piece.append((at_s, value))
        elif piece:
            yield piece
            piece = []
    if piece:
        yield piece
