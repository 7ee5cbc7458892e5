"""`wsrouter check`: all problems of a site at once, with their places and cures."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from wsrouter.cli.site_choice import add_site_arguments, count_problems, find_site, load_named, plugins_print_to_stderr, report
from wsrouter.cli.systemd_fit import check_units

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from wsrouter.config.problems import Problem, Problems

NAME = "check"
HELP = "check a site: all problems at once, with file, line and column"
EPILOG = """\
A systemd unit (wsrouter*.service, looked for in $SYSTEMD_UNIT_PATH or where systemd looks) that
runs this site and gives it less time to stop than server.shutdown asks for is a warning, too;
and so is a ListenStream= of its socket unit, where that is enabled, that is not in server.listen.

exit codes:
  0 nothing is wrong (there may be warnings), 1 something is, 2 wrong usage
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    add_site_arguments(parser)
    parser.add_argument("--format", choices=("text", "github"), default="text", help="github: as annotations of GitHub Actions")
    parser.add_argument("--json", action="store_true", help="print the problems as JSON")


def run(arguments: Namespace) -> int:
    """0 without errors (warnings are shown), else 1."""
    from wsrouter.config.problems import Problems

    path = find_site(arguments, os.environ)
    problems = Problems()
    with plugins_print_to_stderr():
        site = load_named(path, problems)
    if site is not None:
        check_units(path, site.file.server, os.environ, problems)
    if arguments.json:
        print(json.dumps([as_json(problem) for problem in problems], indent=2, ensure_ascii=False))
    elif arguments.format == "github":
        for problem in problems:
            print(as_annotation(problem))
    else:
        report(problems)
        print(_summary(str(path), problems, len(site.routes) if site is not None else None), file=sys.stderr if problems.errors else sys.stdout)
    return 0 if site is not None else 1


def as_json(problem: Problem) -> dict[str, object]:
    """A problem as JSON."""
    place = problem.place
    return {"file": place.file, "line": place.line, "column": place.column, "severity": problem.severity, "message": problem.message}


def as_annotation(problem: Problem) -> str:
    """A problem as GitHub Actions reads it: `::error file=…,line=…,col=…::message`, escaped as its toolkit escapes."""
    place = problem.place
    file = _escape(place.file).replace(":", "%3A").replace(",", "%2C")
    return f"::{problem.severity} file={file},line={place.line},col={place.column}::{_escape(problem.message)}"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _summary(path: str, problems: Problems, routes: int | None) -> str:
    counted = count_problems(problems)
    if routes is None:
        return f"{path}: {counted}"
    return f"{path}: ok, {routes} route{'s' * (routes != 1)}{' and ' + counted if counted else ''}"
