"""The micro-benchmarks: each still runs against the code that it measures."""

from __future__ import annotations

import time

import pytest

from loadtest import bench, micro


@pytest.mark.slow
def test_every_trick_can_be_measured(monkeypatch, capsys):
    monkeypatch.setattr(micro, "ROUNDS", 1)
    monkeypatch.setattr(micro, "ROUND_NS", 1)

    micro.main("")

    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["as", "it", "is", "plain", "saved"]
    files = {"wire/frames.py", "wire/connection.py", "wire/control.py", "wire/writer.py", "wire/head.py", "pipeline/plain_chain.py", "topics/topic.py"}
    assert files == {line.split()[0] for line in lines}


def test_only_what_is_named_is_measured(monkeypatch, capsys):
    monkeypatch.setattr(micro, "ROUNDS", 1)

    assert bench.main(["--micro", "a header: looked up"]) == 0

    assert len(capsys.readouterr().out.splitlines()) == 2


def test_both_ways_are_told_for_one_of_what_a_call_does(monkeypatch):
    monkeypatch.setattr(micro, "ROUNDS", 2)

    trick, plain = micro.compare(lambda: time.sleep(0.001), lambda: time.sleep(0.004), per=10)

    assert 100_000 <= trick < 400_000 <= plain
