"""`wsrouter routes`: the routes of a site as a table."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from wsrouter.cli.site_choice import add_site_arguments, find_site, load_or_report
from wsrouter.cli.table import format_table

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from wsrouter.site.route import Route

NAME = "routes"
HELP = "list the routes of a site"


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    add_site_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print them as JSON")


def run(arguments: Namespace) -> int:
    """Prints the table; 1 if the site has problems."""
    site = load_or_report(find_site(arguments, os.environ))
    if site is None:
        return 1
    if arguments.json:
        print(json.dumps([as_json(route) for route in site.routes], indent=2, ensure_ascii=False))
    else:
        print(format_table(("ROUTE", "STEPS", "ORIGINS", "PLACE"), [_row(route) for route in site.routes]))
    return 0


def as_json(route: Route) -> dict[str, object]:
    """A route as JSON."""
    entry = route.entry
    return {
        "route": entry.pattern,
        "steps": [{"name": step.name, "kind": spec.kind, "origin": spec.origin} for step, spec in route.specs],
        "origins": entry.settings.origins,
        "file": entry.place.file,
        "line": entry.place.line,
    }


def _row(route: Route) -> tuple[str, ...]:
    entry = route.entry
    origins = entry.settings.origins
    shown = origins if isinstance(origins, str) else ", ".join(origins)
    return entry.pattern, " > ".join(step.name for step in entry.steps), shown, f"{entry.place.file}:{entry.place.line}"
