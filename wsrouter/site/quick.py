"""A site without YAML: every handler of a plugin file or folder at the path of its name; a single one at `/` too."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from wsrouter.api.options import REQUIRED
from wsrouter.config.finder import HandlerProblem
from wsrouter.config.problems import Place, relative_to_here
from wsrouter.config.route_entry import RouteEntry, StepEntry
from wsrouter.config.settings import Admin, Log, Plugins, RouteSettings, Server
from wsrouter.config.site_file import SiteFile
from wsrouter.plugins.library import HandlerLibrary
from wsrouter.routing.pattern import PatternError, parse_pattern
from wsrouter.site.site import Site, make_site

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wsrouter.config.problems import Problems
    from wsrouter.plugins.spec import HandlerSpec


def quick_site(path: Path, problems: Problems, previous: Site | None = None, *, trusting: bool = False) -> Site | None:
    """The site of a plugin file or folder, with default settings; None where a handler cannot be had, with the problems noted.

    Handlers of files that are unchanged since `previous` are taken over from it. Files that others may change are only warned of if `trusting`.
    """
    began_ns = time.time_ns()
    library = HandlerLibrary([path], previous.library if previous is not None else None, trusting=trusting)
    if not library.plugin_names():
        problems.add(Place(relative_to_here(path)), _nothing_there(path))
        return None
    specs = _handlers(library, problems)
    entries = [entry for spec in specs for entry in _entries(spec, problems, single=len(specs) == 1)]
    site = site_of_routes(path, (path,), entries, library, problems, began_ns)
    if site is None:
        library.close()
    return site


def site_of_routes(
    path: Path, files: tuple[Path, ...], entries: Sequence[RouteEntry], library: HandlerLibrary, problems: Problems, began_ns: int = 0
) -> Site | None:
    """A site of these routes, with default settings; None where something is wrong, with the problems noted."""
    file = SiteFile(path, Server(), Log(), Plugins(), files, Admin(), tuple(entries), (), (), files, {})
    return None if problems.errors else make_site(file, library, problems, began_ns)


def _handlers(library: HandlerLibrary, problems: Problems) -> list[HandlerSpec]:
    """The handler of each file; all of a file in which none stands out."""
    found: list[HandlerSpec] = []
    for entry in library.plugin_specs():
        if isinstance(entry, HandlerProblem):
            problems.add(entry.place or Place("."), entry.message)
        elif ":" not in entry.name or entry.name.partition(":")[0] not in {spec.name for spec in found}:
            found.append(entry)
    return found


def _entries(spec: HandlerSpec, problems: Problems, *, single: bool) -> list[RouteEntry]:
    """The routes of one handler."""
    name = spec.name
    place = Place(relative_to_here(spec.file), spec.line) if spec.file is not None else Place(name)
    missing = [field.name for field in spec.fields if field.default is REQUIRED]
    if missing:
        problems.add(place, f"{name} needs the option {missing[0]}: write a site that gives it, {name}: {{{missing[0]}: …}}")
        return []
    try:
        parse_pattern(f"/{name}")
    except PatternError:
        problems.add(place, f"{name!r} cannot be a path: rename the file to lower-case letters, digits and _, or write a site")
        return []
    return [_entry(pattern, spec, place) for pattern in (f"/{name}", *(["/"] if single else []))]


def _entry(pattern: str, spec: HandlerSpec, place: Place) -> RouteEntry:
    return RouteEntry(pattern, place, (StepEntry(spec.name, spec, {}, place),), RouteSettings(), {})


def _nothing_there(path: Path) -> str:
    if (path / "site.yaml").is_file():
        return f"there is no plugin here, but a site: write {path / 'site.yaml'}"
    if path.is_file():
        return f"{path.name!r} cannot be a plugin: name it like hello.py"
    return "there is no plugin here: write one, for example with wsrouter new hello"
