"""What all connections of a daemon share: the loop, the timer, the topics, the observer, and who must be written this turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from wsrouter.access.addresses import address_group
from wsrouter.access.failures import Failures
from wsrouter.access.overload import Overload
from wsrouter.api.causes import Cause
from wsrouter.api.context import Clock
from wsrouter.api.ports import Observer, Traffic
from wsrouter.config.settings import RouteSettings, ServerLimits
from wsrouter.topics.registry import Topics
from wsrouter.wire.census import Census
from wsrouter.wire.frames import encode
from wsrouter.wire.half_open import HalfOpens
from wsrouter.wire.shedding import Boundaries
from wsrouter.wire.timers import Timers

if TYPE_CHECKING:
    from wsrouter.pipeline.endpoint import Endpoint
    from wsrouter.wire.admission import Admission
    from wsrouter.wire.probe import Probe
    from wsrouter.wire.upgrade import Upgrade
    from wsrouter.wire.waiting_room import WaitingRoom


# Where nobody sets the process's limit, there is none; and for what else is open: listeners, logs, plugins, Python's own.
FILES_ANYWHERE = 1 << 20
FILES_OF_OTHERS = 96


class Flushable(Protocol):
    """What writes at the end of a turn."""

    def flush(self) -> None:
        """Writes what was sent in this turn."""


class Member(Flushable, Traffic, Protocol):
    """An open connection, as the hub holds it."""

    endpoint: Endpoint
    upgrade: Upgrade
    closing: bool

    @property
    def route(self) -> str:
        """The pattern of its route."""

    @property
    def user(self) -> str | None:
        """Who it is, where that is known."""

    @property
    def client(self) -> str:
        """The client's address, which `connections_per_address` counts by."""

    @property
    def outbox_bytes(self) -> int:
        """How much waits for its client."""

    def find_header(self, name: bytes) -> str | None:
        """One header of its request by its lower-case name."""

    def settings_changed(self, old: RouteSettings) -> None:
        """Its endpoint has other settings now."""

    def end(self, cause: Cause) -> None:
        """Begins the closing handshake."""

    def abort(self) -> None:
        """Cuts it off."""


class Hub:
    """One for a daemon. It holds the connections that are open, and the admission that each handshake asks.

    `admission` and `probe`, the answer for balancers if there is one, are replaced as a whole by a reload; open connections keep their own endpoints.
    """

    def __init__(self, *, loop: asyncio.AbstractEventLoop, clock: Clock, observer: Observer, limits: ServerLimits) -> None:
        """`limits` are the server's, `connections` as a number. `admission` must be set before a listener opens."""
        self.loop = loop
        self.clock = clock
        self.observer = observer
        self.admission: Admission
        self.limits = limits
        self.draining = False
        self.open_files = FILES_ANYWHERE
        self.half_opens = HalfOpens(loop.time, observer, self._files_left)
        self.connections: set[Member] = set()
        self.by_address: dict[str, int] = {}
        self.census = Census()
        self.boundaries = Boundaries(loop.call_soon)
        self.failures = Failures()
        self.overload = Overload()
        self.on_overload: Callable[[bool], None] | None = None
        """Told when it begins, and when it ends: for whoever says whether the daemon should be sent clients."""
        self.memory_share: Callable[[], float] | None = None
        """Tells how much of the memory that it may have the daemon has; None where it may have all there is."""
        self.probe: Probe | None = None
        self.waiting_room: WaitingRoom | None = None  # made when a decision on a newcomer must wait for the first time
        self.timers = Timers(loop.time, loop.call_at)
        self.topics = Topics(encode=encode, call_soon=loop.call_soon, call_later=loop.call_later, monotonic=clock.monotonic)
        self.on_last_closed: Callable[[], None] | None = None
        self._to_flush: list[Flushable] = []

    def _files_left(self) -> int:
        """How many files the limit leaves for sockets that are no WebSockets yet."""
        return self.open_files - FILES_OF_OTHERS - len(self.connections)

    def answered(self, late_s: float) -> None:
        """The loop has answered, so many seconds late: told of several times a second."""
        now, overload = self.loop.time(), self.overload
        change = overload.answered(now, late_s, self.memory_share() if self.memory_share is not None else 0.0)
        if change is None:
            return
        if change == "began":
            fix = "give it less to do or more processors; loop.stalled names what holds it up, if something does"
            facts: dict[str, object] = {"lag_s": round(late_s, 2)}
            if overload.is_memory_short:
                fix = "let it have more memory (MemoryMax of its unit, ulimit -v), or lower server.limits.connections or outbox.size"
                facts["memory_percent"] = round(100 * overload.memory_share)
            self.observer.noticed("overload.began", {**facts, "connections": len(self.connections), "fix": fix})
        else:
            self.observer.noticed("overload.ended", {"duration_s": round(overload.lasted_s(now), 1), "refused": overload.refused})
        if self.on_overload is not None:
            self.on_overload(overload.is_on)

    @property
    def undecided(self) -> int:
        """How many were accepted and know not yet whether they may come in."""
        return len(self.half_opens) + (self.waiting_room.waiting if self.waiting_room is not None else 0)

    def flush_soon(self, connection: Flushable) -> None:
        """Has the connection write what it holds at the end of this turn."""
        if not self._to_flush:
            self.loop.call_soon(self._flush)
        self._to_flush.append(connection)

    def added(self, connection: Member) -> None:
        """A connection was opened."""
        self.connections.add(connection)
        self.census.added(connection)
        if self.limits.connections_per_address:
            self._count(connection)

    def change_limits(self, limits: ServerLimits) -> None:
        """A reload set other limits. They count for newcomers; nobody who is here is closed for them."""
        counted, self.limits = bool(self.limits.connections_per_address), limits
        if bool(limits.connections_per_address) is counted:
            return
        self.by_address.clear()
        if limits.connections_per_address:
            for connection in self.connections:
                self._count(connection)

    def removed(self, connection: Member) -> None:
        """A connection is gone."""
        self.connections.discard(connection)
        self.census.removed(connection)
        if self.by_address:
            group = address_group(connection.client)
            left = self.by_address.pop(group, 0) - 1
            if left > 0:
                self.by_address[group] = left
        if not self.connections and self.on_last_closed is not None:
            self.on_last_closed()

    def _count(self, connection: Member) -> None:
        group = address_group(connection.client)
        self.by_address[group] = self.by_address.get(group, 0) + 1

    def _flush(self) -> None:
        waiting, self._to_flush = self._to_flush, []
        for connection in waiting:
            connection.flush()
