"""`./dev compare`: what it measures of real servers, what it does with one that fails, and what it refuses."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from loadtest import compare
from loadtest.compare import ROWS, main
from loadtest.compare import compare as compare_servers
from loadtest.compared import load_compared
from loadtest.compared_page import ROWS as PAGE_ROWS
from loadtest.peers import peer as peer_module
from loadtest.peers.peer import peers

OWN = peers()[0]


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(compare, "WARM_UP_S", 0.02)
    monkeypatch.setattr(compare, "SLICE_S", 0.05)
    monkeypatch.setattr(peer_module, "PYTHON", Path(sys.executable))


def test_every_row_that_is_measured_is_shown():
    shown = [row.name for row in PAGE_ROWS]

    assert [*(row for row in ROWS if row != "latency"), *compare.LATENCY_ROWS] == shown


def test_each_round_gives_each_server_a_figure():
    those = [peer for peer in peers() if peer.name in {"wsrouter", "websockets"}]

    findings = compare_servers(those, ["echo-1"], 2, lambda _: None)

    assert ["wsrouter", "websockets"] == list(findings.figures["echo-1"])
    assert all(len(values) == 2 and 0.5 < min(values) < 500 for values in findings.figures["echo-1"].values())
    assert not findings.failed


def test_a_server_that_does_not_start_or_cannot_do_a_row_fails_by_name_and_the_others_go_on():
    dead = replace(OWN, name="dead", command=lambda port, folder: [sys.executable, "-c", "raise SystemExit('no port for me')"])
    unable = replace(OWN, name="unable", unable={"echo-1": "it counts otherwise"})

    findings = compare_servers([dead, unable, OWN], ["echo-1"], 2, lambda _: None)

    assert ["wsrouter"] == list(findings.figures["echo-1"])
    assert "it counts otherwise" == findings.failed["echo-1"]["unable"]
    assert "dead does not listen; it said: no port for me" == findings.failed["echo-1"]["dead"]


def test_a_part_prints_its_table_and_leaves_the_page_alone(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(compare, "fit_out", list)
    monkeypatch.setattr(compare, "COMPARED", tmp_path / "compared.json")

    assert 0 == main(["--peers", "websockets", "--only", "echo-1", "--rounds", "1", "--out", str(tmp_path / "part.json")])

    assert "| wsrouter | websockets |" in capsys.readouterr().out
    assert {"echo-1", "echo-16"} == set(load_compared(tmp_path / "part.json").figures)
    assert not (tmp_path / "compared.json").exists()


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ([], "./dev compare"),
        (["--out=/somewhere/x.json"], "./dev compare"),
        (["--peers", "ws", "Bun", "--only", "echo", "--rounds", "1", "--out", "x.json"], "./dev compare --peers ws Bun --only echo --rounds 1"),
    ],
)
def test_the_command_of_the_page_names_no_file_of_this_machine(arguments, command):
    assert command == compare.command_of(compare.make_parser().parse_args(arguments))


def test_a_latency_that_never_ends_is_given_up_by_name_and_its_client_with_it(monkeypatch):
    monkeypatch.setattr(compare, "LATENCY_PATIENCE_S", 0.01)

    findings = compare_servers([OWN], ["latency"], 1, lambda _: None)

    assert {"wsrouter": "wsrouter bench did not end within 0.01 s"} == findings.failed["latency"]


@pytest.mark.parametrize("arguments", [["--only", "nothing"], ["--rounds", "0"]])
def test_nothing_to_measure_is_wrong_usage(arguments, capsys):
    assert 2 == main(arguments)
    assert "the rows are echo-1, echo-16" in capsys.readouterr().err
