"""Reload: the next generation is built and checked beside the running one, then swapped at once; any problem leaves the old one serving."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from wsrouter.admin.steering import ReloadOutcome
from wsrouter.api.causes import Cause
from wsrouter.api.errors import StartError
from wsrouter.api.ports import Failure
from wsrouter.config.problems import Problems
from wsrouter.daemon.outcome import done, refused, restart_needed
from wsrouter.plugins.spec import error_text
from wsrouter.site.generation import BuiltRoute

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from wsrouter.access.door import Door
    from wsrouter.config.settings import RouteSettings
    from wsrouter.daemon.listeners import ListenerChange
    from wsrouter.daemon.loader import SiteLoader
    from wsrouter.daemon.running import Running
    from wsrouter.pipeline.endpoint import Endpoint
    from wsrouter.site.generation import Generation
    from wsrouter.wire.hub import Member

START_S = 30.0
"""How long one handler may take to start; the old ones serve meanwhile."""
SLICE = 100
"""So many connections get their new settings in one turn of the loop: about a millisecond."""


class Reloader:
    """Reloads one site, one reload after the other. Whoever asks while one runs shares the next with all others."""

    def __init__(self, running: Running, loader: SiteLoader) -> None:
        """`last` is what became of the latest one, `last_at` when that was.

        `began_ns` is when it began to read, on the wall clock; `faulty_files` are those that its problems are in: to mend one is a reason to try again.
        """
        self.last: ReloadOutcome | None = None
        self.last_at: datetime | None = None
        self.began_ns = running.generation.site.began_ns
        self.faulty_files: frozenset[str] = frozenset()
        self.on_reloading: Callable[[], None] | None = None
        self.on_reloaded: Callable[[], None] | None = None
        self._running = running
        self._loader = loader
        self._busy = asyncio.Lock()
        self._next: asyncio.Task[ReloadOutcome] | None = None
        self._current: asyncio.Task[ReloadOutcome] | None = None
        self._is_stopped = False

    async def reload(self) -> ReloadOutcome:
        """Waits for a reload that begins after this call. Whoever stops waiting does not stop the reload."""
        if self._is_stopped:
            return ReloadOutcome(False, "not reloaded: the daemon is stopping")
        if self._next is None:
            self._next = asyncio.create_task(self._run(), name="reload")
        return await asyncio.shield(self._next)

    async def _run(self) -> ReloadOutcome:
        async with self._busy:
            self._current, self._next = self._next, None
            if self.on_reloading is not None:
                self.on_reloading()
            outcome = self.last = await self._outcome()
            self.last_at = self._running.clock.now()
            self._record(outcome)
            if self.on_reloaded is not None:
                self.on_reloaded()
            return outcome

    async def stop(self) -> None:
        """Begins no more reloads, and breaks off the one that runs: what serves goes on serving."""
        self._is_stopped = True
        tasks = [task for task in (self._current, self._next) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _outcome(self) -> ReloadOutcome:
        """What becomes of a reload, also where wsrouter itself fails."""
        self.began_ns = time.time_ns()
        reload = _Reload(self._running, self._loader)
        try:
            return await reload.run()
        except Exception as error:  # noqa: BLE001 -- whatever it is, the daemon goes on and can be asked again
            self._running.records.failed(Failure("", "wsrouter", "reload", error, None))
            return ReloadOutcome(False, f"not reloaded: {error_text(error)}; what was loaded before goes on serving, as far as it was not replaced yet")
        finally:
            self.faulty_files = frozenset(problem.place.file for problem in reload.problems.errors)

    def _record(self, outcome: ReloadOutcome) -> None:
        log = self._running.log
        if outcome.ok:
            log.info("reload.done", summary=outcome.summary, **outcome.facts)
        else:
            log.error("reload.failed", summary=outcome.summary, **outcome.facts)
        for problem in outcome.problems:
            (log.error if ": warning: " not in problem else log.warning)("reload.problem", problem=problem)


class _Reload:
    """One reload."""

    def __init__(self, running: Running, loader: SiteLoader) -> None:
        self._running = running
        self._loader = loader
        self._began_s = running.clock.monotonic()
        self.problems = Problems()
        self._ended: list[BuiltRoute] = []  # routes that were stopped before their successors started
        self._ended_connections = 0

    async def run(self) -> ReloadOutcome:
        """From the files to the new generation, or back to where it was."""
        running, change = self._running, None
        generation = await self._loader.load(running, self.problems)
        if generation is None:
            return refused(self.problems, "", self._facts())
        try:
            change = await running.listeners.prepare(running.wanted(generation.site))
            await self._start(generation, change)
        except BaseException as error:
            if change is not None:
                change.cancel()
            running.learn_plugins(generation.site)
            if not isinstance(error, StartError):
                raise
            return refused(self.problems, str(error), self._facts())
        return await self._swap(generation, change)

    async def _start(self, generation: Generation, change: ListenerChange) -> None:
        """Starts what is new; last those whose predecessors must stop before (`on_change: close`).

        Raises:
            StartError: if a handler refuses; everything is as it was then, but for the connections that were closed.
        """
        closing = [built for built in generation.fresh if built.route.entry.settings.on_change == "close" and generation.replaced(built) is not None]
        started = [built for built in generation.fresh if built not in closing]
        await generation.start(START_S, started)
        try:
            await self._end([old for built in closing if (old := generation.replaced(built)) is not None])
            await generation.start(START_S, closing)
            started += closing
            await change.serve()
            generation.adopt()  # the last: from here to the swap nobody else comes in between
        except BaseException as error:
            await asyncio.gather(*(built.stop() for built in started))
            if not isinstance(error, asyncio.CancelledError):
                await self._revive()
            raise

    async def _end(self, routes: list[BuiltRoute]) -> None:
        """Stops routes before their successors start, all at once."""
        self._ended += routes
        connections = self._running.connections()
        self._ended_connections = sum(await asyncio.gather(*(self._running.retirement.end_at_once(old, connections) for old in routes)))

    async def _revive(self) -> None:
        """A start has failed after predecessors were stopped: these are made and started anew."""
        running = self._running
        for old in self._ended:
            again = BuiltRoute(old.route, running.around)
            try:
                await again.start(START_S)
            except StartError as error:
                await again.stop()
                why = str(error)
                running.log.error("route.lost", route=old.pattern, error=why, fix="mend it and reload; until then it refuses connections")  # noqa: TRY400
            else:
                running.generation.put(again, instead_of=old)
                running.admit()

    async def _swap(self, generation: Generation, change: ListenerChange) -> ReloadOutcome:
        """The change itself. Nothing of it can fail, and up to its only await nobody sees half of it."""
        running, before = self._running, self._running.generation.site.file
        connections = running.connections()
        settings = {endpoint: endpoint.settings for endpoint in connections}
        doors = {pattern: gate.door for pattern, gate in running.gates.items()}
        open_before = len(running.hub.connections)
        change.commit()
        running.become(generation, self._ended, connections)
        draining, revoked = running.retirement.draining, 0
        hosts_changed = before.server.hosts != generation.site.file.server.hosts
        for endpoint, members in connections.items():
            revoked += await self._settle(endpoint, members, settings[endpoint], doors.get(endpoint.route), hosts_changed=hosts_changed)
        return done(
            generation.difference,
            self.problems,
            kept=open_before - draining - revoked,
            draining=draining + revoked + self._ended_connections,
            restart=restart_needed(before, generation.site.file),
            facts={"generation": generation.number, **self._facts()},
        )

    async def _settle(self, endpoint: Endpoint, members: Sequence[Member], old: RouteSettings, door: Door | None, *, hosts_changed: bool) -> int:
        """Has the open connections of a route live by its settings of now; tells how many may not stay."""
        gate, new = self._running.gates.get(endpoint.route), endpoint.settings
        if gate is None or (old == new and gate.door is door and not hosts_changed):
            return 0
        changed = (old.origins, old.addresses, old.allow) != (new.origins, new.addresses, new.allow)
        asks_again, revoked = hosts_changed or changed or gate.door is not door, 0
        for begin in range(0, len(members), SLICE):
            for member in members[begin : begin + SLICE]:
                if member.closing:
                    continue
                if asks_again and not self._running.hub.admission.still_admits(member, gate, door):
                    member.end(Cause.ACCESS_REVOKED)
                    revoked += 1
                else:
                    member.settings_changed(old)
            await asyncio.sleep(0)
        return revoked

    def _facts(self) -> dict[str, object]:
        return {"took_ms": round(1000 * (self._running.clock.monotonic() - self._began_s), 1)}
