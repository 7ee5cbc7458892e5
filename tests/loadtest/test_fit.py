"""Lines through points: slopes, bends, and no bend where there is none."""

from __future__ import annotations

import pytest

from loadtest.fit import fit, interpolate, straight

DECADES = [10, 30, 100, 300, 1000, 3000, 10_000]


def test_a_power_has_its_exponent_as_slope_and_no_bend():
    found = fit(DECADES, [3 * x**0.5 for x in DECADES], "log")

    assert (found.slope, found.at(400)) == pytest.approx((0.5, 60))
    assert found.bend is None
    assert found.error < 1e-9


def test_a_straight_line_has_its_start_and_what_each_one_adds():
    found = fit([1, 10, 100, 1000], [17 + 2.5 * x for x in (1, 10, 100, 1000)], "linear")

    assert (found.start, found.slope, found.at(200)) == pytest.approx((17, 2.5, 517))
    assert found.bend is None


def test_two_powers_are_told_apart_with_where_they_meet():
    found = fit(DECADES, [8 * x**-0.2 if x < 300 else 8 * 300**-0.2 * (x / 300) ** 0.3 for x in DECADES], "log")

    assert found.bend == 300
    assert (found.slope, found.slope_after) == pytest.approx((-0.2, 0.3))


def test_two_lines_are_told_apart_with_where_they_meet():
    xs = [1, 10, 20, 40, 60]
    found = fit(xs, [5 + x + 4 * max(0, x - 20) for x in xs], "linear")

    assert found.bend == 20
    assert (found.slope, found.slope_after, found.at(100)) == pytest.approx((1, 5, 425))


def test_what_is_within_the_noise_is_no_bend():
    ys = [8 * x**-0.2 if x < 300 else 8 * 300**-0.2 * (x / 300) ** 0.3 for x in DECADES]

    assert fit(DECADES, ys, "log", noise=0.5).bend is None
    assert fit(DECADES, [5 + (0.02 if x > 300 else 0.0) for x in DECADES], "log").bend is None


def test_an_error_of_a_tenth_weighs_the_same_wherever_it_is():
    found = straight([1, 2, 1000], [1.1, 2, 1000], "linear")

    assert found.at(1000) == pytest.approx(1000, rel=0.02)
    assert found.at(1) == pytest.approx(1.05, rel=0.03)


def test_a_line_needs_two_points():
    with pytest.raises(ValueError, match="two different points; there are 1"):
        fit([5, 5], [1, 2], "linear")


def test_between_two_points_a_power_is_met_exactly_and_outside_the_ends_hold():
    ys = [x**0.5 for x in (1, 100, 10_000)]

    assert interpolate([1, 100, 10_000], ys, 2500) == pytest.approx(50)
    assert interpolate([1, 100, 10_000], ys, 100) == 10
    assert (interpolate([1, 100, 10_000], ys, 0.1), interpolate([1, 100, 10_000], ys, 1e6)) == (1, 100)
