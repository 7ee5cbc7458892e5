"""The daemon as those see it who steer it: implements `Steering` for what runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from wsrouter import __version__
from wsrouter.daemon.steering import ReloadOutcome
from wsrouter.observe.logs import logs_dropped

if TYPE_CHECKING:
    from pathlib import Path

    from wsrouter.api.messages import Message
    from wsrouter.daemon.reload import Reloader
    from wsrouter.daemon.running import Running
    from wsrouter.site.generation import BuiltRoute


class Helm:
    """Steers one daemon."""

    def __init__(self, running: Running, reloader: Reloader, site_path: Path, is_stopping: Callable[[], bool]) -> None:
        """`is_stopping` tells whether the daemon has been told to stop: nothing is loaded then."""
        self._running = running
        self._reloader = reloader
        self._site = os.path.abspath(site_path)  # noqa: PTH100  as the control socket is named
        self._is_stopping = is_stopping
        self._started_at, self._started_s = running.clock.now(), running.clock.monotonic()

    async def reload(self) -> ReloadOutcome:
        """See `Steering`."""
        if self._is_stopping():
            return ReloadOutcome(False, "not reloaded: the daemon is stopping")
        return await self._reloader.reload()

    def publish(self, topic: str, message: Message) -> int:
        """See `Steering`."""
        topics = self._running.hub.topics
        topics.publish(topic, message)
        return topics.members(topic)

    def status(self) -> dict[str, object]:
        """See `Steering`."""
        running = self._running
        return {
            "version": __version__,
            "pid": os.getpid(),
            "site": self._site,
            "state": "draining" if self._is_stopping() else "serving",
            "started_at": self._started_at.isoformat(timespec="seconds"),
            "uptime_s": round(running.clock.monotonic() - self._started_s, 3),
            "generation": running.generation.number,
            "connections": len(running.hub.connections),
            "addresses": running.listeners.urls,
            "routes": route_statuses(running.generation.routes, running.retirement.routes),
            "last_reload": self._last_reload(),
            "log_dropped": logs_dropped(),
        }

    def _last_reload(self) -> dict[str, object] | None:
        last, at = self._reloader.last, self._reloader.last_at
        if last is None or at is None:
            return None
        return {"at": at.isoformat(timespec="seconds"), "ok": last.ok, "summary": last.summary, "problems": list(last.problems)}


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
