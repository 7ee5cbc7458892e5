"""docs/performance.md from figures: medians and spread, who is worse, who is missing, the bars."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from loadtest.bars import Bar, digits, draw, shown_whole
from loadtest.compared import Compared, Sample, load_compared, save_compared
from loadtest.compared_page import COSTS, bar_files, page, sentences, table

COMPARED = Compared(
    figures={
        "echo-1": {"wsrouter": Sample([5.6, 5.4, 5.5]), "Bun": Sample([4.0, 3.9, 4.1]), "ws": Sample([7.0, 7.0, 7.0])},
        "idle": {"wsrouter": Sample([3.1]), "ws": Sample([11.7])},
        "latency-p99": {"wsrouter": Sample([0.5, 0.4, 0.6]), "Bun": Sample([0.3, 0.3, 0.3])},
    },
    failed={"idle": {"Bun": "it did not listen"}},
    peers={"wsrouter": "wsrouter itself", "Bun": "Bun (C++)", "ws": "`ws` on Node.js"},
    missing={"Nchan": "nginx is not installed"},
    date="2026-11-23",
    command="./dev compare",
    machine="a machine",
    versions={"Python": "3.11.7", "Bun": "1.4.5"},
)


def test_the_table_has_medians_with_least_and_most_and_the_least_of_a_row_in_bold():
    echo = next(line for line in table(COMPARED, COSTS).splitlines() if line.startswith("| echo-1"))

    assert echo.endswith("| 5.5 (5.4 to 5.6) | **4** (3.9 to 4.1) | 7 |")


def test_a_peer_that_is_better_is_said_to_be():
    found = {sentence.split(":")[0]: sentence for sentence in sentences(COMPARED)}

    assert "**echo-1**: wsrouter 5.5 µs. Better: Bun 0.727. Worse: ws 1.27." == found["**echo-1**"]
    assert "**idle**: wsrouter 3.1 KiB. None is better. Worse: ws 3.77." == found["**idle**"]
    assert "**latency-p99**: wsrouter 0.5 ms. Better: Bun 0.6." == found["**latency-p99**"]


def test_whose_rounds_overlap_with_ours_is_neither_better_nor_worse():
    close = Compared(
        {"echo-1": {"wsrouter": Sample([2.0, 4.0, 3.0]), "a": Sample([1.0, 2.0, 1.5]), "b": Sample([4.0, 9.0, 6.0]), "c": Sample([1.9, 1.0, 1.0])}}
    )

    assert ["**echo-1**: wsrouter 3 µs. Better: c 0.333. Not told apart: a 0.5, b 2."] == sentences(close)


def test_the_page_names_who_is_missing_who_failed_the_machine_the_versions_and_the_command():
    text = page(COMPARED)

    for said in (
        "Without Nchan: nginx is not installed.",
        "- idle, Bun: no figure, since it did not listen.",
        "`./dev compare` on 2026-11-23: a machine; Python 3.11.7, Bun 1.4.5.",
        "median of 3 rounds",
        "](performance/echo-1.svg)",
    ):
        assert said in text
    assert "fan-1.svg" not in text
    assert "run `./dev compare`" in page(Compared({}))


def test_bars_are_in_order_with_the_least_first_and_ours_in_its_own_colour():
    files = bar_files(COMPARED)

    assert {"echo-1.svg", "idle.svg", "latency-p99.svg"} == set(files)
    root = ET.fromstring(files["echo-1.svg"])
    bars = [(node.get("class"), float(node.get("width"))) for node in root if node.tag.endswith("rect")]
    assert ["other", "own", "other"] == [kind for kind, _ in bars]
    widths = [width for _, width in bars]
    assert widths == sorted(widths)
    assert abs(widths[0] / widths[2] - 4 / 7) < 0.01
    assert "prefers-color-scheme:dark" in files["echo-1.svg"]


def test_what_was_measured_can_be_read_again(tmp_path):
    save_compared(tmp_path / "compared.json", COMPARED)

    assert load_compared(tmp_path / "compared.json") == COMPARED
    assert {} == load_compared(tmp_path / "none.json").figures


def test_three_digits_count():
    assert ["0.212", "5.65", "12.5", "147", "1,380"] == [digits(value) for value in (0.2124, 5.651, 12.48, 146.7, 1380.4)]


def test_a_bar_that_would_press_the_others_to_the_edge_is_cut_and_marked():
    bars = [Bar("a", 1, 1, 1), Bar("b", 2, 2, 2), Bar("c", 100, 100, 100)]

    assert [2, 3, 2] == [shown_whole(bars), shown_whole([*bars[:2], Bar("c", 4, 4, 4)]), shown_whole(bars[1:])]
    drawn = draw("t", "µs", bars)
    assert (1, ">100<", 0) == (drawn.count('class="cut"'), ">100<" if ">100<" in drawn else drawn, draw("t", "µs", bars[:2]).count('class="cut"'))
