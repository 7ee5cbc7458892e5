"""Pictures of curves: where things are, and that they can be read on a dark page."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from loadtest.plots import HEIGHT, LEFT, RIGHT, TOP, WIDTH, Curve, Mark, Plot, draw

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*curves: Curve, is_log: bool = False) -> ET.Element:
    return ET.fromstring(draw(Plot("A & B: µs", "members", curves, is_log)))


def marks(*pairs: tuple[float, float]) -> list[Mark]:
    return [Mark(x, y, y * 0.9, y * 1.1) for x, y in pairs]


def test_the_horizontal_axis_is_logarithmic_from_the_first_point_to_the_last():
    root = drawn(Curve("delivery", marks((10, 4), (100, 3), (1000, 4))))

    assert [LEFT, (LEFT + WIDTH - RIGHT) / 2, WIDTH - RIGHT] == [float(dot.get("cx")) for dot in root.iter(f"{SVG}circle")]


def test_the_vertical_axis_begins_with_zero_or_is_logarithmic():
    plain = [float(dot.get("cy")) for dot in drawn(Curve("a", marks((1, 10), (2, 20), (4, 40)))).iter(f"{SVG}circle")]
    log = [float(dot.get("cy")) for dot in drawn(Curve("a", marks((1, 10), (2, 100), (4, 1000))), is_log=True).iter(f"{SVG}circle")]

    assert plain[0] - plain[1] == (plain[1] - plain[2]) / 2
    assert log[0] - log[1] == log[1] - log[2]
    assert all(TOP <= y <= HEIGHT for y in plain + log)


def test_spread_fit_and_bend_are_drawn():
    root = drawn(Curve("a", marks((1, 10), (10, 20)), [(1, 10), (10, 20)], bend=10))

    assert len(list(root.iter(f"{SVG}polyline"))) == 1
    assert [line.get("x1") for line in root.iter(f"{SVG}line") if line.get("class") == "mark c1"] == [f"{WIDTH - RIGHT:.1f}"]
    bars = [line for line in root.iter(f"{SVG}line") if (line.get("class") or "").startswith("bar")]
    assert all(float(bar.get("y1")) > float(bar.get("y2")) for bar in bars)
    assert len(bars) == 2


def test_names_are_escaped_and_colours_follow_the_page():
    root = drawn(Curve("<b>", marks((1, 1), (2, 2))))

    assert {"A & B: µs", "<b>", "members"} <= {text.text for text in root.iter(f"{SVG}text")}
    assert "prefers-color-scheme:dark" in root.find(f"{SVG}style").text
