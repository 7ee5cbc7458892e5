"""What runs in a daemon: the hub with its connections, the generation that serves, its listeners, the routes on their way out."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace

from wsrouter.access.addresses import parse_networks
from wsrouter.config.settings import Listen
from wsrouter.daemon.health import Health, NotReady
from wsrouter.daemon.listeners import Listeners
from wsrouter.daemon.memory import MemoryGauge
from wsrouter.daemon.open_files import most_connections
from wsrouter.daemon.retirement import Retirement
from wsrouter.observe.logs import get_logger
from wsrouter.site.generation import Generation, Surroundings
from wsrouter.wire.admission import Admission
from wsrouter.wire.compat import OpenWebSocket
from wsrouter.wire.hub import Hub
from wsrouter.wire.probe import Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsrouter.access.door import Door
    from wsrouter.api.context import Clock
    from wsrouter.config.settings import Server, ServerLimits
    from wsrouter.daemon.retirement import Connections
    from wsrouter.observe.records import Records
    from wsrouter.pipeline.endpoint import Endpoint
    from wsrouter.site.generation import BuiltRoute
    from wsrouter.site.site import Site
    from wsrouter.wire.hub import Member
    from wsrouter.wire.passed import PassedSockets


FORGET_S = 0.1
"""How long the code of a plugin outlives the last route that used it."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line adds to a site."""

    listen: Sequence[str] = field(default=())
    """Addresses instead of the site's."""
    dev: bool = False
    """For development: admits pages from files and from this machine, watches files, and stops at once."""
    loop: str = "uvloop"
    """The event loop that runs, for the record."""


class Running:
    """One site as it runs. A reload changes `generation`; everything else stays."""

    def __init__(
        self,
        site: Site,
        options: RunOptions,
        *,
        clock: Clock,
        records: Records,
        open_files: int,
        health: Health | None = None,
        passed: PassedSockets | None = None,
    ) -> None:
        """Makes the handlers; nothing is started or opened yet. Made inside the loop. `passed` are listening sockets that are there already."""
        server = site.file.server
        self.options = options
        self.clock = clock
        self.records = records
        self.open_files = open_files
        self.health = health if health is not None else Health(asyncio.get_running_loop())
        self.hub = Hub(loop=asyncio.get_running_loop(), clock=clock, observer=records, limits=self._limits_of(server))
        self.hub.open_files = open_files
        self.hub.on_overload = self._on_overload
        memory = MemoryGauge()
        self.hub.memory_share = memory.share if memory.has_limit else None
        self.around = Surroundings(
            clock=clock,
            topics=self.hub.topics,
            observer=records,
            open_inbox=OpenWebSocket(),
            make_log=get_logger,
            dev=options.dev,
            plugins=lambda: self.generation.site.file.plugins,
        )
        self.generation = Generation(site, self.around)
        self.listeners = Listeners(self.hub, passed, reuse_port=server.reuse_port)
        self.retirement = Retirement(server.shutdown.spread, self._forget_plugins_soon)
        self.log = get_logger()
        self._folders = site.library.folders()
        self._forgetting: asyncio.TimerHandle | None = None
        self.admit()

    def admit(self) -> None:
        """Lets clients in as the generation says."""
        server = self.generation.site.file.server
        self.gates = {built.pattern: built for built in self.generation.routes}
        self.hub.probe = Probe(server.health, lambda: self.health.is_ready) if server.health is not None else None
        self.hub.admission = Admission(self.generation.router, hosts=server.hosts, trusted=parse_networks(server.trusted_proxies))

    def become(self, generation: Generation, ended: Sequence[BuiltRoute], connections: Connections) -> None:
        """The next generation serves from now on. `ended` are the routes that were stopped before."""
        file = generation.site.file
        replaced = [(old, built) for built in generation.fresh if (old := generation.replaced(built)) is not None and old not in ended]
        removed = generation.removed()
        doors = self._doors()
        generation.take_over()
        self.generation = generation
        for door in doors - self._doors():
            door.close()
        self.hub.change_limits(self._limits_of(file.server))
        self.hub.topics.begin_epoch()
        self.records.connections = file.log.connections
        self.retirement.spread_s = file.server.shutdown.spread
        self.admit()
        self.retirement.take([(old, built.route.entry.settings.on_change) for old, built in replaced], removed, connections)
        for old in self.retirement.routes:  # their connections live by the settings of today
            if old.pattern in self.gates:
                old.endpoint.settings = self.gates[old.pattern].endpoint.settings
        self.learn_plugins(generation.site)

    def learn_plugins(self, site: Site) -> None:
        """Remembers where a site's plugin modules live, and forgets those that nobody needs any more."""
        self._folders |= site.library.folders()
        self._forget_plugins()

    def wanted(self, site: Site) -> list[Listen]:
        """The addresses that a site is to be served on."""
        return [Listen(address=address) for address in self.options.listen] or site.file.server.listen

    def connections(self) -> dict[Endpoint, list[Member]]:
        """The open connections of each route, those on their way out included."""
        found: dict[Endpoint, list[Member]] = defaultdict(list)
        for connection in self.hub.connections:
            found[connection.endpoint].append(connection)
        return found

    async def stop(self) -> None:
        """Stops all handlers, at the same time."""
        await asyncio.gather(self.generation.stop(), self.retirement.stop())
        for door in self._doors():
            door.close()

    def _on_overload(self, is_on: bool) -> None:
        if is_on:
            self.health.not_ready(NotReady.OVERLOAD, self.hub.overload.why)
        else:
            self.health.ready_again(NotReady.OVERLOAD)

    def _doors(self) -> set[Door]:
        """The doors of the generation that serves."""
        return {built.door for built in self.generation.routes if built.door is not None}

    def _limits_of(self, server: Server) -> ServerLimits:
        return replace(server.limits, connections=most_connections(server.limits.connections, self.open_files))

    def _forget_plugins_soon(self) -> None:
        """Once for all routes that stop in one moment."""
        if self._forgetting is None:
            self._forgetting = self.hub.loop.call_later(FORGET_S, self._forget_plugins)

    def _forget_plugins(self) -> None:
        self._forgetting = None
        needed = {spec.package for built in [*self.generation.routes, *self.retirement.routes] for _, spec in built.route.specs}
        current = self.generation.site.library.folders()
        for folder in [folder for folder in self._folders if folder.package not in needed and folder not in current]:
            folder.close()
            self._folders.discard(folder)
