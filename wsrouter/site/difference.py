"""What differs between two generations of a site, route by route. Pure: it looks at what was checked, not at the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsrouter.config.site_file import StepEntry
    from wsrouter.plugins.spec import HandlerSpec
    from wsrouter.site.route import Route


@dataclass(frozen=True, slots=True)
class Difference:
    """The routes of the next site by what a reload does to them; `removed` are those of the site before."""

    same: tuple[Route, ...]
    """Nothing changed, wherever they stand in the file now."""
    resettled: tuple[Route, ...]
    """The same handlers with other settings."""
    changed: tuple[Route, ...]
    """Other handlers, other options, or a plugin whose files changed."""
    added: tuple[Route, ...]
    removed: tuple[Route, ...]


def compare(before: Sequence[Route], after: Sequence[Route]) -> Difference:
    """Holds two sites against each other. Routes are the same route where their patterns are the same text."""
    old = {route.entry.pattern: route for route in before}
    new = {route.entry.pattern for route in after}
    both = [route for route in after if route.entry.pattern in old]
    same_handlers = [route for route in both if has_same_handlers(old[route.entry.pattern], route)]
    staying = {route.entry.pattern for route in same_handlers}
    return Difference(
        same=tuple(route for route in same_handlers if route.entry.settings == old[route.entry.pattern].entry.settings),
        resettled=tuple(route for route in same_handlers if route.entry.settings != old[route.entry.pattern].entry.settings),
        changed=tuple(route for route in both if route.entry.pattern not in staying),
        added=tuple(route for route in after if route.entry.pattern not in old),
        removed=tuple(route for route in before if route.entry.pattern not in new),
    )


def has_same_handlers(one: Route, other: Route) -> bool:
    """Whether two routes have the same steps: the same code, which is the same object where no file changed, with equal options."""
    if len(one.specs) != len(other.specs):
        return False
    return all(
        first.name == second.name and spec.target is spec_after.target and _options(first, spec) == _options(second, spec_after)
        for (first, spec), (second, spec_after) in zip(one.specs, other.specs, strict=True)
    )


def _options(step: StepEntry, spec: HandlerSpec) -> dict[str, object]:
    """All options of a step: a default that is written out is no change. Defaults are compared as they are, since a copy may equal nothing."""
    return {**{field.name: field.default for field in spec.fields}, **step.options}
