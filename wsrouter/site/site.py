"""`Site`: one checked configuration, everything that one YAML file says, with its handlers found and its patterns parsed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsrouter.config.site_file import load_site_file
from wsrouter.plugins.library import HandlerLibrary
from wsrouter.routing.pattern import parse_pattern
from wsrouter.site.checks import check_routes
from wsrouter.site.doors import Doors
from wsrouter.site.route import Route

if TYPE_CHECKING:
    from pathlib import Path

    from wsrouter.config.problems import Problems
    from wsrouter.config.site_file import RouteEntry, SiteFile


@dataclass(frozen=True, slots=True)
class Site:
    """A site without problems, ready to be built."""

    file: SiteFile
    routes: tuple[Route, ...]
    library: HandlerLibrary
    began_ns: int
    """When its files began to be read, on the wall clock."""


def load_site(path: Path, environ: Mapping[str, str], problems: Problems, previous: Site | None = None, *, trusting: bool = False) -> Site | None:
    """Loads a site with its includes and plugins; None where there are errors, all of which are in `problems`.

    Handlers of plugin files that are unchanged since `previous` are taken over from it. Plugins that others may change are
    only warned of if `trusting`.
    """
    began_ns = time.time_ns()
    libraries: list[HandlerLibrary] = []

    def make_library(folders: tuple[Path, ...]) -> HandlerLibrary:
        libraries.append(HandlerLibrary(folders, previous.library if previous is not None else None, trusting=trusting))
        return libraries[0]

    made: list[Doors] = []

    def check_entries(entries: Sequence[RouteEntry]) -> None:
        if libraries:
            before = [] if previous is None else [route.door for route in previous.routes if route.door is not None]
            made.append(Doors(path.parent, libraries[0], problems, before))
            check_routes(_routes(entries, made[0]), libraries[0], problems)

    file = load_site_file(path, make_finder=make_library, pattern_params=pattern_params, environ=environ, problems=problems, check_routes=check_entries)
    if file is None:
        for library in libraries:
            library.close()
        return None
    return Site(file, _routes(file.routes, made[0]), libraries[0], began_ns)


def make_site(file: SiteFile, library: HandlerLibrary, problems: Problems, began_ns: int) -> Site | None:
    """Puts a site together that was made without YAML, and holds its routes against each other."""
    routes = _routes(file.routes)
    check_routes(routes, library, problems)
    return None if problems.errors else Site(file, routes, library, began_ns)


def _routes(entries: Sequence[RouteEntry], doors: Doors | None = None) -> tuple[Route, ...]:
    return tuple(Route(entry, parse_pattern(entry.pattern), None if doors is None else doors.door_of(entry)) for entry in entries)


def pattern_params(text: str) -> tuple[str, ...]:
    """The parameters of a pattern.

    Raises:
        ValueError: if it is none; the text says why.
    """
    return parse_pattern(text).params
