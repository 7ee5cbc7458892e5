"""`Route`: one route of a site, checked, with its handlers found and its pattern parsed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from wsrouter.access.door import Door
    from wsrouter.config.site_file import RouteEntry, StepEntry
    from wsrouter.plugins.spec import HandlerSpec
    from wsrouter.routing.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Route:
    """A route of a site: its entry in the file and its parsed pattern."""

    entry: RouteEntry
    pattern: Pattern
    door: Door | None = None
    """Who may come in; None is everybody."""

    @property
    def specs(self) -> list[tuple[StepEntry, HandlerSpec]]:
        """Its steps, each with the handler that was found for it."""
        return [(step, cast("HandlerSpec", step.handler)) for step in self.entry.steps]
