"""A site running: start, serve, drain, stop. The whole life is `Daemon.run`, in one screen."""

from __future__ import annotations

import asyncio
import platform
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace

from wsrouter import __version__
from wsrouter.access.addresses import parse_networks
from wsrouter.config.settings import Listen, Shutdown
from wsrouter.daemon.clock import SystemClock
from wsrouter.daemon.drain import Drain
from wsrouter.daemon.last_resort import LastResort
from wsrouter.daemon.open_files import most_connections, raise_open_files
from wsrouter.daemon.try_line import try_command
from wsrouter.observe.logs import get_logger
from wsrouter.observe.records import Records
from wsrouter.site.generation import Generation, Surroundings
from wsrouter.wire.admission import Admission
from wsrouter.wire.compat import OpenWebSocket
from wsrouter.wire.hub import Hub
from wsrouter.wire.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsrouter.site.site import Site

AT_ONCE = Shutdown(delay=0.0, spread=0.0, timeout=1.0)

# How long the process may take to end beyond `server.shutdown.timeout`; at a second signal; and once all is stopped.
BEYOND_TIMEOUT_S = 15.0
HURRY_S = 3.0
EXIT_S = 3.0


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line adds to a site."""

    listen: Sequence[str] = field(default=())
    """Addresses instead of the site's."""
    dev: bool = False
    """For development: admits pages from files and from this machine, and stops at once."""
    loop: str = "uvloop"
    """The event loop that runs, for the record."""


class Daemon:
    """One site, running."""

    def __init__(self, site: Site, options: RunOptions) -> None:
        """Nothing is opened yet. Made inside the loop."""
        self._site = site
        self._options = options
        self._log = get_logger()
        self._clock = SystemClock()
        self._records = Records(self._clock, site.file.log.connections)
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._starting: asyncio.Future[None] | None = None
        self._last_resort = LastResort(self._log)
        self._listeners: list[Listener] = []

    async def run(self) -> None:
        """Serves until a signal.

        Raises:
            StartError: if an address cannot be had or a handler refuses; nothing is left open then.
        """
        open_files = raise_open_files()
        self._watch_signals()
        hub, generation = self._build(open_files)
        if await self._start(generation):
            try:
                await self._open_listeners(hub)
                self._say_listening(open_files, hub)
                await self._stopping.wait()
                await self._shut_down(hub)
            finally:
                self._close_listeners()
                await self._stop_handlers(generation)
        self._log.info("stopped")
        self._last_resort.end_in(EXIT_S)

    def _build(self, open_files: int) -> tuple[Hub, Generation]:
        server = self._site.file.server
        limits = replace(server.limits, connections=most_connections(server.limits.connections, open_files))
        hub = Hub(loop=asyncio.get_running_loop(), clock=self._clock, observer=self._records, limits=limits)
        around = Surroundings(
            clock=self._clock, topics=hub.topics, observer=self._records, open_inbox=OpenWebSocket(), make_log=get_logger, dev=self._options.dev
        )
        generation = Generation(self._site, around)
        hub.admission = Admission(generation.router, hosts=server.hosts, trusted=parse_networks(server.trusted_proxies))
        return hub, generation

    async def _start(self, generation: Generation) -> bool:
        """Starts the handlers; False where a signal came before they were ready."""
        self._starting = asyncio.ensure_future(generation.start())
        try:
            await self._starting
        except asyncio.CancelledError:
            if not self._stopping.is_set():
                raise
            return False
        finally:
            self._starting = None
        return True

    async def _stop_handlers(self, generation: Generation) -> None:
        """Stops the handlers, or leaves those behind that have not stopped at a second signal."""
        stopping, hurry = asyncio.ensure_future(generation.stop()), asyncio.ensure_future(self._hurry.wait())
        await asyncio.wait({stopping, hurry}, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if stopping.done():
            stopping.result()

    async def _open_listeners(self, hub: Hub) -> None:
        listens = [Listen(address=address) for address in self._options.listen] or self._site.file.server.listen
        for settings in listens:
            listener = Listener(settings, hub)
            await listener.open()
            self._listeners.append(listener)

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()

    def _say_listening(self, open_files: int, hub: Hub) -> None:
        addresses = [url for listener in self._listeners for url in listener.urls]
        command = try_command(addresses, self._site.file.server.hosts, [route.pattern for route in self._site.routes])
        self._log.info(
            "listening",
            addresses=addresses,
            **{"try": command},
            routes=len(self._site.routes),
            connections=hub.limits.connections,
            open_files=open_files,
            site=str(self._site.file.path),
            version=__version__,
            python=platform.python_version(),
            loop=self._options.loop,
        )

    async def _shut_down(self, hub: Hub) -> None:
        """Not ready, a delay while it still accepts, no new connections, the open ones closed over time."""
        settings = AT_ONCE if self._options.dev else self._site.file.server.shutdown
        drain = Drain(hub, settings, self._hurry)
        self._last_resort.end_in(HURRY_S if self._hurry.is_set() else settings.delay + settings.timeout + BEYOND_TIMEOUT_S)
        self._log.info("stopping", connections=len(hub.connections), delay_s=settings.delay, spread_s=settings.spread, timeout_s=settings.timeout)
        await drain.pause(settings.delay)
        hub.draining = True
        self._close_listeners()
        cut_off = await drain.run()
        if cut_off:
            why = "a second signal" if self._hurry.is_set() else f"open after {settings.timeout:g} s (shutdown.timeout)"
            self._log.warning("drain.cut_off", connections=cut_off, why=why)

    def _watch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # reload comes later; a terminal that closes must not end the daemon
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        for number in (signal.SIGUSR1, signal.SIGUSR2):  # what log rotation sends to others must not end this one
            signal.signal(number, signal.SIG_IGN)

    def _stop(self) -> None:
        """A first signal begins the drain, a second one ends it."""
        if self._stopping.is_set():
            self._hurry.set()
            self._last_resort.end_in(HURRY_S)
        self._stopping.set()
        if self._starting is not None:
            self._starting.cancel()
            self._last_resort.end_in(BEYOND_TIMEOUT_S)
