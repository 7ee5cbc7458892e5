"""`wsrouter explain PATH|URL`: which route wins, why the others lost, and every setting that is in force with its place."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from wsrouter.access.bounds import BOUNDS
from wsrouter.cli.errors import CommandError
from wsrouter.cli.site_choice import add_site_arguments, find_site, load_or_report
from wsrouter.cli.table import format_table

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from wsrouter.site.route import Route
    from wsrouter.site.site import Site

NAME = "explain"
HELP = "tell which route serves a path, and why, with every setting in force"
EPILOG = """\
examples:
  wsrouter explain /room/lobby
  wsrouter explain 'wss://example.com/echo?x=1' -c site.yaml

exit codes:
  0 a route serves the path, 1 none does
"""

MOST_OTHERS: Final = 20
"""How many of the routes that lost are shown; `--json` has all."""

Options = list[tuple[str, str, str]]
"""Names, values as the site writes them, and where they come from."""


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("path", metavar="PATH|URL", help="a path like /room/lobby, or a URL of which the path counts")
    add_site_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(arguments: Namespace) -> int:
    """0 where a route serves the path, else 1."""
    from wsrouter.routing.path import PathError
    from wsrouter.routing.router import Router

    wanted = path_of(arguments.path)
    site = load_or_report(find_site(arguments, os.environ))
    if site is None:
        return 1
    router = Router([(route.pattern, route) for route in site.routes])
    try:
        match = router.match(wanted)
    except PathError as error:
        print(f"{wanted}: refused with 400: {error}", file=sys.stderr)
        return 1
    others = [(str(verdict.pattern), verdict.why) for verdict in router.explain(wanted) if not verdict.won]
    route = match.value if match is not None else None
    params = dict(match.params) if match is not None else {}
    if arguments.json:
        print(json.dumps(as_json(site, wanted, route, params, others), indent=2, ensure_ascii=False))
    elif route is not None:
        _print_route(wanted, route, params)
        _print_server(site)
        _print_others(others)
    else:
        nearest = router.nearest(wanted)
        print(f"{wanted}: no route of {site.file.path} serves it; refused with 404{f'; the nearest is {nearest}' if nearest else ''}")
        _print_others(others)
    return 0 if route is not None else 1


def path_of(text: str) -> str:
    """The path of a URL; a path without its query.

    Raises:
        CommandError: if it is neither.
    """
    if "://" not in text:
        return text.partition("?")[0]
    try:
        return urlsplit(text).path or "/"
    except ValueError as error:
        raise CommandError(f"{text!r} is no URL: {error}", 2) from None


def as_json(site: Site, path: str, route: Route | None, params: dict[str, str | int], others: list[tuple[str, str]]) -> dict[str, object]:
    """The explanation as JSON."""
    return {
        "path": path,
        "route": route.entry.pattern if route is not None else None,
        "place": str(route.entry.place) if route is not None else None,
        "params": params,
        "steps": steps_json(route) if route is not None else [],
        "settings": [{"setting": name, "value": value, "from": place} for name, value, place in settings_of(route)] if route is not None else [],
        "server_limits": dict(server_limits(site)),
        "constants": [bound._asdict() for bound in BOUNDS],
        "others": [{"route": pattern, "why": why} for pattern, why in others],
    }


def steps_json(route: Route) -> list[dict[str, object]]:
    """The steps of a route as JSON."""
    return [
        {"name": step.name, "kind": spec.kind, "origin": spec.origin, "options": {name: value for name, value, _ in options}}
        for (step, spec), options in zip(route.specs, options_of(route), strict=True)
    ]


def settings_of(route: Route) -> Options:
    """Every setting of a route in force: its name, its value as YAML has it, and where it comes from."""
    from wsrouter.config.describe import flat_settings
    from wsrouter.config.settings import RouteSettings

    entry = route.entry
    return [(name, text, str(entry.sources.get(name, "default"))) for name, text in flat_settings(RouteSettings, entry.settings)]


def server_limits(site: Site) -> list[tuple[str, str]]:
    """What the whole server takes: every setting with its value as YAML has it."""
    from wsrouter.config.describe import flat_settings
    from wsrouter.config.settings import ServerLimits

    return flat_settings(ServerLimits, site.file.server.limits, "server.limits.")


def zero_of(record: type, setting: str, value: str, prefix: str = "") -> str:
    """What a zero means, in the words of the setting's help: ` (no limit)`; nothing for what is no zero, or a plain one."""
    from wsrouter.config.describe import declared

    if value not in ("0", "0s"):
        return ""
    description = next(description for name, _, _, description in declared(record, prefix) if name == setting)
    meaning = re.search(rf"\b{value} is ([^.]+)", description)
    return f" ({meaning[1]})" if meaning else ""


def options_of(route: Route) -> list[Options]:
    """The options of each step in force, those that are given first."""
    from wsrouter.config.describe import shown

    found = []
    for step, spec in route.specs:
        values = spec.with_defaults(step.options)
        rows = [
            (field.name.removesuffix("_"), shown(values[field.name], field.annotation), str(step.place) if field.name in step.options else "default")
            for field in spec.fields
            if field.name in values
        ]
        found.append(sorted(rows, key=lambda row: row[2] == "default"))
    return found


def _print_route(path: str, route: Route, params: dict[str, str | int]) -> None:
    from wsrouter.config.settings import RouteSettings

    print(f"{path} is served by {route.entry.pattern} ({route.entry.place})")
    for name, value in params.items():
        print(f"  {{{name}}} is {value!r}")
    print("\nsteps")
    for (step, spec), options in zip(route.specs, options_of(route), strict=True):
        print(f"  {step.name} ({spec.kind}, {spec.origin})")
        if options:
            _print_table(("OPTION", "VALUE", "FROM"), options, "    ")
    print("\nsettings")
    _print_table(("SETTING", "VALUE", "FROM"), [(name, f"{value}{zero_of(RouteSettings, name, value)}", place) for name, value, place in settings_of(route)])


def _print_server(site: Site) -> None:
    from wsrouter.config.settings import ServerLimits

    print("\nlimits of the server")
    _print_table(("SETTING", "VALUE"), [(name, f"{value}{zero_of(ServerLimits, name, value, 'server.limits.')}") for name, value in server_limits(site)])
    print("\nconstants, the same for every route")
    _print_table(("CONSTANT", "VALUE", "BEYOND"), [(bound.name, bound.value, bound.beyond) for bound in BOUNDS])


def _print_others(others: list[tuple[str, str]]) -> None:
    """The routes that lost, those that came closest first."""
    if not others:
        return
    print("\nother routes")
    closest = sorted(others, key=lambda other: other[1].startswith("segment 1 "))
    _print_table(("ROUTE", "WHY NOT"), closest[:MOST_OTHERS])
    if len(others) > MOST_OTHERS:
        print(f"  and {len(others) - MOST_OTHERS} more, which --json lists")


def _print_table(header: tuple[str, ...], rows: Options | list[tuple[str, str]], indent: str = "  ") -> None:
    print("\n".join(indent + line for line in format_table(header, rows).splitlines()))
