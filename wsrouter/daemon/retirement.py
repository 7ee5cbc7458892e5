"""Routes that a reload replaced or removed: their connections are seen off as `on_change` says, then their handlers stop."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from wsrouter.api.causes import Cause
from wsrouter.config.settings import DrainTime
from wsrouter.daemon.spread import close_spread, gentle_s

if TYPE_CHECKING:
    from wsrouter.pipeline.endpoint import Endpoint
    from wsrouter.site.generation import BuiltRoute
    from wsrouter.wire.hub import Member

LAST_WORDS_S = 5.0
"""How long coroutines and async hooks may take to end once their connections are gone, before they are cancelled."""

Connections = Mapping["Endpoint", Sequence["Member"]]
"""The open connections of each route."""


class _Closing:
    """The closing of the connections of some routes; `routes` counts those that still have some."""

    def __init__(self, task: asyncio.Task[None], routes: int) -> None:
        self.task = task
        self.routes = routes

    def route_is_empty(self) -> None:
        """Ends it with the last: clients that left by themselves leave nobody to be closed."""
        self.routes -= 1
        if not self.routes:
            self.task.cancel()


class _Leaving:
    """One route on its way out, with the task that waits for its end, and how its connections are closed."""

    def __init__(self, built: BuiltRoute) -> None:
        self.built = built
        self.seeing_off: asyncio.Task[None] | None = None
        self.closing: _Closing | None = None


class Retirement:
    """All routes that are on their way out. Of one path, one is left with its connections at the most; an older one is drained."""

    def __init__(self, spread_s: float, on_gone: Callable[[], None]) -> None:
        """`spread_s`: over how long connections are closed at the most, where the route does not say. `on_gone`: one has stopped."""
        self.spread_s = spread_s
        self._on_gone = on_gone
        self._leaving: list[_Leaving] = []

    @property
    def routes(self) -> list[BuiltRoute]:
        """Those whose handlers have not stopped yet, oldest first."""
        return [leaving.built for leaving in self._leaving]

    @property
    def draining(self) -> int:
        """How many open connections are being closed for reloads."""
        return sum(leaving.built.endpoint.connections for leaving in self._leaving if leaving.closing is not None)

    def take(self, replaced: Iterable[tuple[BuiltRoute, str | DrainTime]], removed: Iterable[BuiltRoute], connections: Connections) -> None:
        """A reload has replaced routes, each with what its successor's `on_change` says, and removed others.

        Connections that have to go for it go in one spread, of which each route has its share.
        """
        older = self._by_pattern()  # a third generation comes: those that wait for their connections are drained
        changed: list[_Leaving] = []
        gone: list[_Leaving] = []
        for old, on_change in replaced:
            changed += older[old.pattern]
            leaving = self._add(old)
            if isinstance(on_change, DrainTime):
                self._close([leaving], Cause.ROUTE_CHANGED, connections, on_change.drain)
        for old in removed:
            gone += [*older[old.pattern], self._add(old)]
        self._close(changed, Cause.ROUTE_CHANGED, connections)
        self._close(gone, Cause.ROUTE_REMOVED, connections)

    async def end_at_once(self, old: BuiltRoute, connections: Connections) -> int:
        """Closes the connections of a route and stops its handlers, before their successors start; tells how many there were."""
        self._close(self._by_pattern()[old.pattern], Cause.ROUTE_CHANGED, connections)
        old.endpoint.accepts = False
        members = connections.get(old.endpoint, ())
        await close_spread(members, Cause.ROUTE_CHANGED, 0.0)
        await _emptied(old.endpoint)  # a client that does not answer its close is cut off by the connection's own timer
        await old.stop(LAST_WORDS_S)
        return len(members)

    async def stop(self) -> None:
        """The daemon stops: whatever is left stops now."""
        leaving, self._leaving = self._leaving, []
        for each in leaving:
            if each.seeing_off is not None:
                each.seeing_off.cancel()
            if each.closing is not None:
                each.closing.task.cancel()
        await asyncio.gather(*(each.built.stop() for each in leaving))

    def _add(self, built: BuiltRoute) -> _Leaving:
        leaving = _Leaving(built)
        self._leaving.append(leaving)
        if built.endpoint.quarantine is not None:
            built.endpoint.quarantine.retire()
        leaving.seeing_off = asyncio.create_task(self._see_off(leaving), name=f"retiring {built.pattern}")
        return leaving

    async def _see_off(self, leaving: _Leaving) -> None:
        await _emptied(leaving.built.endpoint)
        if leaving.closing is not None:
            leaving.closing.route_is_empty()
        await leaving.built.stop(LAST_WORDS_S)
        self._leaving.remove(leaving)
        self._on_gone()

    def _by_pattern(self) -> dict[str, list[_Leaving]]:
        found: dict[str, list[_Leaving]] = defaultdict(list)
        for leaving in self._leaving:
            found[leaving.built.pattern].append(leaving)
        return found

    def _close(self, routes: Iterable[_Leaving], cause: Cause, connections: Connections, over_s: float | None = None) -> None:
        """Begins to close the connections of routes where that has not begun; without `over_s`, over as long as is gentle."""
        closing = [leaving for leaving in routes if leaving.closing is None]
        members = [member for leaving in closing for member in connections.get(leaving.built.endpoint, ())]
        if not members:
            return
        over_s = gentle_s(len(members), self.spread_s) if over_s is None else over_s
        task = asyncio.create_task(close_spread(members, cause, over_s), name=f"closing {closing[0].built.pattern}")
        shared = _Closing(task, len(closing))
        for leaving in closing:
            leaving.closing = shared


async def _emptied(endpoint: Endpoint) -> None:
    """Waits until the last connection of a route is gone."""
    empty = asyncio.Event()
    endpoint.on_empty = empty.set
    if endpoint.connections:
        await empty.wait()
