"""`wsrouter new`: what it writes runs, and it overwrites nothing."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wsrouter.cli import new
from wsrouter.cli.scaffold import KINDS, plugin_files, plugin_name

ROOT = Path(__file__).parent.parent.parent


def parse(*argv):
    parser = argparse.ArgumentParser()
    new.add_arguments(parser)
    return parser.parse_args(argv)


def files_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_it_writes_a_plugin_and_its_test_and_says_how_to_route_it(tmp_path, capsys):
    status = new.run(parse("daily_report", "--folder", str(tmp_path)))

    assert status == 0
    assert files_below(tmp_path) == ["plugins/daily_report.py", "tests/daily_report.yaml", "tests/test_daily_report.py"]
    assert "class DailyReport(Handler[str])" in (tmp_path / "plugins/daily_report.py").read_text("utf-8")
    assert capsys.readouterr().out.endswith("  /daily_report: daily_report\n")


def test_a_plugin_that_hides_a_built_in_handler_is_told_of(tmp_path, capsys):
    assert new.run(parse("echo", "--folder", str(tmp_path))) == 0

    assert "it hides the built-in handler 'echo': rename the files if that is not meant\n" == capsys.readouterr().err


def test_the_written_tests_of_every_kind_pass_as_they_are(tmp_path):
    for kind in KINDS:
        assert new.run(parse(f"my_{kind}", "--kind", kind, "--folder", str(tmp_path))) == 0

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-W", "error"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert "3 passed" in done.stdout


def test_the_written_files_pass_mypy_strict(tmp_path):
    for kind in KINDS:
        new.run(parse(f"my_{kind}", "--kind", kind, "--folder", str(tmp_path)))

    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.devnull, "--follow-imports=silent", *map(str, tmp_path.rglob("*.py"))]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert done.stdout == "Success: no issues found in 6 source files\n"


def test_the_written_scenarios_of_every_kind_pass_once_the_site_has_the_route(wsrouter, here, write):
    for kind in KINDS:
        assert wsrouter("new", f"my_{kind}", "--kind", kind).code == 0
    write("site.yaml", "routes: {" + ", ".join(f"/my_{kind}: my_{kind}" for kind in KINDS) + "}\n")

    code, out, err = wsrouter("test")

    assert (code, err) == (0, "")
    assert out.startswith("3 scenarios passed in ")


def test_it_overwrites_nothing_and_then_writes_nothing(tmp_path, capsys):
    (tmp_path / "tests").mkdir()
    existing = tmp_path / "tests" / "test_report.py"
    existing.write_text("mine")

    assert new.run(parse("report", "--folder", str(tmp_path))) == 1
    assert capsys.readouterr().err == f"{existing} exists; nothing was written\n"
    assert files_below(tmp_path) == ["tests/test_report.py"]
    assert existing.read_text() == "mine"


def test_a_file_where_a_folder_must_be_is_one_line_and_nothing_is_written(tmp_path, capsys):
    (tmp_path / "tests").write_text("mine")

    assert new.run(parse("report", "--folder", str(tmp_path))) == 1
    assert capsys.readouterr().err == f"{tmp_path / 'tests'} exists; nothing was written\n"
    assert files_below(tmp_path) == ["tests"]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")

    assert new.run(parse("report", "--folder", str(tmp_path / "file" / "site"))) == 1
    assert capsys.readouterr().err == f"cannot write {tmp_path / 'file' / 'site' / 'plugins'}: Not a directory\n"


@pytest.mark.parametrize("text", ["", "a-b", "1a", "class", "_hidden", "Upper", "../up", "a.b"])
def test_a_name_that_cannot_be_a_file_and_a_function_is_refused(text, tmp_path, capsys):
    assert new.run(parse("--folder", str(tmp_path), "--", text)) == 1
    assert "is not a plugin's name" in capsys.readouterr().err
    assert files_below(tmp_path) == []


def test_a_name_may_be_given_as_the_file():
    assert plugin_name("report.py") == "report"


def test_every_kind_of_the_command_line_has_its_files():
    assert KINDS == ("class", "coroutine", "source")
    assert all(len(plugin_files("a", kind)) == 3 for kind in KINDS)
