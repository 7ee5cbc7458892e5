"""Servers inside the test's own event loop: wsrouter's whole wire and pipeline on a free port, and the library's `serve` beside it.

    async with serve_wsrouter({"/": handler}) as server:
        async with open_client(server.url) as client: ...
    assert [] == server.notes.failures

Handlers are objects of the test, so that they can note what they see. `daemon/daemon.py` composes the same parts.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import serve as serve_with_library

from support.waiting import until_async
from support.wire import Notes
from wsrouter.access.addresses import AddressPolicy
from wsrouter.access.origins import OriginPolicy
from wsrouter.api.causes import Cause
from wsrouter.api.context import Clock
from wsrouter.api.handler import Handler
from wsrouter.api.ports import Failure
from wsrouter.config.settings import Listen, RouteSettings, ServerLimits
from wsrouter.daemon.clock import SystemClock
from wsrouter.pipeline.context import HandlerContext
from wsrouter.pipeline.coroutine import CoroutineHandler
from wsrouter.pipeline.endpoint import Endpoint
from wsrouter.pipeline.fence import Fence
from wsrouter.pipeline.source import SourceHandler
from wsrouter.pipeline.step import Step
from wsrouter.pipeline.tasks import Tasks
from wsrouter.routing.pattern import parse_pattern
from wsrouter.routing.router import Router
from wsrouter.testing.context import MemoryLog
from wsrouter.wire.admission import Admission
from wsrouter.wire.compat import OpenWebSocket
from wsrouter.wire.hub import Hub
from wsrouter.wire.listener import Listener

MESSAGE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Route:
    """A `wire.admission.Gate`, with what runs its tasks."""

    endpoint: Endpoint
    tasks: Tasks
    origins: OriginPolicy = field(default_factory=OriginPolicy)
    door: None = None
    addresses: AddressPolicy | None = None


class WsrouterServer:
    """A running wsrouter. `notes` is its observer."""

    def __init__(self, handlers: Mapping[str, Any], settings: RouteSettings, clock: Clock) -> None:
        self.loop = asyncio.get_running_loop()
        self.clock = clock
        self.notes = Notes()
        self.hub = Hub(loop=self.loop, clock=clock, observer=self.notes, limits=ServerLimits())
        self.routes = {pattern: self._build(pattern, handler, settings) for pattern, handler in handlers.items()}
        self.hub.admission = Admission(Router([(parse_pattern(pattern), route) for pattern, route in self.routes.items()]))
        self._listener = Listener(Listen(address="127.0.0.1:0"), self.hub)

    @property
    def url(self) -> str:
        """Where `/` is."""
        return f"{self._listener.urls[0]}/"

    @property
    def connections(self) -> list[Any]:
        """wire's own connections that are open."""
        return list(self.hub.connections)

    async def wait_idle(self) -> None:
        """Waits until no connection is open and no coroutine runs."""
        await until_async(lambda: not self.hub.connections and not any(len(route.tasks) for route in self.routes.values()))

    async def start(self) -> None:
        for route in self.routes.values():
            for step in route.endpoint.steps:
                started = step.handler.start(self._context(route))
                if inspect.isawaitable(started):
                    await started
        await self._listener.bind()
        await self._listener.serve()

    async def stop(self) -> None:
        self._listener.close()
        for connection in self.connections:
            connection.end(Cause.SHUTDOWN)
            connection.abort()
        await until_async(lambda: not self.hub.connections)
        for route in self.routes.values():
            await route.tasks.cancel()

    def _build(self, pattern: str, handler: Any, settings: RouteSettings) -> Route:
        fence = Fence(pattern, self.notes)
        tasks = Tasks(pattern, lambda name, error: self.notes.failed(Failure(pattern, "?", f"task {name}", error, None)))
        handlers = handler if isinstance(handler, list) else [handler]
        steps = [Step(_name(each), _make(each, fence, tasks)) for each in handlers]
        return Route(Endpoint(pattern, settings, steps, fence, tasks), tasks)

    def _context(self, route: Route) -> HandlerContext:
        return HandlerContext(
            route=route.endpoint.route,
            options={},
            clock=self.clock,
            log=MemoryLog(),
            topics=self.hub.topics,
            tasks=route.tasks,
            loop=self.loop,
            connections=lambda: route.endpoint.connections,
        )


@asynccontextmanager
async def serve_wsrouter(handlers: Mapping[str, Any] | Any, settings: RouteSettings | None = None, clock: Clock | None = None) -> AsyncIterator[WsrouterServer]:
    """Serves coroutine functions, generator functions, `Handler` instances, or lists of them as chains; one that is no mapping is at `/`."""
    routes = handlers if isinstance(handlers, Mapping) else {"/": handlers}
    server = WsrouterServer(routes, settings or RouteSettings(), clock or SystemClock())
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@dataclass(frozen=True)
class LibraryServer:
    """The library's own server."""

    url: str


@asynccontextmanager
async def serve_library(handler: Callable[..., Any]) -> AsyncIterator[LibraryServer]:
    """Serves a coroutine function with `websockets.asyncio.server.serve`, set as wsrouter is by default."""
    async with serve_with_library(handler, "127.0.0.1", 0, compression=None, max_size=MESSAGE_BYTES) as server:
        yield LibraryServer(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/")


def open_client(url: str, **arguments: Any) -> connect:
    """A client of the library, to be entered with `async with`; past any proxy of the environment."""
    return connect(url, proxy=None, **{"compression": None, **arguments})


def send_raw(client: ClientConnection, opcode: str, data: bytes, *, fin: bool = True) -> None:
    """Sends one frame through the client's protocol object, also one that its `send` would not."""
    protocol = client.protocol
    if opcode == "continuation":
        protocol.send_continuation(data, fin)
    else:
        getattr(protocol, f"send_{opcode}")(data, fin)
    client.send_data()


def _name(handler: Any) -> str:
    return getattr(handler, "__name__", type(handler).__name__)


def _make(handler: Any, fence: Fence, tasks: Tasks) -> Handler[Any]:
    if inspect.isasyncgenfunction(handler):
        return SourceHandler(_name(handler), handler, {}, fence=fence)
    if inspect.iscoroutinefunction(handler):
        with_path = len(inspect.signature(handler).parameters) == 2
        return CoroutineHandler(_name(handler), handler, {}, with_path=with_path, open_inbox=OpenWebSocket(), fence=fence, tasks=tasks)
    return handler
