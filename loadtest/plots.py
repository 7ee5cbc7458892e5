"""A curve with two axes of numbers as an SVG file of its own, readable in light and dark. Pure; the scales of time are in `charts`."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.charts import format_number, log_ticks, nice_ticks

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 34, 44

STYLE = """
text{font:13px system-ui,sans-serif;fill:#3d4451}.title{font-weight:600;fill:#14181f}.grid{stroke:#dfe3e8}
.line{fill:none;stroke-width:1.5;stroke-dasharray:5 4}.bar{stroke-width:1.5}.mark{stroke-dasharray:2 3}
.c1{stroke:#1463b8;fill:#1463b8}.c2{stroke:#b3480a;fill:#b3480a}.line.c1,.line.c2{fill:none}text.c1,text.c2{stroke:none}
@media(prefers-color-scheme:dark){text{fill:#aab3c0}.title{fill:#e8ecf2}.grid{stroke:#303844}
.c1{stroke:#6cb2ff;fill:#6cb2ff}.c2{stroke:#ffa566;fill:#ffa566}.line.c1,.line.c2{fill:none}}
""".replace("\n", "")


@dataclass(frozen=True, slots=True)
class Mark:
    """A measured point, with the middle half of its samples."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Curve:
    """Points with a name, the line that was fitted through them, as it is drawn, and where that bends."""

    name: str
    marks: Sequence[Mark]
    line: Sequence[tuple[float, float]] = ()
    bend: float | None = None


@dataclass(frozen=True, slots=True)
class Plot:
    """Up to two curves on the same axes; `x` is logarithmic, and `y` where it says so."""

    title: str
    x_label: str
    curves: Sequence[Curve]
    is_log: bool = False


class Axes:
    """Where values are."""

    def __init__(self, plot: Plot) -> None:
        marks = [mark for curve in plot.curves for mark in curve.marks]
        xs = [mark.x for mark in marks]
        ys = [value for mark in marks for value in (mark.low, mark.high)]
        self._x0, self._x1 = math.log(min(xs)), math.log(max(xs))
        self._is_log = plot.is_log and min(ys) > 0
        self.ticks = log_ticks(min(ys), max(ys)) if self._is_log else nice_ticks(0.0, max(ys))
        self._y0, self._y1 = self._place(self.ticks[0]), self._place(self.ticks[-1])
        self.x_ticks = sorted(set(xs))

    def x(self, value: float) -> float:
        """From the left."""
        return LEFT + (WIDTH - LEFT - RIGHT) * (math.log(value) - self._x0) / ((self._x1 - self._x0) or 1)

    def y(self, value: float) -> float:
        """From the top; what lies outside is drawn on the edge."""
        share = (self._place(value) - self._y0) / (self._y1 - self._y0)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(1.0, max(0.0, share))

    def _place(self, value: float) -> float:
        return math.log(max(value, 1e-9)) if self._is_log else value


def draw(plot: Plot) -> str:
    """The file."""
    axes = Axes(plot)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(plot.title)}">',
        f"<style>{STYLE}</style>",
        f'<text class="title" x="{LEFT}" y="18">{html.escape(plot.title)}</text>',
    ]
    for tick in axes.ticks:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{axes.y(tick):.1f}" y2="{axes.y(tick):.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{axes.y(tick) + 4:.1f}" text-anchor="end">{format_number(tick)}</text>')
    shown = -math.inf
    for tick in axes.x_ticks:
        if axes.x(tick) - shown >= 44:
            shown = axes.x(tick)
            parts.append(f'<text x="{shown:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick:,.0f}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{html.escape(plot.x_label)}</text>')
    for number, curve in enumerate(plot.curves, 1):
        parts += draw_curve(curve, number, axes)
    return "\n".join([*parts, "</svg>\n"])


def draw_curve(curve: Curve, number: int, axes: Axes) -> list[str]:
    """Its points with their spread, the fitted line dashed, a mark where that bends, its name at its end."""
    parts = []
    if curve.bend is not None:
        parts.append(f'<line class="mark c{number}" x1="{axes.x(curve.bend):.1f}" x2="{axes.x(curve.bend):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
    if curve.line:
        points = " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in curve.line)
        parts.append(f'<polyline class="line c{number}" points="{points}"/>')
    for mark in curve.marks:
        x = axes.x(mark.x)
        parts.append(f'<line class="bar c{number}" x1="{x:.1f}" x2="{x:.1f}" y1="{axes.y(mark.low):.1f}" y2="{axes.y(mark.high):.1f}"/>')
        parts.append(f'<circle class="c{number}" cx="{x:.1f}" cy="{axes.y(mark.y):.1f}" r="3"/>')
    last = curve.marks[-1]
    parts.append(f'<text class="c{number}" x="{axes.x(last.x) + 10:.1f}" y="{axes.y(last.y) + 4:.1f}">{html.escape(curve.name)}</text>')
    return parts
