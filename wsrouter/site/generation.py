"""One built site with its handler instances: from specs to endpoints. What a reload did not change is the same object in the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from inspect import isawaitable
from typing import TYPE_CHECKING, cast

from wsrouter.access.addresses import AddressPolicy
from wsrouter.access.origins import OriginPolicy
from wsrouter.api.errors import StartError, WsrouterError
from wsrouter.config.settings import Plugins
from wsrouter.pipeline.context import HandlerContext
from wsrouter.pipeline.coroutine import CoroutineHandler
from wsrouter.pipeline.endpoint import Endpoint
from wsrouter.pipeline.fence import Fence
from wsrouter.pipeline.quarantine import Quarantine
from wsrouter.pipeline.source import SourceHandler
from wsrouter.pipeline.step import Step
from wsrouter.pipeline.tasks import CLEAN_UP_S, LEAK_TASKS, Tasks, count_names, is_cancelled
from wsrouter.plugins.process_state import settle_changes, take_state
from wsrouter.plugins.spec import error_text
from wsrouter.routing.router import Router
from wsrouter.site.difference import compare

if TYPE_CHECKING:
    from wsrouter.api.context import Clock, Log
    from wsrouter.api.handler import Handler
    from wsrouter.api.messages import Message
    from wsrouter.api.ports import Observer, OpenInbox
    from wsrouter.config.settings import RouteSettings
    from wsrouter.config.site_file import StepEntry
    from wsrouter.pipeline.coroutine import CoroutineFunction
    from wsrouter.pipeline.source import SourceFunction
    from wsrouter.plugins.spec import HandlerSpec
    from wsrouter.site.route import Route
    from wsrouter.site.site import Site
    from wsrouter.topics.registry import Topics

STOP_S = 5.0
"""How long one handler's `stop` may take."""
STARTS_A_TURN = 20
"""So many routes start in one turn of the loop: about a millisecond."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a generation is built into: the parts of the daemon that handlers see through their context."""

    clock: Clock
    topics: Topics
    observer: Observer
    open_inbox: OpenInbox
    make_log: Callable[..., Log]
    dev: bool = False
    plugins: Callable[[], Plugins] = Plugins
    """The settings of `plugins` as they are now."""

    def tell_changes(self, handler: str, changes: list[str], when: str, **facts: str) -> None:
        """A handler's code has changed what belongs to the whole process."""
        fix = "leave the process to wsrouter: log with context.log, begin in start(), end in stop()"
        self.make_log(**facts, handler=handler).warning("handler.changed_process", when=when, changed=changes, fix=fix)


class BuiltRoute:
    """A route with its handlers made: what `wire` finds behind a path (`wire.admission.Gate`)."""

    def __init__(self, route: Route, around: Surroundings) -> None:
        """Makes the handlers, without effects."""
        self.route = route
        self.origins = OriginPolicy(route.entry.settings.origins, dev=around.dev)
        self.door = route.door
        self.addresses = _addresses(route.entry.settings)
        self._around = around
        self._tasks = Tasks(route.entry.pattern, self._task_failed, self._tasks_grown)
        self._serving = Tasks(route.entry.pattern, self._task_failed, self._tasks_grown)
        self._leak_at = LEAK_TASKS
        quarantine = Quarantine(settings=around.plugins, observer=around.observer, monotonic=around.clock.monotonic, call_later=_call_later)
        self._fence = Fence(route.entry.pattern, around.observer, quarantine)
        steps = [Step(step.name, self._make(step, spec)) for step, spec in route.specs]
        self.endpoint = Endpoint(route.entry.pattern, route.entry.settings, steps, self._fence, self._serving)

    @property
    def pattern(self) -> str:
        """The path pattern, by which routes of two generations are held against each other."""
        return self.route.entry.pattern

    @property
    def tasks(self) -> int:
        """How many tasks its handlers have: those they spawned, and those of connections of coroutines."""
        return len(self._tasks) + len(self._serving)

    def task_names(self) -> dict[str, int]:
        """The names of its tasks with how many there are of each; the five of which there are most."""
        return count_names(name.removeprefix(f"{self.pattern} ") for name in (*self._tasks.names(), *self._serving.names()))

    def take(self, route: Route) -> None:
        """Goes on as this route of the next generation, whose handlers are the same; its settings count from now on."""
        settings = route.entry.settings
        if settings.origins != self.route.entry.settings.origins:
            self.origins = OriginPolicy(settings.origins, dev=self._around.dev)
        self.addresses = _addresses(settings)
        self.route = route
        self.door = route.door
        self.endpoint.settings = settings

    def adopt(self, previous: BuiltRoute) -> None:
        """Lets each handler that wants to take over the state of the one of its name that served before.

        Raises:
            StartError: if one fails.
        """
        before = list(previous.endpoint.steps)
        for step, entry in zip(self.endpoint.steps, self.route.entry.steps, strict=True):
            old = next((each for each in before if each.name == step.name), None)
            if old is None:
                continue
            before.remove(old)
            try:
                step.handler.adopt(old.handler)
            except BaseException as error:
                self._fence.failed(None, step.name, "adopt", error)
                raise StartError(f"{entry.place}: {step.name} cannot adopt the state of the one before: {error_text(error)}") from error

    async def start(self, limit_s: float | None = None) -> None:
        """Starts the handlers, first to last, each within a time if there is one.

        Raises:
            StartError: if one refuses, or is not ready in time; those before it are stopped by `stop`.
        """
        for step, (entry, spec) in zip(self.endpoint.steps, self.route.specs, strict=True):
            before = take_state() if spec.kind == "class" and spec.origin != "built-in" else None
            try:
                started = step.handler.start(self._context(step, entry))
                if isawaitable(started):
                    await _within(limit_s, started)
            except BaseException as error:
                if is_cancelled(error):
                    raise
                if not isinstance(error, WsrouterError | OSError):  # not a refusal but a fault: its author needs the traceback
                    self._fence.failed(None, step.name, "start", error)
                why = str(error) if isinstance(error, WsrouterError) else error_text(error)
                raise StartError(f"{entry.place}: {step.name} refused to start: {why}") from error
            finally:
                if before is not None and (changes := settle_changes(before)):
                    self._around.tell_changes(step.name, changes, "start", route=self.pattern)

    async def stop(self, grace_s: float = 0.0) -> None:
        """Cancels the tasks of the handlers and stops them, last to first. One that fails, or takes too long, is told of and holds up no other.

        `grace_s` is how long coroutines and async hooks of connections that are gone may take to end by themselves.
        """
        if self._fence.quarantine is not None:
            self._fence.quarantine.retire()
        if self._serving or self._tasks:  # most have none, and a reload may stop hundreds
            await self._serving.finish(grace_s)
        left = await self._cancel_tasks()
        for step in reversed(self.endpoint.steps):
            try:
                stopped = step.handler.stop()
                if isawaitable(stopped):
                    await _within(STOP_S, stopped)
            except BaseException as error:
                if isinstance(error, asyncio.CancelledError):
                    raise
                self._fence.failed(None, step.name, "stop", error)
        if left := left + await self._cancel_tasks():  # also those that stop() began
            self._log().warning("handler.tasks_left", tasks=len(left), names=count_names(left), fix="let them end when they are cancelled")

    async def _cancel_tasks(self) -> list[str]:
        """Cancels all tasks; tells which do not end."""
        if not self.tasks:
            return []
        serving, spawned = await asyncio.gather(self._serving.cancel(), self._tasks.cancel())
        return [name.removeprefix(f"{self.pattern} ") for name in (*serving, *spawned)]

    def _make(self, step: StepEntry, spec: HandlerSpec) -> Handler[Message]:
        options = spec.with_defaults(step.options)
        if spec.kind == "coroutine":
            coroutine = cast("CoroutineFunction", spec.target)
            return CoroutineHandler(
                step.name, coroutine, options, with_path=spec.takes_path, open_inbox=self._around.open_inbox, fence=self._fence, tasks=self._serving
            )
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
        self._fence.failed(None, self._handlers, f"task {name}", error)

    def _tasks_grown(self, count: int) -> int:
        """Tells where there are many more tasks than connections. A task for each connection is no leak."""
        beyond = self.tasks - self.endpoint.connections
        if beyond >= self._leak_at:
            while beyond >= self._leak_at:
                self._leak_at *= 2
            self._log().warning(
                "handler.tasks_leaked",
                tasks=self.tasks,
                connections=self.endpoint.connections,
                names=self.task_names(),
                fix="end each task with what it is for, as in on_close, or have one task do the work of all",
            )
        return count + self._leak_at - beyond

    @property
    def _handlers(self) -> str:
        return ", ".join(step.name for step in self.endpoint.steps)

    def _log(self) -> Log:
        return self._around.make_log(route=self.pattern, handler=self._handlers)


class Generation:
    """All routes of a site, built. A reload makes the next one beside it.

    A route whose handlers are the same as in `previous` is the same object in both; `difference` says which those are.
    Nothing of the previous generation changes before `take_over`.
    """

    def __init__(self, site: Site, around: Surroundings, previous: Generation | None = None) -> None:
        """Makes what is new; nothing is started."""
        self.site = site
        self._around = around
        self.number: int = 1 if previous is None else previous.number + 1
        # One that was stopped for a successor that did not start is not there: it is made anew, whatever the site says of it.
        before = {} if previous is None else {built.pattern: built for built in previous.routes if built.endpoint.accepts}
        self.difference = compare([built.route for built in before.values()], site.routes)
        self._before = before
        kept = {route.entry.pattern for route in (*self.difference.same, *self.difference.resettled)}
        self.routes: list[BuiltRoute] = [before[route.entry.pattern] if route.entry.pattern in kept else BuiltRoute(route, around) for route in site.routes]
        self.router = self._make_router()

    @property
    def fresh(self) -> list[BuiltRoute]:
        """The routes that were made for this generation, in the order of the site."""
        return [built for built in self.routes if self._before.get(built.pattern) is not built]

    def replaced(self, built: BuiltRoute) -> BuiltRoute | None:
        """The route of the previous generation that a fresh one stands in for; None where it is added."""
        return self._before.get(built.pattern)

    def removed(self) -> list[BuiltRoute]:
        """The routes of the previous generation that are in this one no more."""
        return [self._before[route.entry.pattern] for route in self.difference.removed]

    async def start(self, limit_s: float | None = None, routes: Iterable[BuiltRoute] | None = None) -> None:
        """Starts these routes, by default the fresh ones; all, or none.

        Raises:
            StartError: if a handler refuses; what was started is stopped again.
        """
        library = self.site.library
        while library.changes:
            name, changes = library.changes.pop(0)
            self._around.tell_changes(name, changes, "import")
        async with AsyncExitStack() as started:
            for number, route in enumerate(self.fresh if routes is None else routes, 1):
                started.push_async_callback(route.stop)
                await route.start(limit_s)
                if number % STARTS_A_TURN == 0:  # those that serve already get their turn
                    await asyncio.sleep(0)
            started.pop_all()

    def adopt(self) -> None:
        """Lets the handlers of changed routes take over the state of those before.

        Raises:
            StartError: if one fails.
        """
        for built in self.fresh:
            old = self.replaced(built)
            if old is not None:
                built.adopt(old)

    def take_over(self) -> None:
        """The routes that stay get their entries of this site, and with them its settings; of this nothing can fail."""
        for route, built in zip(self.site.routes, self.routes, strict=True):
            built.take(route)
        self._before = {}

    def put(self, built: BuiltRoute, instead_of: BuiltRoute) -> None:
        """Serves a route anew that had been stopped."""
        self.routes[self.routes.index(instead_of)] = built
        self.router = self._make_router()

    async def stop(self) -> None:
        """Stops all routes, at the same time."""
        await asyncio.gather(*(route.stop() for route in self.routes))

    def _make_router(self) -> Router[BuiltRoute]:
        return Router([(route.pattern, built) for route, built in zip(self.site.routes, self.routes, strict=True)])


def _addresses(settings: RouteSettings) -> AddressPolicy | None:
    """Which clients a route admits; None where it says nothing of addresses."""
    addresses = settings.addresses
    return AddressPolicy(addresses.allow, addresses.deny) if addresses.allow or addresses.deny else None


def _call_later(delay_s: float, function: Callable[[], None]) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(delay_s, function)


async def _within(limit_s: float | None, doing: Awaitable[object]) -> None:
    """Waits for what a handler does to start or stop; None is for ever. It is cancelled then, and left behind if it does not heed that.

    Raises:
        TimeoutError: if it takes longer.
        BaseException: what it raises.
    """
    task = asyncio.ensure_future(_outcome(doing))
    try:
        await asyncio.wait({task}, timeout=limit_s)
        if not task.done():
            raise TimeoutError(f"not done within {limit_s:g} s")
        if (error := task.result()) is not None:
            raise error
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=CLEAN_UP_S)


async def _outcome(doing: Awaitable[object]) -> BaseException | None:
    """What it raises; asyncio would let a task's SystemExit end the loop."""
    try:
        await doing
    except BaseException as error:
        if is_cancelled(error):
            raise
        return error
    return None
