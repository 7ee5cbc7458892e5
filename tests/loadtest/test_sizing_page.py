"""docs/sizing.md: what is told of a run, and that prose and figures come from the same samples."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from loadtest.growth import CURVES
from loadtest.growth_texts import SECTIONS
from loadtest.sizing_page import cell, curve_files, number, page
from support.growing import known_check, known_run, series


@pytest.mark.parametrize(
    "value, text", [(0.2871, "0.29"), (17.4, "17"), (99.6, "100"), (1291.7, "1,292"), (0, "0"), (4.0, "4"), (-0.027, "-0.027"), (10_000, "10,000")]
)
def test_a_number_has_two_digits_that_count_and_no_more_zeros_than_it_needs(value, text):
    assert number(value) == text


def test_every_curve_has_a_section_and_every_series_of_it_is_in_a_run():
    known = known_run().series

    assert {section.name for section in SECTIONS} == set(CURVES)
    assert [one.name for section in SECTIONS for _, group in section.plots for one in group if one.name not in known] == []


def test_the_page_shows_every_picture_and_no_other():
    run = known_run([known_check()])

    assert set(re.findall(r"\]\(sizing/([^)]+)\)", page(run))) == set(curve_files(run))


def test_the_page_tells_slopes_and_where_they_bend():
    run = known_run()
    bent = series(lambda n: 4 * (n / 1000) ** 0.3 if n > 1000 else 4, 100, 300, 1000, 3000, 10_000)
    dearer = series(lambda n: (20 + 2.5 * n + 3 * max(0, n - 1000)) / n, 10, 100, 300, 1000, 3000, 10_000)

    text = page(replace(run, series={**run.series, "connections.delivery_us": bent, "subscribers.delivery_us": dearer}))

    assert "- delivery: slope 0 on logarithmic axes up to 1,000, +0.30 from there; the line is within 0%." in text
    assert "- all of a message's deliveries together: 20 µs, and 2.5 µs for each member; from 1,000 on 5.5 µs; the line is within 0%." in text
    assert "- memory: 38 MiB, and 2.9 MiB for each 1,000 connections; the line is within 0%." in text
    assert "- echo: does not depend on it; slope 0, the line is within 0%." in text


def test_a_prediction_that_misses_is_shown_as_it_is():
    # 4 ms of the idle daemon, and 500 messages that cost 2 x 20 us and 20 deliveries of 3 us, the most there are: 5.4 % of a core, where 6 % were measured.
    text = page(known_run([known_check(cpu=(0.2, 0.06, 0.05))]))

    assert "| 2,000 connections in 100 rooms, 500 messages of 128 bytes a second | 5.4 % | 6 % | -10 % | 46 MiB | 50 MiB | -8 % |" in text


def test_who_plans_by_it_is_told_how_far_it_was_off():
    check = known_check()
    dearer = replace(check, cpu=[2 * value for value in check.cpu])

    told = re.search(r"For CPU the formula is off by (.*?) % to (.*?) %: leave that much room", page(known_run([check, dearer])))

    assert told is not None
    low, high = (float(text) for text in told.groups())
    assert ((1 + high / 100) / (1 + low / 100)) == pytest.approx(2, rel=0.05)


def test_the_worked_example_adds_up_to_the_first_typical_site():
    text = page(known_run())

    (total,) = re.findall(r"- Together (.+ %) of a core", text)
    assert f"| 1,000 connections in 100 rooms, each says one message of 100 bytes a second | {total} |" in text
    assert "- 1,000 messages x 20 µs x 2 = 4 %.\n" in text


def test_a_point_is_shown_with_the_middle_half_of_its_samples():
    assert cell(series(lambda _: 100, 1), 1) == "100 (99.5 to 100)"
    assert cell(series(lambda _: 100, 1), 2) == ""


def test_nothing_is_left_of_the_places_for_facts():
    assert not re.search(r"[{}]", page(known_run([known_check()])).replace("/serviceN/{name}: echo", ""))
