"""`wsrouter check`: all problems of a site at once, with their places and cures."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from wsrouter.cli.site_choice import add_site_arguments, find_site, report

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from wsrouter.config.problems import Problem, Problems

NAME = "check"
HELP = "check a site: all problems at once, with file, line and column"


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    add_site_arguments(parser)
    parser.add_argument("--format", choices=("text", "github"), default="text", help="github: as annotations of GitHub Actions")
    parser.add_argument("--json", action="store_true", help="print the problems as JSON")


def run(arguments: Namespace) -> int:
    """0 without errors (warnings are shown), else 1."""
    from wsrouter.config.problems import Problems
    from wsrouter.site.site import load_site

    path = find_site(arguments, os.environ)
    if path is None:
        return 1
    problems = Problems()
    site = load_site(path, os.environ, problems)
    if arguments.json:
        print(json.dumps([as_json(problem) for problem in problems], indent=2))
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
    """A problem as GitHub Actions reads it: `::error file=…,line=…,col=…::message`, with %, CR and LF escaped."""
    message = problem.message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::{problem.severity} file={problem.place.file},line={problem.place.line},col={problem.place.column}::{message}"


def _summary(path: str, problems: Problems, routes: int | None) -> str:
    errors, warnings = len(problems.errors), len(problems.warnings)
    counted = [f"{count} {word}{'s' * (count != 1)}" for count, word in ((errors, "problem"), (warnings, "warning")) if count]
    if routes is None:
        return f"{path}: {' and '.join(counted)}"
    return f"{path}: ok, {routes} route{'s' * (routes != 1)}{' and ' + counted[0] if counted else ''}"
