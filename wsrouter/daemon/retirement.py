"""Routes that a reload replaced or removed: their connections are seen off as `on_change` says, then their handlers stop."""

from __future__ import annotations

import asyncio
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


class _Leaving:
    """One route on its way out, with its tasks: the one that waits for its end, and the one that closes its connections."""

    def __init__(self, built: BuiltRoute) -> None:
        self.built = built
        self.seeing_off: asyncio.Task[None] | None = None
        self.closing: asyncio.Task[None] | None = None


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
        changed: list[_Leaving] = []
        gone: list[_Leaving] = []
        for old, on_change in replaced:
            changed += self._older(old.pattern)
            leaving = self._add(old)
            if isinstance(on_change, DrainTime):
                self._close([leaving], Cause.ROUTE_CHANGED, connections, on_change.drain)
        for old in removed:
            gone += [*self._older(old.pattern), self._add(old)]
        self._close(changed, Cause.ROUTE_CHANGED, connections)
        self._close(gone, Cause.ROUTE_REMOVED, connections)

    async def end_at_once(self, old: BuiltRoute, connections: Connections) -> int:
        """Closes the connections of a route and stops its handlers, before their successors start; tells how many there were."""
        self._close(self._older(old.pattern), Cause.ROUTE_CHANGED, connections)
        old.endpoint.accepts = False
        members = connections.get(old.endpoint, ())
        await close_spread(members, Cause.ROUTE_CHANGED, 0.0)
        await _emptied(old.endpoint)  # a client that does not answer its close is cut off by the connection's own timer
        await old.stop(LAST_WORDS_S)
        return len(members)

    async def stop(self) -> None:
        """The daemon stops: whatever is left stops now."""
        leaving, self._leaving = self._leaving, []
        for task in [task for each in leaving for task in (each.seeing_off, each.closing) if task is not None]:
            task.cancel()
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
        await leaving.built.stop(LAST_WORDS_S)
        self._leaving.remove(leaving)
        self._on_gone()

    def _older(self, pattern: str) -> list[_Leaving]:
        """Those of a path that are on their way out already: a third generation comes, and they are drained."""
        return [leaving for leaving in self._leaving if leaving.built.pattern == pattern]

    def _close(self, routes: Iterable[_Leaving], cause: Cause, connections: Connections, over_s: float | None = None) -> None:
        """Begins to close the connections of routes where that has not begun; without `over_s`, over as long as is gentle."""
        closing = [leaving for leaving in routes if leaving.closing is None]
        members = [member for leaving in closing for member in connections.get(leaving.built.endpoint, ())]
        if not members:
            return
        over_s = gentle_s(len(members), self.spread_s) if over_s is None else over_s
        task = asyncio.create_task(close_spread(members, cause, over_s), name=f"closing {closing[0].built.pattern}")
        for leaving in closing:
            leaving.closing = task


async def _emptied(endpoint: Endpoint) -> None:
    """Waits until the last connection of a route is gone."""
    empty = asyncio.Event()
    endpoint.on_empty = empty.set
    if endpoint.connections:
        await empty.wait()
