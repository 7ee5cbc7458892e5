"""`./dev bench`: its verdict, what it writes, and one real measurement of each workload."""

from __future__ import annotations

import signal

import pytest

from loadtest import bench
from loadtest.bench import Effort, check, main, measure, record
from loadtest.figures import Pair, Recorded, Result, load_recorded, save_recorded
from loadtest.processes import MeasureError
from loadtest.workloads import WORKLOADS

RECORDED = Recorded({"echo-1": 0.5, "fan-1": 0.6}, "2026-11-22", {})


def result(name: str, ratio: float) -> Result:
    return Result(name, "us", (Pair(10 * ratio, 10.0),))


def never(workloads):
    raise AssertionError(f"measured again: {workloads}")


def test_what_is_within_passes_without_another_run(capsys):
    assert check([result("echo-1", 0.55), result("fan-1", 0.6)], RECORDED, never) == 0
    assert capsys.readouterr().out == "passed: no ratio is more than 20% over the one recorded on 2026-11-22\n"


def test_only_what_is_over_is_measured_again_and_the_second_result_counts(capsys):
    asked = []

    def again(workloads):
        asked.extend(workload.name for workload in workloads)
        return [result("fan-1", 0.61)]

    assert check([result("echo-1", 0.5), result("fan-1", 0.9)], RECORDED, again) == 0
    assert asked == ["fan-1"]
    assert "over: fan-1; measuring again with more runs\n" in capsys.readouterr().out


def test_what_is_over_twice_fails_and_is_named(capsys):
    assert check([result("echo-1", 0.5), result("fan-1", 0.9)], RECORDED, lambda _: [result("fan-1", 0.75)]) == 1

    out = capsys.readouterr().out
    assert "FAILED fan-1: 0.750 x websockets is 25% over the recorded 0.600; at most 20% is allowed\n" in out
    assert "echo-1:" not in out
    assert "passed" not in out


def test_what_was_never_recorded_fails_without_another_run(capsys):
    assert check([result("echo-1", 0.5), result("new", 0.1)], RECORDED, never) == 1
    assert capsys.readouterr().out == "FAILED new: no ratio is recorded; measure with ./dev bench --record\n"


def test_recording_some_workloads_keeps_the_others(tmp_path, monkeypatch):
    path = tmp_path / "recorded.json"
    save_recorded(path, Recorded({"echo-1": 0.5, "fan-1": 0.6, "gone": 1.0}, "2020-01-01", {}))
    monkeypatch.setattr(bench, "RECORDED", path)
    monkeypatch.setattr(bench, "ROOT", tmp_path)

    record([result("fan-1", 0.4)], load_recorded(path))

    assert load_recorded(path).ratios == {"echo-1": 0.5, "fan-1": 0.4}
    assert load_recorded(path).date > "2020-01-01"
    assert {"python", "websockets", "uvloop"} == set(load_recorded(path).versions)


def test_every_workload_has_a_recorded_ratio():
    assert [workload.name for workload in WORKLOADS] == list(load_recorded(bench.RECORDED).ratios)


def test_an_unknown_workload_is_answered_with_those_there_are(capsys):
    assert main(["--only", "ecco"]) == 2
    assert capsys.readouterr().err == "no workload 'ecco'; there are echo-1, echo-16, echo-4k, fan-1, fan-16, accept, idle\n"


def test_ratios_are_not_recorded_on_one_cpu(monkeypatch, capsys):
    monkeypatch.setattr(bench, "choose_cpus", lambda _: (None, None))
    monkeypatch.setattr(bench, "measure", never)

    assert main(["--record"]) == 2
    assert "./dev bench: ratios are recorded where there are two CPUs\n" in capsys.readouterr().err


def test_a_measurement_that_fails_is_no_pass(monkeypatch, capsys):
    def fail(*_):
        raise MeasureError("wsrouter does not listen")

    monkeypatch.setattr(bench, "measure", fail)
    monkeypatch.setattr(bench, "raise_open_files", lambda: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    assert main(["--check"]) == 1
    captured = capsys.readouterr()
    assert captured.err.endswith("./dev bench: wsrouter does not listen\n")
    assert "passed" not in captured.out


@pytest.mark.slow
def test_each_workload_can_be_measured_at_both_servers():
    results = measure(WORKLOADS, Effort(rounds=1, pairs=1, slice_s=0.02))

    assert [workload.name for workload in WORKLOADS] == [found.name for found in results]
    assert all(found.wsrouter > 0 and found.websockets > 0 for found in results)
