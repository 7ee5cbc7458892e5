"""A site without YAML: every handler of a plugin file or folder at the path of its name; a single one at `/` too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsrouter.api.options import REQUIRED
from wsrouter.config.finder import HandlerProblem
from wsrouter.config.problems import Place, relative_to_here
from wsrouter.config.route_entry import RouteEntry, StepEntry
from wsrouter.config.settings import Log, Plugins, RouteSettings, Server
from wsrouter.config.site_file import SiteFile
from wsrouter.plugins.library import HandlerLibrary
from wsrouter.site.site import Site, make_site

if TYPE_CHECKING:
    from pathlib import Path

    from wsrouter.config.problems import Problems
    from wsrouter.plugins.spec import HandlerSpec


def quick_site(path: Path, problems: Problems) -> Site | None:
    """The site of a plugin file or folder, with default settings; None where a handler cannot be had, with the problems noted."""
    here = Place(relative_to_here(path))
    try:
        library = HandlerLibrary([path])
    except HandlerProblem as problem:
        problems.add(problem.place or here, problem.message)
        return None
    names = library.plugin_names()
    if not names:
        problems.add(here, "there is no plugin here: write one, for example with wsrouter new hello")
        return None
    entries = [entry for name in names for entry in _entries(library, name, problems, single=len(names) == 1)]
    file = SiteFile(path, Server(), Log(), Plugins(), (path,), None, tuple(entries), (), (path,), {})
    return None if problems.errors else make_site(file, library, problems)


def _entries(library: HandlerLibrary, name: str, problems: Problems, *, single: bool) -> list[RouteEntry]:
    """The routes of one plugin file."""
    try:
        spec = library.find(name)
    except HandlerProblem as problem:
        problems.add(problem.place or Place(name), problem.message)
        return []
    place = Place(relative_to_here(spec.file), spec.line) if spec.file is not None else Place(name)
    missing = [field.name for field in spec.fields if field.default is REQUIRED]
    if missing:
        problems.add(place, f"{name} needs the option {missing[0]}: write a site that gives it, {name}: {{{missing[0]}: …}}")
        return []
    return [_entry(pattern, spec, place) for pattern in (f"/{name}", *(["/"] if single else []))]


def _entry(pattern: str, spec: HandlerSpec, place: Place) -> RouteEntry:
    return RouteEntry(pattern, place, (StepEntry(spec.name, spec, {}, place),), RouteSettings(), {})
