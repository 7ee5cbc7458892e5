"""The arithmetic and the verdict: from costs of two servers to ratios, and from ratios to what is over (pure, but for the file).

The figure is a cost: CPU microseconds per message that reached clients, or KiB per connection. Only ratios of two servers that
were measured in turn are compared: what a slow machine does to one, it does to the other. What a busy machine does (caches
emptied by a neighbour) only adds, and adds unevenly; so the lower quartile of the costs counts, which it hardly reaches. With a
neighbour that does nothing but empty caches fan-16 was 24 % over by the median of ratios, 13 % by the quartiles.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

TOLERANCE = 0.20
"""How much a ratio may be over the recorded one."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The cost of one message at each server, from two slices that followed each other."""

    wsrouter: float
    websockets: float

    @property
    def ratio(self) -> float:
        """What wsrouter needs of what the other needs."""
        return self.wsrouter / self.websockets


@dataclass(frozen=True, slots=True)
class Result:
    """One workload, measured."""

    name: str
    unit: str
    pairs: tuple[Pair, ...]

    @property
    def ratio(self) -> float:
        """What wsrouter costs of what the other costs, by the lower quartiles."""
        return self.wsrouter / self.websockets

    @property
    def wsrouter(self) -> float:
        """The lower quartile of the costs of wsrouter, in `unit`."""
        return quartiles([pair.wsrouter for pair in self.pairs])[0]

    @property
    def websockets(self) -> float:
        """The lower quartile of the costs of the other, in `unit`."""
        return quartiles([pair.websockets for pair in self.pairs])[0]

    @property
    def spread(self) -> tuple[float, float]:
        """Between which ratios the middle half of the pairs lies: how quiet the machine was."""
        return quartiles([pair.ratio for pair in self.pairs])


@dataclass(frozen=True, slots=True)
class Recorded:
    """The ratios that hold, with when and with what they were measured."""

    ratios: Mapping[str, float]
    date: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    def allowed(self, name: str) -> float | None:
        """The highest ratio that passes; None for a workload that was never recorded."""
        recorded = self.ratios.get(name)
        return recorded * (1 + TOLERANCE) if recorded is not None else None


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """The lower and the upper one of at least one value."""
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = quantiles(values, n=4, method="inclusive")
    return low, high


def cost(gauge_before: float, gauge_after: float, messages: int, unit: str) -> float:
    """What one message cost: microseconds from CPU seconds, KiB from bytes.

    Raises:
        ValueError: if no message came through: nothing was measured.
    """
    if messages <= 0:
        raise ValueError("no message reached a client: there is no cost to tell")
    return (gauge_after - gauge_before) / messages * (1e6 if unit == "us" else 1 / 1024)


def is_over(result: Result, recorded: Recorded) -> bool:
    """Whether it costs more than allowed. One that was never recorded is: nothing says that it is well."""
    allowed = recorded.allowed(result.name)
    return allowed is None or result.ratio > allowed


def complaint(result: Result, recorded: Recorded) -> str:
    """What is to be said of a result that is over, in one line."""
    was = recorded.ratios.get(result.name)
    if was is None:
        return f"{result.name}: no ratio is recorded; measure with ./dev bench --record"
    return f"{result.name}: {result.ratio:.3f} x websockets is {result.ratio / was - 1:.0%} over the recorded {was:.3f}; at most {TOLERANCE:.0%} is allowed"


def improvements(results: Sequence[Result], recorded: Recorded) -> list[str]:
    """Lines for results so far below the recorded ratio that a loss of this gain would pass unseen."""
    found = []
    for result in results:
        was = recorded.ratios.get(result.name)
        if was is not None and result.ratio < was / (1 + TOLERANCE):
            found.append(f"{result.name}: {result.ratio:.3f} is {1 - result.ratio / was:.0%} below the recorded {was:.3f}; keep it with ./dev bench --record")
    return found


def changed_versions(recorded: Recorded, versions: Mapping[str, str]) -> list[str]:
    """What differs from when the ratios were recorded: it may be why they do."""
    return [f"{name} is {now}, recorded with {recorded.versions[name]}" for name, now in versions.items() if recorded.versions.get(name, now) != now]


def table(results: Sequence[Result], recorded: Recorded) -> str:
    """The results as a table of text."""
    lines = [f"{'':10}{'wsrouter':>12}{'websockets':>12}{'':5}{'ratio':>7}{'middle half':>16}{'pairs':>7}{'recorded':>10}"]
    for result in results:
        low, high = result.spread
        was = recorded.ratios.get(result.name)
        lines.append(
            f"{result.name:10}{result.wsrouter:12.2f}{result.websockets:12.2f} {result.unit:4}{result.ratio:7.3f}{f'{low:.3f} - {high:.3f}':>16}"
            f"{len(result.pairs):7}{f'{was:.3f}' if was is not None else '-':>10}"
        )
    return "\n".join(lines)


def load_recorded(path: Path) -> Recorded:
    """Reads a file that `save_recorded` wrote; without one, nothing is recorded."""
    if not path.exists():
        return Recorded({})
    found = json.loads(path.read_text("utf-8"))
    return Recorded(found["ratios"], found["date"], found["versions"])


def save_recorded(path: Path, recorded: Recorded) -> None:
    """Writes ratios with three digits that count: more is noise."""
    ratios = {name: float(f"{ratio:.3g}") for name, ratio in recorded.ratios.items()}
    path.write_text(json.dumps({"date": recorded.date, "versions": dict(recorded.versions), "ratios": ratios}, indent=2) + "\n", "utf-8")
