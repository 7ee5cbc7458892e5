"""What `./dev growth` measured: points with all their samples, and the file that holds them. Pure, but for the file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from loadtest.figures import quartiles
from loadtest.fit import Axes, Fit, fit, straight


@dataclass(frozen=True, slots=True)
class Point:
    """What was measured at one number of subscribers, rooms, bytes: a sample for each slice."""

    x: float
    samples: Sequence[float]

    @property
    def value(self) -> float:
        """Their median."""
        return median(self.samples)

    @property
    def spread(self) -> tuple[float, float]:
        """Between which values their middle half lies."""
        return quartiles(self.samples)


@dataclass(frozen=True, slots=True)
class Series:
    """One curve."""

    points: Sequence[Point]

    @property
    def xs(self) -> list[float]:
        """Where it was measured."""
        return [point.x for point in self.points]

    @property
    def values(self) -> list[float]:
        """The medians."""
        return [point.value for point in self.points]

    @property
    def noise(self) -> float:
        """How far the middle half of the samples reaches from the median, relative: of the points, the median."""
        return median((high - low) / 2 / abs(point.value) for point in self.points for low, high in [point.spread])

    def at(self, x: float) -> float:
        """The median that was measured at `x`."""
        return next(point.value for point in self.points if point.x == x)

    def since(self, x: float) -> Series:
        """Its points from there on."""
        return Series([point for point in self.points if point.x >= x])

    def lowest(self) -> Series:
        """The least sample of each point."""
        return Series([Point(point.x, [min(point.samples)]) for point in self.points])

    def scaled(self) -> Series:
        """What all `x` of a point cost together: of a delivery's cost by members, that of the message."""
        return Series([Point(point.x, [sample * point.x for sample in point.samples]) for point in self.points])

    def fit(self, axes: Axes) -> Fit:
        """The line through its medians, bent where it must be."""
        return fit(self.xs, self.values, axes, self.noise)

    def straight(self) -> Fit:
        """The line through its medians."""
        return straight(self.xs, self.values, "linear")


@dataclass(frozen=True, slots=True)
class Check:
    """A point that no line was fitted to: what was asked of the daemon, and what it took. `cpu` is of a core."""

    connections: int
    rooms: int
    rate: float
    size: int
    cpu: Sequence[float]
    memory_bytes: float
    files: int


@dataclass(frozen=True, slots=True)
class Grown:
    """A run: its series by name, as `subscribers.delivery_us`, and on what it ran."""

    series: Mapping[str, Series]
    checks: Sequence[Check] = ()
    date: str = ""
    command: str = ""
    machine: str = ""
    versions: str = ""
    caches: Mapping[str, int] = field(default_factory=dict)


def load_grown(path: Path) -> Grown:
    """Reads a file that `save_grown` wrote; without one, nothing was measured."""
    if not path.exists():
        return Grown({})
    found = json.loads(path.read_text("utf-8"))
    series = {name: Series([Point(x, samples) for x, samples in points]) for name, points in found.pop("series").items()}
    checks = [Check(**check) for check in found.pop("checks")]
    return Grown(series, checks, **found)


def save_grown(path: Path, grown: Grown) -> None:
    """Writes samples with four digits that count, a point a line, so that a new run is a readable diff."""
    about = {"date": grown.date, "command": grown.command, "machine": grown.machine, "versions": grown.versions, "caches": dict(grown.caches)}
    lines = [f' "{name}": {json.dumps(value)},' for name, value in about.items()]
    lines.append(' "checks": [\n' + ",\n".join(f"  {json.dumps(_rounded(asdict(check)))}" for check in grown.checks) + "\n ],")
    blocks = []
    for name, series in grown.series.items():
        points = ",\n".join(f"   {json.dumps([_digits(point.x), [_digits(sample) for sample in point.samples]])}" for point in series.points)
        blocks.append(f'  "{name}": [\n{points}\n  ]')
    lines.append(' "series": {\n' + ",\n".join(blocks) + "\n }")
    path.write_text("{\n" + "\n".join(lines) + "\n}\n", "utf-8")


def _digits(value: float) -> float:
    short = float(f"{value:.4g}")
    return int(value) if value == int(value) else int(short) if short == int(short) else short


def _rounded(check: dict[str, object]) -> dict[str, object]:
    return check | {"cpu": [_digits(sample) for sample in check["cpu"]]}  # type: ignore[attr-defined] -- it is a sequence of floats
