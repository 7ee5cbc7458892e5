from __future__ import annotations

import json
import sys

import pytest

from tools import conformance
from tools.autobahn import Unavailable, find_python2, parse_requirements, run_cases
from tools.conformance import (
    ALL,
    QUICK,
    CaseResult,
    closing_line,
    find_failures,
    find_troubles,
    find_unmatched,
    group_lines,
    notable_lines,
    parse_index,
    split_into_runs,
)

INDEX = {
    "10.1.1": {"behavior": "OK", "behaviorClose": "OK", "duration": 1, "remoteCloseCode": 1000, "reportfile": "wsrouter_case_10_1_1.json"},
    "6.4.1": {"behavior": "NON-STRICT", "behaviorClose": "OK", "duration": 2001, "remoteCloseCode": 1007},
    "7.1.5": {"behavior": "FAILED", "behaviorClose": "WRONG CODE", "duration": 1, "remoteCloseCode": 1002},
    "7.1.6": {"behavior": "INFORMATIONAL", "behaviorClose": "INFORMATIONAL", "duration": 84, "remoteCloseCode": None},
    "7.1.10": {"behavior": "OK", "behaviorClose": "OK", "duration": 1, "remoteCloseCode": 1000},
}


def result(name="1.1.1", behaviour="OK", closing="OK", code=1000):
    return CaseResult(tuple(map(int, name.split("."))), behaviour, closing, code)


def test_an_index_is_read_in_the_order_of_the_cases():
    expected = [
        result("6.4.1", "NON-STRICT", "OK", 1007),
        result("7.1.5", "FAILED", "WRONG CODE", 1002),
        result("7.1.6", "INFORMATIONAL", "INFORMATIONAL", None),
        result("7.1.10"),
        result("10.1.1"),
    ]

    assert expected == parse_index(INDEX)
    assert "7.1.10" == expected[3].name


@pytest.mark.parametrize("index", [{"1.1.1": {"behavior": "OK"}}, {"1.x": {"behavior": "OK", "behaviorClose": "OK"}}])
def test_what_is_no_index_is_not_read(index):
    with pytest.raises((KeyError, ValueError)):
        parse_index(index)


def test_ok_non_strict_informational_and_the_known_deviation_are_no_failures():
    assert [] == find_failures(parse_index(INDEX))


@pytest.mark.parametrize(
    "bad",
    [
        result(behaviour="FAILED"),
        result(behaviour="UNIMPLEMENTED"),
        result(behaviour="A NEW WORD"),
        result(closing="WRONG CODE"),
        result(closing="UNCLEAN"),
        result(closing="FAILED BY CLIENT"),
        result("7.1.5", "FAILED", "WRONG CODE", 1000),
        result("7.1.5", "FAILED", "UNCLEAN", None),
    ],
)
def test_anything_else_is_a_failure_also_another_outcome_of_the_known_deviation(bad):
    assert [bad] == find_failures([result(), bad])


def test_cases_that_were_asked_for_and_not_run_are_found():
    results = parse_index(INDEX)

    assert [] == find_unmatched(["7.*", "7.1.*", "10.1.1"], results)
    assert ["1.*", "7.1.1"] == find_unmatched(["1.*", "7.1.1", "7.1.10"], results)


def test_groups_of_compression_are_runs_of_their_own():
    runs = split_into_runs(["1.*", "12.*", "2.1.1", "13.1.1", "12.1.1"])

    assert {"plain": ["1.*", "2.1.1"], "compressed-12": ["12.*", "12.1.1"], "compressed-13": ["13.1.1"]} == runs


def test_the_quick_set_has_every_group_that_all_has():
    assert {case.split(".")[0] for case in ALL} == {case.split(".")[0] for case in QUICK}


def test_the_table_names_what_is_not_simply_ok():
    assert [
        "case   behaviour      closing        code",
        "6.4.1  NON-STRICT     OK             1007",
        "7.1.5  FAILED         WRONG CODE     1002  known: " + conformance.DEVIATIONS["7.1.5", 1002],
        "7.1.6  INFORMATIONAL  INFORMATIONAL  -",
    ] == notable_lines(parse_index(INDEX))
    assert [] == notable_lines([result()])
    assert notable_lines([result(behaviour="FAILED")])[-1].endswith("FAILED")


def test_the_counts_of_a_group_add_up():
    assert [
        "| 6 | 1 | 0 | 1 | 0 | 0 | 0 |",
        "| 7 | 4 | 1 | 0 | 1 | 1 | 1 |",
        "| 10 | 1 | 1 | 0 | 0 | 0 | 0 |",
    ] == group_lines([*parse_index(INDEX), result("7.9.1", "FAILED")])[2:]


def test_the_closing_line_says_what_all_came_to():
    results = parse_index(INDEX)
    bad = result("1.1.1", "FAILED")

    assert "passed: 5 cases but 7.1.5 (known), in 12 s" == closing_line(results, [], 12.3)
    assert "passed: 1 cases, in 1 s" == closing_line([result()], [], 1)
    assert "FAILED: 1 of 6 cases, in 1 s: 1.1.1" == closing_line([*results, bad], [bad], 1)


def test_errors_that_the_daemon_logs_are_troubles_and_so_are_lines_that_are_no_records():
    lines = ['{"level":"info","event":"stopped"}\n', '{"level":"error","event":"handler.failed"}\n', "Traceback (most recent call last):\n", "[]\n"]

    assert [line.rstrip("\n") for line in lines[1:]] == find_troubles(lines)


def test_what_cannot_be_had_is_not_run_and_never_passed(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("PYTHON2", str(tmp_path / "python2.7"))

    assert 0 == conformance.main([])
    assert f"NOT RUN: PYTHON2={tmp_path / 'python2.7'} is no working Python 2.7\n" == capsys.readouterr().out


def test_a_failing_run_exits_with_1(monkeypatch, capsys):
    def fail(cases):
        raise RuntimeError("the suite has no such cases: 99.*")

    monkeypatch.setattr(conformance, "run", fail)

    assert 1 == conformance.main(["--cases", "99.*"])
    assert "FAILED: the suite has no such cases: 99.*\n" == capsys.readouterr().out


@pytest.mark.parametrize("cases", ["", "1.*,", "fast"])
def test_cases_that_are_none_are_a_usage_error(cases, capsys):
    with pytest.raises(SystemExit) as ended:
        conformance.main(["--cases", cases])

    assert 2 == ended.value.code
    assert "cases look like" in capsys.readouterr().err


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)
    return path


def test_a_python_that_does_not_start_is_passed_over_and_pyenvs_newest_is_found(tmp_path):
    shim = script(tmp_path / "bin" / "python2.7", "raise SystemExit('no such version')")
    script(tmp_path / ".pyenv/versions/2.7.9/bin/python", "print((2, 6))")
    newest = script(tmp_path / ".pyenv/versions/2.7.18/bin/python", "print((2, 7))")
    environ = {"PATH": str(shim.parent)}

    newest.rename(newest.with_name("other"))
    with pytest.raises(Unavailable, match=r"no Python 2\.7 here"):
        find_python2(environ, tmp_path)
    newest.with_name("other").rename(newest)
    assert str(newest) == find_python2(environ, tmp_path)
    assert str(newest) == find_python2({**environ, "PYTHON2": str(newest)}, tmp_path / "nobody")


def test_requirements_are_read_by_section():
    assert {"maker": ["a==1"], "suite": ["b==2", "c==3"]} == parse_requirements("# x\n[maker]  # y\na==1\n\n[suite]\nb==2  # z\nc==3\n")


def test_every_package_of_the_suite_is_pinned_and_no_host_is_named():
    text = (conformance.ROOT / "requirements" / "autobahn.txt").read_text("utf-8")
    sections = parse_requirements(text)

    assert {"maker", "build", "suite", "faster"} == set(sections)
    assert [] == [package for packages in sections.values() for package in packages if package.count("==") != 1 or "/" in package]
    assert "://" not in text


WSTEST = """
import json, sys
spec = json.load(open(sys.argv[-1]))
print("Using explicit spec file")
for case in spec["cases"]:
    print(f"Running test case ID {case} for agent wsrouter from peer tcp4:127.0.0.1:1", flush=True)
if "3.1" in spec["cases"]:
    sys.exit(0)
done = {case: {"behavior": "OK", "behaviorClose": "OK"} for case in spec["cases"] if case != "1.1.2"}
json.dump({"wsrouter": done}, open(spec["outdir"] + "/index.json", "w"))
sys.exit(3 if "9.1.1" in spec["cases"] else 0)
"""


def test_a_run_of_the_suite_gives_its_index_and_tells_of_each_case(tmp_path):
    wstest, seen = script(tmp_path / "wstest", WSTEST), []

    assert {"1.1.1", "2.1.1"} == set(run_cases(wstest, "ws://x/plain", ["1.1.1", "2.1.1"], tmp_path / "reports", 30, seen.append))
    assert ["1.1.1", "2.1.1"] == seen
    assert "ws://x/plain" == json.loads((tmp_path / "reports" / "spec.json").read_text())["servers"][0]["url"]


@pytest.mark.parametrize(
    "cases, message",
    [
        (["1.1.1", "1.1.2"], "cases without a result: 1.1.2"),
        (["9.1.1"], "wstest ended with 3"),
        (["3.1"], "ended without an index"),
    ],
)
def test_a_suite_that_breaks_off_is_an_error(cases, message, tmp_path):
    with pytest.raises(RuntimeError, match=message):
        run_cases(script(tmp_path / "wstest", WSTEST), "ws://x", cases, tmp_path / "reports", 30, lambda case: None)


def test_a_suite_that_hangs_is_ended(tmp_path):
    wstest = script(tmp_path / "wstest", "import signal\nsignal.pause()")

    with pytest.raises(RuntimeError, match=r"was ended after 0\.2 s"):
        run_cases(wstest, "ws://x", ["1.1.1"], tmp_path / "reports", 0.2, lambda case: None)
