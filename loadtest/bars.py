"""Bars side by side as an SVG file of its own, readable in light and dark. Pure."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.charts import format_number, nice_ticks

WIDTH, LEFT, RIGHT, TOP, ROW, BOTTOM = 720, 110, 70, 34, 26, 40

STYLE = """
text{font:13px system-ui,sans-serif;fill:#3d4451}.title,.own-name{font-weight:600;fill:#14181f}.grid{stroke:#dfe3e8}
.other{fill:#9aa7b8}.own{fill:#1463b8}.cut{stroke:#fff;stroke-width:3}.spread{stroke:#14181f;stroke-width:1.5}
@media(prefers-color-scheme:dark){text{fill:#aab3c0}.title,.own-name{fill:#e8ecf2}.grid{stroke:#303844}
.cut{stroke:#0d1117}.other{fill:#5b6676}.own{fill:#6cb2ff}.spread{stroke:#e8ecf2}}
""".replace("\n", "")


@dataclass(frozen=True, slots=True)
class Bar:
    """A value, and between which values it lay. `is_own` is drawn in another colour."""

    name: str
    value: float
    low: float
    high: float
    is_own: bool = False


def draw(title: str, unit: str, bars: Sequence[Bar]) -> str:
    """The file: a bar below the other, the least first, on an axis from zero."""
    height = TOP + ROW * len(bars) + BOTTOM
    ticks = nice_ticks(0.0, max(bar.high for bar in bars[: shown_whole(bars)]))

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(1.0, value / ticks[-1])

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{html.escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<text class="title" x="12" y="18">{html.escape(title)}</text>',
    ]
    for tick in ticks:
        parts.append(f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP}" y2="{height - BOTTOM}"/>')
        parts.append(f'<text x="{x(tick):.1f}" y="{height - BOTTOM + 16}" text-anchor="middle">{format_number(tick)}</text>')
    parts.append(f'<text x="{x(ticks[-1] / 2):.1f}" y="{height - 6}" text-anchor="middle">{html.escape(unit)}</text>')
    for number, bar in enumerate(bars):
        middle = TOP + ROW * number + ROW / 2
        parts += _bar(bar, middle, x(bar.value), x(bar.low), x(bar.high))
        if number >= shown_whole(bars):
            parts.append(f'<path class="cut" d="M{WIDTH - RIGHT - 12} {middle + 10:.1f}l6 -20"/>')
    return "\n".join([*parts, "</svg>\n"])


def shown_whole(bars: Sequence[Bar]) -> int:
    """How many of the bars, which grow, the axis is for: one that is over twice the one before it would press the others to the edge, and is cut."""
    last = len(bars) - 1
    return last if last > 1 and bars[last].value > 2 * bars[last - 1].high else last + 1


def _bar(bar: Bar, middle: float, end: float, low: float, high: float) -> list[str]:
    """One of them, its name on the left, its value on the right, a line across its end from least to most."""
    name = f'<text class="{"own-name" if bar.is_own else "name"}" x="{LEFT - 8}" y="{middle + 4:.1f}" text-anchor="end">{html.escape(bar.name)}</text>'
    return [
        name,
        f'<rect class="{"own" if bar.is_own else "other"}" x="{LEFT}" y="{middle - 8:.1f}" width="{max(1.0, end - LEFT):.1f}" height="16"/>',
        f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="{middle:.1f}" y2="{middle:.1f}"/>',
        f'<text x="{max(end, high) + 6:.1f}" y="{middle + 4:.1f}">{digits(bar.value)}</text>',
    ]


def digits(value: float) -> str:
    """Three digits that count: `0.212`, `5.65`, `147`, `1,380`."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 99.95 else f"{value:.3g}"
