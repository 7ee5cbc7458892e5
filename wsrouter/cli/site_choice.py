"""Which site a command works on, and how its problems are shown: what run, check, routes, explain and handlers share."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping

    from wsrouter.config.problems import Problems
    from wsrouter.site.site import Site

PLACES = ("site.yaml", "config/site.yaml", "/etc/wsrouter/site.yaml")


def add_site_arguments(parser: ArgumentParser, *, positional: bool = True) -> None:
    """Declares `-c/--config FILE`, and FILE on its own."""
    if positional:
        parser.add_argument("site", nargs="?", metavar="FILE", help="the site's YAML file")
    parser.add_argument("-c", "--config", metavar="FILE", help="the site's YAML file")


def find_site(arguments: Namespace, environ: Mapping[str, str]) -> Path | None:
    """The site's file: as named, else the first that exists of the usual places; None after saying so."""
    named = arguments.config or getattr(arguments, "site", None) or environ.get("WSROUTER_CONFIG")
    if named:
        return Path(named)
    for place in PLACES:
        if Path(place).is_file():
            return Path(place)
    print(f"no site found: name one with --config FILE, or make one with wsrouter init (looked for {', '.join(PLACES)})", file=sys.stderr)
    return None


def load_site_or_report(path: Path) -> Site | None:
    """Loads a site; its problems go to stderr, with their source lines."""
    from wsrouter.config.problems import Problems
    from wsrouter.site.site import load_site

    problems = Problems()
    site = load_site(path, os.environ, problems)
    report(problems)
    return site


def report(problems: Problems) -> None:
    """Shows problems on stderr: `file:line:column: message`, the source line, a caret."""
    from wsrouter.config.problems import with_source

    lines: dict[str, list[str]] = {}
    for problem in problems:
        name = problem.place.file
        if name not in lines:
            lines[name] = _lines(name)
        index = problem.place.line - 1
        print(with_source(problem, lines[name][index] if index < len(lines[name]) else None), file=sys.stderr)


def _lines(name: str) -> list[str]:
    try:
        return Path(name).read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []
