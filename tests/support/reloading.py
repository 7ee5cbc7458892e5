"""A whole daemon in the test's own event loop, less signals and logs: a site in a folder, real listeners, reloads whose outcome is returned.

    async with run_site(tmp_path, "routes: {/echo: echo}") as site:
        async with site.connect("/echo") as client: ...
        outcome = await site.reload("routes: {/echo: echo, /more: echo}")

Here tests see the objects: which handler serves, what is left of an old one. `support.daemon` has the process with its signals.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

from websockets.asyncio.client import connect as connect_websocket

from support.waiting import until_async
from support.wire import Notes
from wsrouter.admin.steering import ReloadOutcome
from wsrouter.api.causes import Cause
from wsrouter.config.problems import Problems
from wsrouter.daemon.clock import SystemClock
from wsrouter.daemon.loader import SiteLoader
from wsrouter.daemon.reload import Reloader
from wsrouter.daemon.running import Running, RunOptions
from wsrouter.pipeline.step import Step
from wsrouter.site.generation import BuiltRoute
from wsrouter.site.loading import source_at


class _Notes(Notes):
    """An observer with the one setting that a reload changes."""

    connections = "both"


class RunningSite:
    """A site that runs. `notes` is its observer, `running` and `reloader` are the daemon's own."""

    def __init__(self, folder: Path, listen: tuple[str, ...]) -> None:
        self.folder = folder
        self.notes = _Notes()
        problems = Problems()
        source = source_at(folder / "site.yaml", os.environ)
        site = source.load(problems)
        assert site is not None, list(map(str, problems))
        self.loader = SiteLoader(source)
        self.running = Running(site, RunOptions(listen), clock=SystemClock(), records=self.notes, open_files=1024)  # type: ignore[arg-type]
        self.reloader = Reloader(self.running, self.loader)

    def write(self, site: str = "", plugins: Mapping[str, str] | None = None) -> None:
        """Saves files, without a reload."""
        write_files(self.folder, site, plugins)

    async def reload(self, site: str = "", plugins: Mapping[str, str] | None = None) -> ReloadOutcome:
        """Saves files and reloads."""
        self.write(site, plugins)
        return await self.reloader.reload()

    def connect(self, path: str, **arguments: Any) -> Any:
        """A client, to be used in an `async with` or awaited."""
        return connect_websocket(self.running.listeners.urls[0] + path, proxy=None, **arguments)

    def built(self, pattern: str) -> BuiltRoute:
        """What serves a route now."""
        return next(built for built in self.running.generation.routes if built.pattern == pattern)

    def handler(self, pattern: str) -> Any:
        """The handler of a route's first step."""
        step: Step = self.built(pattern).endpoint.steps[0]
        return step.handler

    @property
    def retiring(self) -> list[str]:
        """The patterns of routes on their way out, oldest first."""
        return [built.pattern for built in self.running.retirement.routes]

    async def is_loading(self) -> None:
        """Waits until a reload that was asked for reads its files; that takes less than a poll."""
        while not self.loader.is_busy:  # noqa: ASYNC110
            await asyncio.sleep(0)

    async def emptied(self) -> None:
        """Waits until no route is on its way out any more."""
        await until_async(lambda: not self.retiring)

    async def stop(self) -> None:
        """As the daemon stops, without its patience."""
        await self.reloader.stop()
        self.running.listeners.close()
        for connection in list(self.running.hub.connections):
            connection.end(Cause.SHUTDOWN)
            connection.abort()
        await until_async(lambda: not self.running.hub.connections)
        await self.running.stop()
        for folder in self.running._folders:
            folder.close()


@asynccontextmanager
async def run_site(folder: Path, site: str, plugins: Mapping[str, str] | None = None, listen: tuple[str, ...] = ("127.0.0.1:0",)) -> AsyncIterator[RunningSite]:
    """Serves a site while the body lasts; `listen` empty leaves the addresses to the site. Closing connections is not spread."""
    write_files(folder, site, plugins)
    running = RunningSite(folder, listen)
    await running.running.generation.start()
    try:
        await running.running.listeners.open(running.running.wanted(running.running.generation.site))
        yield running
    finally:
        await running.stop()


def write_files(folder: Path, site: str, plugins: Mapping[str, str] | None) -> None:
    """Saves a site and files below plugins/."""
    if site:
        (folder / "site.yaml").write_text(dedent(site), "utf-8")
    for name, source in (plugins or {}).items():
        target = folder / "plugins" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(dedent(source), "utf-8")
