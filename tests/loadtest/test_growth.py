"""`./dev growth`: what it keeps, what it writes, and one real measurement of every curve, small."""

from __future__ import annotations

import sys

import pytest

from loadtest import growth
from loadtest.grown import Point, Series, load_grown, save_grown
from loadtest.growth import cache_bytes, main, measure, run
from loadtest.growth_points import CURVES, Bench, Effort, check
from loadtest.growth_texts import SECTIONS
from loadtest.processes import MeasureError
from support.growing import known_check, known_run

TINY = Effort(rounds=1, slices=1, slice_s=0.02, most=400)


def test_what_was_measured_can_be_read_again(tmp_path):
    path = tmp_path / "grown.json"
    save_grown(path, known_run([known_check()]))

    found = load_grown(path)

    assert found.series["subscribers.delivery_us"].xs == [10, 30, 100, 300, 1000, 3000, 10_000]
    assert found.series["connections.idle_ms"] == Series([Point(x, [3.96, 4, 4.04]) for x in (100, 1000, 10_000)])
    assert (found.checks, found.caches, found.date) == ([known_check()], {"L2 Unified": 2 << 20}, "2026-11-23")
    assert load_grown(tmp_path / "none.json").series == {}


def test_a_point_is_the_median_of_its_samples_with_their_middle_half():
    point = Point(10, [5, 1, 3, 2, 4])

    assert (point.value, point.spread) == (3, (2, 4))
    assert Series([point, Point(20, [10, 10])]).noise == pytest.approx((1 / 3 + 0) / 2)


def test_rounds_add_their_samples_to_the_same_points(monkeypatch):
    monkeypatch.setitem(CURVES, "rooms", lambda _: iter([("rooms.delivery_us", 1, [1.0, 2.0]), ("rooms.delivery_us", 10, [3.0])]))

    found, checks = measure(["rooms"], Effort(rounds=2, slices=1, slice_s=1), lambda _: None)

    assert found == {"rooms.delivery_us": Series([Point(1, [1.0, 2.0, 1.0, 2.0]), Point(10, [3.0, 3.0])])}
    assert checks == []


def test_each_round_measures_the_checks_as_well(monkeypatch):
    rounds = iter([known_check(cpu=(0.1, 0.2), memory_bytes=50), known_check(cpu=(0.3,), memory_bytes=70), known_check(cpu=(0.4,), memory_bytes=60)])
    monkeypatch.setattr(growth, "CHECKS", [(2000, 100, 500, 128), (9000, 100, 500, 128)])
    monkeypatch.setattr(growth, "check", lambda _, point: next(rounds) if point[0] == 2000 else None)

    found, checks = measure(["checks"], Effort(rounds=3, slices=1, slice_s=1, most=2000), lambda _: None)

    assert (found, checks) == ({}, [known_check(cpu=(0.1, 0.2, 0.3, 0.4), memory_bytes=60)])


def test_curves_that_are_not_asked_for_stay_as_they_were(monkeypatch):
    monkeypatch.setitem(CURVES, "rooms", lambda _: iter([("rooms.delivery_us", 1, [7.0])]))
    before = known_run([known_check()])

    after = run(["rooms"], TINY, before, "./dev growth --only rooms", lambda _: None)

    assert after.series["rooms.delivery_us"].xs == [1]
    assert {name: one for name, one in after.series.items() if name != "rooms.delivery_us"} == {
        name: one for name, one in before.series.items() if name != "rooms.delivery_us"
    }
    assert (after.checks, after.command) == (before.checks, "./dev growth --only rooms")


def test_the_caches_of_a_core_are_told_in_bytes(tmp_path):
    for index, (level, kind, size) in enumerate((("1", "Data", "48K"), ("2", "Unified", "2048K"))):
        (tmp_path / f"index{index}").mkdir()
        for name, text in (("level", level), ("type", kind), ("size", size)):
            (tmp_path / f"index{index}" / name).write_text(text + "\n")

    assert cache_bytes(tmp_path) == {"L1 Data": 48 << 10, "L2 Unified": 2 << 20}
    assert cache_bytes(tmp_path / "none") == {}


def test_a_run_that_fails_writes_nothing(monkeypatch, tmp_path, capsys):
    def fail(*_):
        raise MeasureError("wsrouter does not listen")

    monkeypatch.setattr(growth, "run", fail)
    monkeypatch.setattr(growth, "raise_open_files", lambda: None)
    monkeypatch.setattr(growth.signal, "signal", lambda *_: None)

    assert main(["--out", str(tmp_path / "grown.json")]) == 1
    assert capsys.readouterr().err.endswith("./dev growth: wsrouter does not listen\n")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_curve_is_answered_with_those_there_are(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--only", "roms"])

    assert ended.value.code == 2
    assert "invalid choice: 'roms' (choose from 'subscribers', 'routes', 'rooms', 'sizes', 'connections', 'rate', 'checks')" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="it reads the clocks of other processes")
def test_two_real_points_of_a_room(monkeypatch):
    monkeypatch.setattr(Effort, "upto", lambda self, *numbers: list(numbers[:2]))

    found = [(name, x, samples) for name, x, samples in CURVES["subscribers"](Bench(TINY))]

    assert [(name, x) for name, x, _ in found] == [("subscribers.delivery_us", 10), ("subscribers.delivery_us", 30), ("subscribers.among_silent_us", 100)]
    assert all(0.1 < sample < 1000 for _, _, samples in found for sample in samples)


@pytest.mark.slow
@pytest.mark.timeout(240)  # a daemon for each point, some seconds of pings
@pytest.mark.skipif(sys.platform != "linux", reason="it reads the clocks of other processes")
def test_every_curve_and_a_check_can_be_measured():
    found, _ = measure(list(CURVES), TINY, lambda _: None)

    told = {one.name for section in SECTIONS for _, group in section.plots for one in group}
    assert told <= set(found)
    assert all(sample > 0 for name, one in found.items() if "slab" not in name for point in one.points for sample in point.samples)
    checked = check(Bench(TINY), (40, 4, 200, 100))
    assert 0 < checked.cpu[0] < 1
    assert checked.files > 40
