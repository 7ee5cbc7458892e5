"""One built site with its handler instances: from specs to endpoints, started together and stopped together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from inspect import isawaitable
from typing import TYPE_CHECKING, cast

from wsrouter.access.origins import OriginPolicy
from wsrouter.api.errors import StartError, WsrouterError
from wsrouter.api.ports import Failure
from wsrouter.pipeline.context import HandlerContext
from wsrouter.pipeline.coroutine import CoroutineHandler
from wsrouter.pipeline.endpoint import Endpoint
from wsrouter.pipeline.fence import Fence
from wsrouter.pipeline.source import SourceHandler
from wsrouter.pipeline.step import Step
from wsrouter.pipeline.tasks import Tasks
from wsrouter.plugins.spec import error_text
from wsrouter.routing.router import Router

if TYPE_CHECKING:
    from wsrouter.api.context import Clock, Log
    from wsrouter.api.handler import Handler
    from wsrouter.api.messages import Message
    from wsrouter.api.ports import Observer, OpenInbox
    from wsrouter.config.site_file import StepEntry
    from wsrouter.pipeline.coroutine import CoroutineFunction
    from wsrouter.pipeline.source import SourceFunction
    from wsrouter.plugins.spec import HandlerSpec
    from wsrouter.site.route import Route
    from wsrouter.site.site import Site
    from wsrouter.topics.registry import Topics

STOP_S = 5.0
"""How long one handler's `stop` may take."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a generation is built into: the parts of the daemon that handlers see through their context."""

    clock: Clock
    topics: Topics
    observer: Observer
    open_inbox: OpenInbox
    make_log: Callable[..., Log]
    dev: bool = False


class BuiltRoute:
    """A route with its handlers made: what `wire` finds behind a path (`wire.admission.Gate`)."""

    def __init__(self, route: Route, around: Surroundings) -> None:
        """Makes the handlers, without effects."""
        self.route = route
        self.origins = OriginPolicy(route.entry.settings.origins, dev=around.dev)
        self._around = around
        self._tasks = Tasks(route.entry.pattern, self._task_failed)
        self._fence = Fence(route.entry.pattern, around.observer)
        steps = [Step(step.name, self._make(step, spec)) for step, spec in route.specs]
        self.endpoint = Endpoint(route.entry.pattern, route.entry.settings, steps, self._fence, self._tasks)

    async def start(self) -> None:
        """Starts the handlers, first to last.

        Raises:
            StartError: if one refuses; those before it are stopped by `stop`.
        """
        for step, entry in zip(self.endpoint.steps, self.route.entry.steps, strict=True):
            try:
                started = step.handler.start(self._context(step, entry))
                if isawaitable(started):
                    await started
            except BaseException as error:
                if isinstance(error, asyncio.CancelledError):
                    raise
                if not isinstance(error, WsrouterError | OSError):  # not a refusal but a fault: its author needs the traceback
                    self._fence.failed(None, step.name, "start", error)
                why = str(error) if isinstance(error, WsrouterError) else error_text(error)
                raise StartError(f"{entry.place}: {step.name} refused to start: {why}") from error

    async def stop(self) -> None:
        """Cancels the tasks of the handlers and stops them, last to first. One that fails, or takes too long, is told of and holds up no other."""
        await self._tasks.cancel()
        for step in reversed(self.endpoint.steps):
            try:
                stopped = step.handler.stop()
                if isawaitable(stopped):
                    await _within(STOP_S, stopped)
            except BaseException as error:
                if isinstance(error, asyncio.CancelledError):
                    raise
                self._fence.failed(None, step.name, "stop", error)

    def _make(self, step: StepEntry, spec: HandlerSpec) -> Handler[Message]:
        options = spec.with_defaults(step.options)
        if spec.kind == "coroutine":
            coroutine = cast("CoroutineFunction", spec.target)
            return CoroutineHandler(step.name, coroutine, options, with_path=spec.takes_path, open_inbox=self._around.open_inbox, fence=self._fence)
        if spec.kind == "source":
            return SourceHandler(step.name, cast("SourceFunction", spec.target), options, fence=self._fence)
        return cast("Handler[Message]", spec.target(**options))

    def _context(self, step: Step, entry: StepEntry) -> HandlerContext:
        around = self._around
        return HandlerContext(
            route=self.route.entry.pattern,
            options=entry.options,
            clock=around.clock,
            log=around.make_log(route=self.route.entry.pattern, handler=step.name),
            topics=around.topics,
            tasks=self._tasks,
            loop=asyncio.get_running_loop(),
            connections=lambda: self.endpoint.connections,
        )

    def _task_failed(self, name: str, error: BaseException) -> None:
        self._around.observer.failed(Failure(self.route.entry.pattern, ", ".join(step.name for step in self.endpoint.steps), f"task {name}", error, None))


class Generation:
    """All routes of a site, built. A reload makes the next one."""

    def __init__(self, site: Site, around: Surroundings) -> None:
        """Makes everything; nothing is started."""
        self.site = site
        self.routes = [BuiltRoute(route, around) for route in site.routes]
        self.router: Router[BuiltRoute] = Router([(built.route.pattern, built) for built in self.routes])

    async def start(self) -> None:
        """Starts all routes, or none.

        Raises:
            StartError: if a handler refuses; what was started is stopped again.
        """
        async with AsyncExitStack() as started:
            for route in self.routes:
                started.push_async_callback(route.stop)
                await route.start()
            started.pop_all()

    async def stop(self) -> None:
        """Stops all routes, at the same time."""
        await asyncio.gather(*(route.stop() for route in self.routes))


async def _within(limit_s: float, stopping: Awaitable[object]) -> None:
    """Waits for what a handler does to stop.

    Raises:
        TimeoutError: if it takes longer.
    """
    try:
        async with asyncio.timeout(limit_s) as limit:
            await stopping
    except TimeoutError:
        if not limit.expired():
            raise
        raise TimeoutError(f"not done within {limit_s:g} s") from None
