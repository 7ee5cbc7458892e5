"""`RunningSite`: a site in memory on virtual time. Everything above the socket is what the daemon runs; there is no socket.

loop = VirtualLoop()
running = RunningSite(site, loop)
await running.start()
client = await running.open(Opening("/room/red"), "a")
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wsrouter.access.addresses import parse_networks
from wsrouter.api.messages import to_message
from wsrouter.scenario.client import Client, Opening
from wsrouter.scenario.notes import Notes
from wsrouter.scenario.virtual_clock import VirtualClock
from wsrouter.site.generation import Generation, Surroundings
from wsrouter.wire.admission import Admission
from wsrouter.wire.compat import OpenWebSocket
from wsrouter.wire.handshake import Handshake
from wsrouter.wire.hub import Hub

if TYPE_CHECKING:
    import asyncio

    from wsrouter.api.messages import Sendable
    from wsrouter.scenario.virtual_loop import VirtualLoop
    from wsrouter.site.site import Site

FIRST_PORT = 50_000
"""The port that the first client comes from; each has one of its own."""


@dataclass(frozen=True, slots=True)
class Built:
    """What a site is made of while it runs."""

    hub: Hub
    generation: Generation


def build(site: Site, loop: VirtualLoop, clock: VirtualClock, notes: Notes) -> Built:
    """Composes a site as `daemon.Daemon` does: the one place here that knows how."""
    server = site.file.server
    hub = Hub(loop=loop, clock=clock, observer=notes, limits=server.limits)
    around = Surroundings(
        clock=clock, topics=hub.topics, observer=notes, open_inbox=OpenWebSocket(), make_log=notes.make_log, plugins=lambda: site.file.plugins
    )
    generation = Generation(site, around)
    hub.admission = Admission(generation.router, hosts=server.hosts, trusted=parse_networks(server.trusted_proxies))
    return Built(hub, generation)


class RunningSite:
    """One site with its clients: fresh handlers, fresh topics, a clock of its own."""

    def __init__(self, site: Site, loop: VirtualLoop) -> None:
        """Nothing is started yet."""
        self.site = site
        self.clock = VirtualClock(loop)
        self.notes = Notes(self.clock)
        self._loop = loop
        self._built: Built | None = None
        loop.set_exception_handler(self._note_unhandled)
        self._clients: list[Client] = []

    @property
    def default_host(self) -> str:
        """The name that clients ask for: the first that the site admits."""
        return next(iter(self.site.file.server.hosts), "localhost")

    async def start(self) -> None:
        """Makes and starts the handlers.

        Raises:
            StartError: if one refuses.
        """
        self._built = build(self.site, self._loop, self.clock, self.notes)
        await self._built.generation.start()
        await self._loop.rest()

    async def stop(self) -> None:
        """Cuts off the clients and stops the handlers."""
        if self._built is None:
            return
        for client in self._clients:
            if not client.has_ended:
                client.hang_up()
        await self._loop.rest()
        await self._built.generation.stop()

    async def open(self, opening: Opening, name: str = "") -> Client:
        """A client that asks for a connection, and its answer: `status` is 101 where it is open."""
        assert self._built is not None, "start it first"
        client = Client(name, self._loop, Handshake(self._built.hub), opening, FIRST_PORT + len(self._clients))
        self._clients.append(client)
        self.notes.watch(client)
        await self._loop.rest()
        if client.response is None:
            await client.wait(self._built.hub.limits.handshake + 1)
        return client

    async def advance(self, seconds: float) -> None:
        """Lets time pass; what is due at its end is done, too."""
        await self.clock.sleep(seconds)
        await self._loop.rest()

    async def publish(self, topic: str, message: Sendable) -> None:
        """Publishes to a topic of the site."""
        assert self._built is not None, "start it first"
        self._built.hub.topics.publish(topic, to_message(message))
        await self._loop.rest()

    def members(self, topic: str) -> int:
        """How many connections are subscribed to a topic."""
        return self._built.hub.topics.members(topic) if self._built is not None else 0

    async def rest(self) -> None:
        """Waits until nothing is left to do before time would have to move on."""
        await self._loop.rest()

    def _note_unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What asyncio would log: a task whose failure nobody has looked at, a callback that raised."""
        error = context.get("exception")
        if isinstance(error, BaseException):
            self.notes.failed_outside(error)
        else:
            self.notes.note("error", str(context.get("message", "asyncio")))
