"""`wsrouter explain PATH|URL`: which route wins, why the others lost, and every setting that is in force with its place."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wsrouter.cli.site_choice import add_site_arguments, find_site, load_site_or_report
from wsrouter.cli.table import format_table

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from wsrouter.site.site import Route, Site

NAME = "explain"
HELP = "tell which route serves a path, and why, with every setting in force"


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("path", metavar="PATH|URL", help="a path like /room/a, or a URL")
    add_site_arguments(parser, positional=False)
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(arguments: Namespace) -> int:
    """0 where a route serves the path, else 1."""
    from wsrouter.routing.path import PathError
    from wsrouter.routing.router import Router

    path = find_site(arguments, os.environ)
    site = load_site_or_report(path) if path is not None else None
    if site is None:
        return 1
    router = Router([(route.pattern, route) for route in site.routes])
    wanted = _path_of(arguments.path)
    try:
        match = router.match(wanted)
    except PathError as error:
        print(f"{wanted}: refused with 400: {error}")
        return 1
    verdicts = [(str(pattern), why) for pattern, won, why in router.explain(wanted) if not won]
    route = match.value if match is not None else None
    params = dict(match.params) if match is not None else {}
    if arguments.json:
        print(json.dumps(as_json(wanted, route, params, verdicts), indent=2))
    else:
        _print(site, wanted, route, params, verdicts, router.nearest(wanted))
    return 0 if route is not None else 1


def as_json(path: str, route: Route | None, params: dict[str, str | int], verdicts: list[tuple[str, str]]) -> dict[str, object]:
    """The explanation as JSON."""
    return {
        "path": path,
        "route": route.entry.pattern if route is not None else None,
        "place": str(route.entry.place) if route is not None else None,
        "params": params,
        "steps": [{"name": step.name, "kind": spec.kind, "origin": spec.origin} for step, spec in route.specs] if route is not None else [],
        "settings": [{"setting": name, "value": value, "from": place} for name, value, place in settings_of(route)] if route is not None else [],
        "others": [{"route": pattern, "why": why} for pattern, why in verdicts],
    }


def settings_of(route: Route) -> list[tuple[str, str, str]]:
    """Every setting of a route in force: its name, its value as YAML has it, and where it comes from."""
    from wsrouter.config.settings import RouteSettings
    from wsrouter.config.describe import flat_settings

    entry = route.entry
    return [(name, text, str(entry.sources.get(name, "default"))) for name, text in flat_settings(RouteSettings, entry.settings)]


def _print(site: Site, path: str, route: Route | None, params: dict[str, str | int], verdicts: list[tuple[str, str]], nearest: str | None) -> None:
    if route is None:
        print(f"{path}: no route of {site.file.path} serves it; refused with 404{f'; the nearest is {nearest}' if nearest else ''}")
    else:
        print(f"{path} is served by {route.entry.pattern} ({route.entry.place})")
        for name, value in params.items():
            print(f"  {{{name}}} = {value!r}")
        print("\nsteps")
        for step, spec in route.specs:
            print(f"  {step.name}: {spec.kind}, {spec.origin}" + "".join(f"\n    {name}: {value!r}" for name, value in step.options.items()))
        print("\nsettings")
        print("\n".join("  " + line for line in format_table(("SETTING", "VALUE", "FROM"), settings_of(route)).splitlines()))
    if verdicts:
        print("\nother routes")
        print("\n".join("  " + line for line in format_table(("ROUTE", "WHY NOT"), verdicts).splitlines()))


def _path_of(text: str) -> str:
    """The path of a URL; a path without its query."""
    if "://" in text:
        return urlsplit(text).path or "/"
    return text.partition("?")[0]
