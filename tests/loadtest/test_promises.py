"""The scripts that measure what one client costs the others: their verdicts, and one real run of each."""

from __future__ import annotations

import pytest

from loadtest import floods, slow_consumer
from loadtest.slow_consumer import Run

MIB = 1 << 20
KEPT = Run(1.0, 5.0, MIB, 13.0, {"cause": "slow_consumer"})


@pytest.mark.parametrize(
    ("run", "missed"),
    [
        (KEPT, None),
        (Run(1.3, 5.0, MIB, 13.0, KEPT.record), "p99 is 1.30 times that without the slow one; at most 1.2 is promised"),
        (Run(1.0, 5.0, 7 * MIB, 13.0, KEPT.record), "7.0 MiB more in memory; at most 6 are promised"),
        (Run(1.0, 5.0, MIB, 18.5, KEPT.record), "dealt with after 18.5 s; at most 15 are promised"),
        (Run(1.0, 5.0, MIB, 20.0, {}), "closed for {None}"),
    ],
)
def test_what_a_slow_consumer_costs_is_held_against_what_is_promised(monkeypatch, capsys, run, missed):
    monkeypatch.setattr(slow_consumer, "measure", lambda policy, cpu, seconds: run if seconds is None else KEPT)
    monkeypatch.setattr(slow_consumer, "pin", lambda pid, cpu: None)
    assert (missed is not None) == slow_consumer.main(["latest"])
    out = capsys.readouterr().out
    assert ("MISSED" in out) == (missed is not None)
    assert missed is None or missed in out


@pytest.mark.parametrize(
    ("measured", "missed"),
    [
        ((2.0, 12.0, 100, MIB), None),
        ((2.0, 51.0, 100, MIB), "another client waited 51.0 ms; at most 50 are promised"),
        ((2.0, 12.0, 100, 6 * MIB), "6.0 MiB more in memory; at most 5 are promised"),
    ],
)
def test_what_a_flood_costs_is_held_against_what_is_promised(monkeypatch, capsys, measured, missed):
    monkeypatch.setattr(floods, "measure", lambda name, cpu: measured)
    monkeypatch.setattr(floods, "pin", lambda pid, cpu: None)
    assert (missed is not None) == floods.main(["pings", "--rounds", "1"])
    assert missed is None or f"MISSED pings: {missed}" in capsys.readouterr().out


@pytest.mark.parametrize("main", [slow_consumer.main, floods.main])
def test_a_name_that_there_is_not_is_answered_with_those_there_are(capsys, main):
    with pytest.raises(SystemExit) as ended:
        main(["nothing"])
    assert 2 == ended.value.code
    assert "'nothing'; there are " in capsys.readouterr().err


@pytest.mark.slow
def test_a_slow_consumer_is_measured(monkeypatch):
    monkeypatch.setattr(slow_consumer, "LEAST_S", 1.0)
    run = slow_consumer.measure("close", None, None)
    assert "slow_consumer" == run.record["cause"]
    assert 0 < run.p99_ms <= run.worst_ms
    assert 0 < run.ended_s < slow_consumer.MOST_S
    assert run.grown_bytes < slow_consumer.MOST_BYTES


@pytest.mark.slow
@pytest.mark.parametrize("name", floods.FLOODS)
def test_a_flood_is_measured(monkeypatch, name):
    monkeypatch.setattr(floods, "QUIET_S", 0.1)
    quiet_ms, worst_ms, count, grown = floods.measure(name, None)
    assert quiet_ms > 0
    assert worst_ms > 0
    assert count > 0
    assert grown < floods.MOST_BYTES
