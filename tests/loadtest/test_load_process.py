"""./dev load as a process: what it finds in a server that does wrong on purpose, its exit status, and what it leaves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.daemon import ROOT
from support.faulty_server import Stalling, answer_wrongly, run_faulty_server

Result = subprocess.CompletedProcess[str]


def load(reports: Path, *arguments: str) -> Result:
    """Runs it; its reports go to a folder of the test."""
    return run("loadtest.load", *arguments, "--reports", str(reports))


def run(*arguments: str) -> Result:
    return subprocess.run(
        check=False, args=[sys.executable, "-m", *arguments], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=50
    )


def load_url(reports: Path, url: str, *arguments: str) -> Result:
    return load(reports, "echo", "--url", url, "--users", "5", "--rate", "20", *arguments)


def summary(reports: Path) -> dict[str, list[str]]:
    """The rows of the tables of the summary by their first cell."""
    (file,) = reports.glob("*.md")
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in file.read_text("utf-8").splitlines() if line.startswith("|")]
    return {row[0]: row[1:] for row in rows}


def milliseconds(reports: Path, what: str) -> dict[str, float]:
    rows = summary(reports)
    return {name: float(cell.replace(",", "")) for name, cell in zip(rows["milliseconds"], rows[what], strict=True)}


def count(reports: Path, what: str) -> int:
    return int(summary(reports)[what][0].replace(",", "").partition(" ")[0])


def test_a_run_starts_a_daemon_and_leaves_a_page_that_needs_nothing_else(tmp_path: Path) -> None:
    result = load(tmp_path, "echo", "--users", "5", "--rate", "50", "--time", "2s", "--fail", "p99 < 10s, max connect < 20s")
    assert (0, "") == (result.returncode, result.stderr), result.stdout
    (page,) = tmp_path.glob("*.html")
    text = page.read_text("utf-8")
    assert not re.search(r"""(src|href)=|@import|url\(""", text)
    assert "prefers-color-scheme: dark" in text
    for title in ("Connections open", "Round trip", "Lag of the server", "CPU", "Memory of the server", "Files that the server has open"):
        assert title in text
    assert 5 == count(tmp_path, "connections opened")
    assert 40 < count(tmp_path, "sent") == count(tmp_path, "received")
    assert str(tmp_path) in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["echo", "--fail", "p99 < soon"], "'p99 < soon'"),
        (["echo", "--url", "http://127.0.0.1:1"], "ws://HOST:PORT"),
        (["echo", "--users", "0"], "no number above 0"),
        (["echo", "--time", "30"], "30"),
        (["nonsense"], "soak"),
    ],
)
def test_wrong_usage_is_one_line_and_2(tmp_path: Path, arguments: list[str], said: str) -> None:
    result = load(tmp_path, *arguments)
    assert 2 == result.returncode
    assert said in result.stderr.splitlines()[-1]


@pytest.mark.slow
def test_a_server_that_stalls_in_mid_run_shows_in_p99_and_max(tmp_path: Path) -> None:
    with run_faulty_server(Stalling(after_s=1.0, for_s=2.0)) as url:
        result = load_url(tmp_path, url, "--time", "5s", "--fail", "p99 < 1s")
    assert 3 == result.returncode, result.stdout + result.stderr
    found = milliseconds(tmp_path, "round trip")
    # Two of five seconds: whoever waited for answers before sending would have measured five slow messages of hundreds.
    assert 1500 < found["p99"] <= found["max"] < 4000
    assert 500 < found["p90"]
    assert found["p50"] < 500
    assert 380 < count(tmp_path, "sent")
    assert 0 == count(tmp_path, "lost")
    assert "MISSED" in result.stdout
    assert "Missed</b> p99 round_trip" in next(tmp_path.glob("*.html")).read_text("utf-8")


@pytest.mark.slow
def test_latency_counts_from_when_a_message_was_due_also_where_the_stalled_server_lets_nobody_send(tmp_path: Path) -> None:
    """So much is sent that the kernel's buffers fill: later messages are sent when the server goes on, and were due before."""
    with run_faulty_server(Stalling(after_s=1.0, for_s=2.0, answer=lambda message: json.dumps({"lab": json.loads(message)["lab"]}))) as url:
        load(tmp_path, "echo", "--url", url, "--users", "1", "--rate", "20", "--size", "900000", "--time", "5s")
    late, found = milliseconds(tmp_path, "sent late (generator)"), milliseconds(tmp_path, "round trip")
    assert late["max"] > 300  # it could not send
    assert 1500 < found["p99"] <= found["max"] < 4000
    assert found["p90"] > 800
    assert count(tmp_path, "sent") > 75
    assert 0 == count(tmp_path, "lost")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answers", "wrong"),
    [
        (lambda number, message: [] if number == 7 else [message], "lost"),
        (lambda number, message: [message, message] if number == 7 else [message], "duplicated"),
    ],
)
def test_a_message_that_is_dropped_or_sent_twice_is_counted_for_each_connection(tmp_path: Path, answers: Any, wrong: str) -> None:
    with run_faulty_server(answer_wrongly(answers)) as url:
        result = load_url(tmp_path, url, "--time", "2s")
    assert 3 == result.returncode, result.stdout + result.stderr
    assert {"lost": 0, "duplicated": 0, "out of order": 0, "errors": 0} | {wrong: 5} == {
        what: count(tmp_path, what) for what in ("lost", "duplicated", "out of order", "errors")
    }


@pytest.mark.slow
def test_the_last_message_is_missed_as_well(tmp_path: Path) -> None:
    held: dict[str, int] = {}

    def swap_pairs(number: int, message: Any) -> list[Any]:
        """Answers two at a time, in the wrong order: who is left without a partner is lost."""
        if number % 2 == 0:
            held["message"] = message
            return []
        return [message, held["message"]]

    with run_faulty_server(answer_wrongly(swap_pairs)) as url:
        result = load(tmp_path, "echo", "--url", url, "--users", "1", "--rate", "20", "--time", "2s")
    assert 3 == result.returncode, result.stdout + result.stderr
    sent = count(tmp_path, "sent")
    assert (sent // 2, sent % 2) == (count(tmp_path, "out of order"), count(tmp_path, "lost"))


@pytest.mark.slow
def test_a_server_that_is_not_there_is_an_error_and_no_success(tmp_path: Path) -> None:
    result = load_url(tmp_path, "ws://127.0.0.1:1", "--time", "1s")
    assert 3 == result.returncode, result.stdout + result.stderr
    assert "connect: ConnectionRefusedError" in result.stdout
    assert "0 of 5" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["room", "ticker", "transform", "burst", "idle", "slow", "reconnect", "soak"])
def test_every_scenario_is_good_against_the_daemon(tmp_path: Path, scenario: str) -> None:
    result = load(tmp_path, scenario, "--users", "10", "--time", "3s")
    assert 0 == result.returncode, result.stdout + result.stderr
    assert 1 == len(list(tmp_path.glob(f"{scenario}-*.html")))


@pytest.mark.slow
def test_the_figures_of_several_processes_are_those_of_all_of_them(tmp_path: Path) -> None:
    result = load(tmp_path, "echo", "--users", "8", "--rate", "10", "--time", "4s", "--processes", "2")
    assert 0 == result.returncode, result.stdout + result.stderr
    assert 8 == count(tmp_path, "connections opened")
    assert 200 < count(tmp_path, "sent") == count(tmp_path, "received")
    assert "8 of 8" in result.stdout


@pytest.mark.slow
def test_locust_itself_runs_the_locustfile_and_ends_with_3_where_a_threshold_is_missed(tmp_path: Path) -> None:
    arguments = ["locust", "-f", "loadtest/locustfile.py", "--headless", "-u", "3", "-r", "10", "-t", "2s", "--only-summary", "Echo"]
    with run_faulty_server(answer_wrongly(lambda number, message: [message])) as url:
        assert 0 == run(*arguments, "--host", url, "--threshold", "lost = 0").returncode
        result = run(*arguments, "--host", url, "--threshold", "messages/s > 100000")
    assert 3 == result.returncode
    assert "MISSED  messages/s > 100000" in result.stdout
