"""A site of one handler that is at hand as an object, with its options and settings as a YAML file would give them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wsrouter.config.document import parse_document
from wsrouter.config.nodes import MappingNode
from wsrouter.config.problems import Place, Problems
from wsrouter.config.route_entry import RouteReader
from wsrouter.plugins.build import build_spec
from wsrouter.plugins.choice import as_candidate, complaint
from wsrouter.plugins.library import HandlerLibrary
from wsrouter.site.quick import site_of_routes
from wsrouter.site.site import pattern_params

if TYPE_CHECKING:
    from wsrouter.plugins.spec import HandlerSpec
    from wsrouter.site.site import Site

SOURCE = "options"
"""What problems name as their file: nothing is written down."""


def handler_site(
    target: Callable[..., object],
    problems: Problems,
    *,
    route: str = "/",
    options: Mapping[str, object] | None = None,
    settings: Mapping[str, object] | None = None,
) -> Site | None:
    """The site `routes: {route: {handler: …, options: …, **settings}}`; None where it has problems, which are noted.

    `options` and `settings` are values as YAML has them: a time is `"5s"`.
    """
    name = getattr(target, "__name__", "handler")
    candidate = as_candidate(name, target)
    if candidate is None:
        problems.add(Place(name), complaint(target) or f"{name} is no handler: give a Handler class, a coroutine function or an async generator function")
        return None
    written = {route: {"handler": name, "options": dict(options or {}), **(settings or {})}}
    root = parse_document(json.dumps(written, ensure_ascii=False), SOURCE, problems)
    if not isinstance(root, MappingNode):
        return None
    reader = RouteReader(_Finder(build_spec(candidate, name)), pattern_params, MappingNode(root.place, ()), problems)
    entries = [entry for key, node in root.pairs if (entry := reader.read(key, node)) is not None]
    return site_of_routes(Path(name), (), entries, HandlerLibrary(), problems)


class _Finder:
    """Knows one handler."""

    def __init__(self, spec: HandlerSpec) -> None:
        self._spec = spec

    def find(self, name: str) -> HandlerSpec:
        """The one."""
        return self._spec

    def names(self) -> Sequence[str]:
        """Its name."""
        return (self._spec.name,)
