"""The daemon as those see it who steer it: implements `Steering` for what runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from wsrouter import __version__
from wsrouter.admin.repeats import Repeats
from wsrouter.admin.steering import Published, ReloadOutcome, State
from wsrouter.daemon.health import NotReady
from wsrouter.daemon.scrape import Scrape
from wsrouter.observe.logs import logs_dropped
from wsrouter.plugins.holdings import measure

if TYPE_CHECKING:
    from pathlib import Path

    from wsrouter.api.messages import Message
    from wsrouter.daemon.reload import Reloader
    from wsrouter.daemon.running import Running
    from wsrouter.daemon.side_thread import SideThread
    from wsrouter.observe.metrics import Samples
    from wsrouter.plugins.holdings import Holding
    from wsrouter.site.generation import BuiltRoute


class Helm:
    """Steers one daemon."""

    def __init__(self, running: Running, reloader: Reloader, site_path: Path, thread: SideThread) -> None:
        """Nothing is loaded while it starts, and when it has been told to stop."""
        self.repeats: Repeats[Published] = Repeats(running.clock.monotonic)
        self._running = running
        self._reloader = reloader
        self._site = os.path.abspath(site_path)  # noqa: PTH100  as the control socket is named
        self._health = running.health
        self._thread = thread
        self._scrape = Scrape(running)
        self._started_at, self._started_s = running.clock.now(), running.clock.monotonic()

    async def reload(self) -> ReloadOutcome:
        """See `Steering`."""
        reasons = self._health.reasons
        for word, doing in ((NotReady.STARTING, "starting"), (NotReady.DRAINING, "stopping")):
            if word.value in reasons:
                return ReloadOutcome(False, f"not reloaded: the daemon is {doing}")
        return await self._reloader.reload()

    def publish(self, topic: str, messages: Sequence[Message]) -> Published:
        """See `Steering`."""
        topics = self._running.hub.topics
        found = topics.find(topic)
        if found is None:
            return Published(0, 0, is_known=False)
        behind = found.behind()
        for message in messages:
            topics.publish(topic, message)
        return Published(found.members, behind, is_known=True)

    def state(self) -> State:
        """See `Steering`."""
        return State(self._health.is_well, self._health.lag_s, self._health.reasons)

    async def metrics(self, accept: str) -> tuple[str, bytes]:
        """See `Steering`. What may take long is done in a thread."""
        samples = await self._scrape.read()
        return await self._thread.run(lambda: _render(samples, accept))

    def status(self) -> dict[str, object]:
        """See `Steering`."""
        running = self._running
        return {
            "version": __version__,
            "pid": os.getpid(),
            "site": self._site,
            "state": next(iter(self._health.reasons), "serving"),
            "started_at": self._started_at.isoformat(timespec="seconds"),
            "uptime_s": round(running.clock.monotonic() - self._started_s, 3),
            "generation": running.generation.number,
            "connections": len(running.hub.connections),
            "limits": self._limits(),
            "addresses": running.listeners.urls,
            "routes": route_statuses(running.generation.routes, running.retirement.routes),
            "last_reload": self._last_reload(),
            "log_dropped": logs_dropped(),
        }

    async def memory(self) -> list[dict[str, object]]:
        """See `Steering`. The routes that are leaving are among them: what does not go away is often of an older generation."""
        running, found = self._running, []
        for built in (*running.generation.routes, *running.retirement.routes):
            for step, (_, spec) in zip(built.endpoint.steps, built.route.specs, strict=True):
                holding = await self._thread.run(partial(measure, step.handler, spec.target.__module__, spec.package))
                found.append({"route": built.pattern, "handler": step.name, "origin": spec.origin, **_held(holding)})
        return found

    def _limits(self) -> dict[str, object]:
        limits = self._running.hub.limits
        return {"connections": limits.connections, "connections_per_address": limits.connections_per_address, "open_files": self._running.open_files}

    def _last_reload(self) -> dict[str, object] | None:
        last, at = self._reloader.last, self._reloader.last_at
        if last is None or at is None:
            return None
        return {"at": at.isoformat(timespec="seconds"), "ok": last.ok, "summary": last.summary, "problems": list(last.problems)}


def _held(holding: Holding) -> dict[str, object]:
    return {"bytes": holding.size_bytes, "objects": holding.objects, "whole": holding.is_whole}


def _render(samples: Samples, accept: str) -> tuple[str, bytes]:
    from wsrouter.observe.exposition import render  # prometheus-client: only where somebody asks, and here in a thread

    return render(samples, accept)


def route_statuses(serving: list[BuiltRoute], leaving: list[BuiltRoute]) -> list[dict[str, object]]:
    """Each route with its connections; `older` are those that still have an older handler. Last, removed routes that still have some."""
    older: dict[str, int] = {}
    for built in leaving:
        older[built.pattern] = older.get(built.pattern, 0) + built.endpoint.connections
    found = [_status(built, older.pop(built.pattern, 0), "serving") for built in serving]
    last = {built.pattern: built for built in leaving}
    return found + [{**_status(last[pattern], count, "removed"), "connections": 0} for pattern, count in older.items() if count]


def _status(built: BuiltRoute, older: int, state: str) -> dict[str, object]:
    quarantine = built.endpoint.quarantine
    return {
        "route": built.pattern,
        "handlers": [step.name for step in built.endpoint.steps],
        "connections": built.endpoint.connections,
        "older": older,
        "tasks": built.tasks,
        "task_names": built.task_names() if built.tasks else {},
        "state": "quarantined" if quarantine is not None and quarantine.is_on else state,
    }
