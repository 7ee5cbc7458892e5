"""Lines through measured points: how steep they are, and where they bend. Pure.

A line is fitted by least squares of *relative* errors: 1 us too much at 5 us is as far off as 10 us at 50. On two logarithmic
axes a slope of 1 is proportion, 0 is none, and -1 a cost that all share.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Axes = Literal["linear", "log"]

# A bend must halve what a straight line leaves, and that must be more than the noise of the points and than what two runs are apart.
EXPLAINED = 0.5
APART = 0.03


@dataclass(frozen=True, slots=True)
class Fit:
    """A line, or two that meet at `bend`; on `log` axes they are straight in the logarithms. `error` is the root mean square of relative errors."""

    axes: Axes
    start: float
    slope: float
    error: float
    bend: float | None = None
    slope_after: float | None = None

    def at(self, x: float) -> float:
        """What the line says at `x`; above the last point it goes on as it is."""
        place = _to(self.axes, x)
        y = self.start + self.slope * place
        if self.bend is not None and self.slope_after is not None:
            y += (self.slope_after - self.slope) * max(0.0, place - _to(self.axes, self.bend))
        return math.exp(y) if self.axes == "log" else y


def straight(xs: Sequence[float], ys: Sequence[float], axes: Axes) -> Fit:
    """One line through at least two points, whether it bends or not.

    Raises:
        ValueError: if there are fewer than two different `xs`, or on log axes a value that has no logarithm.
    """
    if len(set(xs)) < 2:
        raise ValueError(f"a line needs two different points; there are {len(set(xs))}")
    return _fit(xs, ys, axes, None)


def fit(xs: Sequence[float], ys: Sequence[float], axes: Axes, noise: float = 0.0) -> Fit:
    """One line, or two that meet at one of the points where one does not do; `noise` is how far apart repeated measurements lie, relative.

    Raises:
        ValueError: as `straight`.
    """
    one = straight(xs, ys, axes)
    inner = sorted(set(xs))[1:-1] if len(set(xs)) >= 4 else []
    two = min((_fit(xs, ys, axes, bend) for bend in inner), key=lambda found: found.error, default=one)
    return two if one.error > max(noise, APART) and two.error < EXPLAINED * one.error else one


def interpolate(xs: Sequence[float], ys: Sequence[float], x: float) -> float:
    """What lies between two neighbours, on a straight line of their logarithms; the nearest end outside of them."""
    if x <= xs[0]:
        return ys[0]
    if x >= xs[-1]:
        return ys[-1]
    at = bisect_right(xs, x)
    share = math.log(x / xs[at - 1]) / math.log(xs[at] / xs[at - 1])
    return ys[at - 1] * (ys[at] / ys[at - 1]) ** share


def _to(axes: Axes, value: float) -> float:
    return math.log(value) if axes == "log" else value


def _fit(xs: Sequence[float], ys: Sequence[float], axes: Axes, bend: float | None) -> Fit:
    places = [_to(axes, x) for x in xs]
    values = [_to(axes, y) for y in ys]
    # An error in the logarithm is relative already.
    weights = [1.0 if axes == "log" else 1 / y**2 for y in ys]
    rows = [[1.0, place] for place in places]
    if bend is not None:
        rows = [[*row, max(0.0, row[1] - _to(axes, bend))] for row in rows]
    solved = _least_squares(rows, values, weights)
    after = solved[1] + solved[2] if bend is not None else None
    found = Fit(axes, solved[0], solved[1], 0.0, bend, after)
    errors = [found.at(x) / y - 1 for x, y in zip(xs, ys, strict=True)]
    error = math.sqrt(sum(one**2 for one in errors) / len(errors))
    return Fit(axes, solved[0], solved[1], error, bend, after)


def _least_squares(rows: Sequence[Sequence[float]], values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The normal equations, by elimination; two or three unknowns."""
    size = len(rows[0])
    matrix = [
        [sum(weight * row[i] * row[j] for row, weight in zip(rows, weights, strict=True)) for j in range(size)]
        + [sum(weight * row[i] * value for row, value, weight in zip(rows, values, weights, strict=True))]
        for i in range(size)
    ]
    for i in range(size):
        pivot = max(range(i, size), key=lambda row: abs(matrix[row][i]))
        matrix[i], matrix[pivot] = matrix[pivot], matrix[i]
        for row in range(size):
            if row != i:
                factor = matrix[row][i] / matrix[i][i]
                matrix[row] = [one - factor * other for one, other in zip(matrix[row], matrix[i], strict=True)]
    return [matrix[i][-1] / matrix[i][i] for i in range(size)]
