"""One route as `wire` sees it: its policies, and the three functions of its compiled chain."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wsrouter.api.causes import Cause
from wsrouter.api.ports import ClientConnection, OnFragment
from wsrouter.config.settings import RouteSettings
from wsrouter.pipeline.async_chain import AsyncChain
from wsrouter.pipeline.fence import Fence
from wsrouter.pipeline.newcomers import Newcomers
from wsrouter.pipeline.plain_chain import PlainChain
from wsrouter.pipeline.step import Step
from wsrouter.pipeline.tasks import Tasks


class Endpoint:
    """A route's chain with its policies. `connections` counts those that are open.

    A reload may give it other `settings`; `on_empty` is told when the last connection is gone, once it has been replaced.
    While its `quarantine` is on, no new ones are let in.
    `on_messages` takes all messages of one read at once, so that what is done for a batch is paid once a read.
    `newcomers` is set where a step has an `on_handshake`, `on_fragment` where the only step wants the fragments of a message as they come.
    """

    __slots__ = ("_chain", "accepts", "connections", "newcomers", "on_empty", "on_fragment", "on_messages", "quarantine", "route", "settings", "steps")

    def __init__(self, route: str, settings: RouteSettings, steps: Sequence[Step], fence: Fence, tasks: Tasks) -> None:
        """`route` is the pattern; `tasks` runs what is async and ends with the route's generation."""
        self.route = route
        self.settings = settings
        self.steps = tuple(steps)
        self.connections = 0
        self.accepts = True  # False while its handlers are stopped for others
        self.on_empty: Callable[[], None] | None = None
        self.quarantine = fence.quarantine
        self.newcomers = Newcomers(steps, fence) or None
        self._chain = AsyncChain(steps, fence, tasks) if any(step.is_async for step in steps) else PlainChain(steps, fence)
        self.on_messages = self._chain.on_messages
        self.on_fragment: OnFragment | None = getattr(steps[0].handler, "on_fragment", None) if len(steps) == 1 else None

    def on_open(self, connection: ClientConnection) -> None:
        """A connection was accepted."""
        self.connections += 1
        self._chain.on_open(connection)

    def on_close(self, connection: ClientConnection, cause: Cause) -> None:
        """A connection is gone."""
        self.connections -= 1
        self._chain.on_close(connection, cause)
        if self.on_empty is not None and not self.connections:
            self.on_empty()
