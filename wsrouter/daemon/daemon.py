"""A site running: start, serve, reload, drain, stop. The whole life is `Daemon.run`, in one screen."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import platform
import signal
from typing import TYPE_CHECKING

from wsrouter import __version__
from wsrouter.config.settings import Shutdown
from wsrouter.daemon.bulletin import Bulletin
from wsrouter.daemon.clock import SystemClock
from wsrouter.daemon.control_path import control_path
from wsrouter.daemon.drain import Drain
from wsrouter.daemon.health import Health, NotReady
from wsrouter.daemon.helm import Helm
from wsrouter.daemon.last_resort import LastResort
from wsrouter.daemon.loader import SiteLoader
from wsrouter.daemon.open_files import raise_open_files
from wsrouter.daemon.private_side import PrivateSide
from wsrouter.daemon.reload import Reloader
from wsrouter.daemon.running import Running, RunOptions
from wsrouter.daemon.sampler import Sampler
from wsrouter.daemon.service_manager import ServiceManager
from wsrouter.daemon.side_thread import SideThread
from wsrouter.daemon.stack import plugin_files
from wsrouter.daemon.triggers import Triggers
from wsrouter.daemon.try_line import try_command
from wsrouter.daemon.watchdog import Watchdog
from wsrouter.observe.logs import get_logger
from wsrouter.observe.records import Records
from wsrouter.wire.passed import take_passed_sockets

if TYPE_CHECKING:
    from wsrouter.site.loading import Source
    from wsrouter.site.site import Site

AT_ONCE = Shutdown(delay=0.0, spread=0.0, timeout=1.0)

STDERR = 2

# How long the process may take to end beyond `server.shutdown.timeout`; at a second signal; and once all is stopped.
BEYOND_TIMEOUT_S = 15.0
HURRY_S = 3.0
# While a successor serves already: for how long what the kernel had given to this process is still accepted. A round trip and more.
HAND_OVER_S = 0.25
# How long those who have been accepted, and have not sent their request yet, may take for it before newcomers are refused.
LAST_REQUESTS_S = 1.0
EXIT_S = 3.0


class Daemon:
    """One site, running."""

    def __init__(self, site: Site, source: Source, options: RunOptions) -> None:
        """Nothing is opened yet. `source` is where the site comes from, for reloads. Made inside the loop."""
        self._site = site
        self._source = source
        self._options = options
        self._log = get_logger()
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._starting: asyncio.Future[None] | None = None
        self._last_resort = LastResort(self._log)
        self.health = Health(asyncio.get_running_loop())
        self._watchdog = Watchdog(plugin_files(site), self._log)
        self._bulletin: Bulletin | None = None

    async def run(self) -> None:
        """Serves until a signal.

        Raises:
            StartError: if an address cannot be had or a handler refuses; nothing is left open then.
        """
        open_files, clock, passed = raise_open_files(), SystemClock(), take_passed_sockets(os.environ)
        self._watch_signals()
        records = Records(clock, self._site.file.log.connections)
        running = Running(self._site, self._options, clock=clock, records=records, open_files=open_files, health=self.health, passed=passed)
        bulletin = self._bulletin = self._make_bulletin(running)
        reloader = Reloader(running, SiteLoader(self._source))
        triggers = Triggers(running, reloader)
        thread = SideThread()
        helm = Helm(running, reloader, self._source.path, thread)
        private = PrivateSide(helm, control_path(self._source.path, os.environ), self._site.file.admin, thread, self._log)
        sampler = Sampler(running)

        def follow() -> None:
            triggers.follow()
            self._watchdog.plugins = plugin_files(running.generation.site)
            if reloader.last is not None:
                running.records.counts.loaded(clock.now(), ok=reloader.last.ok)
                bulletin.reloaded(ok=reloader.last.ok)

        reloader.on_reloading, reloader.on_reloaded = bulletin.reloading, follow
        self.health.start()
        try:
            await private.open_listener()
            if await self._start(running):
                self._watch_for_the_end()  # again: a handler may have taken these signals for itself
                try:
                    await running.listeners.open(running.wanted(self._site))
                    await private.open()
                    triggers.start()
                    self._say_listening(running)
                    self._watchdog.start(running.hub.loop, running.hub.answered)
                    sampler.start()
                    running.records.counts.loaded_at = clock.now()
                    self.health.ready_again(NotReady.STARTING)
                    bulletin.ready()
                    await self._stopping.wait()
                    triggers.stop()
                    self._last_resort.end_in(BEYOND_TIMEOUT_S)
                    await reloader.stop()
                    await self._shut_down(running)
                finally:
                    triggers.stop()
                    running.listeners.close()
                    await self._stop_handlers(running)
                    sampler.stop()
                    self._watchdog.stop()
        finally:
            await private.close()
            thread.close()
            self.health.stop()
            bulletin.close()
        self._log.info("stopped")
        self._last_resort.end_in(EXIT_S)

    async def _start(self, running: Running) -> bool:
        """Starts the handlers; False where a signal came before they were ready."""
        self._starting = asyncio.ensure_future(running.generation.start())
        try:
            await self._starting
        except asyncio.CancelledError:
            if not self._stopping.is_set():
                raise
            return False
        finally:
            self._starting = None
        return True

    async def _stop_handlers(self, running: Running) -> None:
        """Stops the handlers, or leaves those behind that have not stopped at a second signal."""
        stopping, hurry = asyncio.ensure_future(running.stop()), asyncio.ensure_future(self._hurry.wait())
        await asyncio.wait({stopping, hurry}, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if stopping.done():
            stopping.result()

    def _say_listening(self, running: Running) -> None:
        addresses, site = running.listeners.urls, running.generation.site
        command = try_command(addresses, site.file.server.hosts, [route.pattern for route in site.routes])
        self._log.info(
            "listening",
            addresses=addresses,
            **{"try": command},
            routes=len(site.routes),
            connections=running.hub.limits.connections,
            open_files=running.open_files,
            site=str(site.file.path),
            version=__version__,
            python=platform.python_version(),
            loop=self._options.loop,
        )

    async def _shut_down(self, running: Running) -> None:
        """Not ready, a delay while it still accepts, no new connections, the open ones closed over time."""
        hub = running.hub
        settings = AT_ONCE if self._options.dev else running.generation.site.file.server.shutdown
        drain = Drain(hub, settings, self._hurry)
        self._last_resort.end_in(HURRY_S if self._hurry.is_set() else settings.delay + settings.timeout + BEYOND_TIMEOUT_S)
        self._log.info("stopping", connections=len(hub.connections), delay_s=settings.delay, spread_s=settings.spread, timeout_s=settings.timeout)
        await drain.pause(settings.delay)
        if running.listeners.steer_to_successor():
            await drain.pause(HAND_OVER_S)
        running.listeners.close()
        await drain.pause_while(lambda: hub.undecided > 0, 0.0 if self._options.dev else min(LAST_REQUESTS_S, settings.timeout))
        hub.draining = True
        cut_off = await drain.run()
        if cut_off:
            why = "a second signal" if self._hurry.is_set() else f"open after {settings.timeout:g} s (shutdown.timeout)"
            self._log.warning("drain.cut_off", connections=cut_off, why=why)

    def _make_bulletin(self, running: Running) -> Bulletin:
        hub = running.hub
        return Bulletin(ServiceManager(os.environ, hub.loop, self._log), self.health, lambda: len(hub.connections), hub.loop)

    def _watch_signals(self) -> None:
        self._watch_for_the_end()
        faulthandler.enable(file=STDERR)  # a watchdog's SIGABRT and crashes in C tell where they struck
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it serves, there is nothing to reload
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        for number in (signal.SIGUSR1, signal.SIGUSR2):  # what log rotation sends to others must not end this one
            signal.signal(number, signal.SIG_IGN)

    def _watch_for_the_end(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)

    def _stop(self) -> None:
        """A first signal begins the drain, a second one ends it."""
        if self._stopping.is_set():
            self._hurry.set()
            self._last_resort.end_in(HURRY_S)
        elif self._bulletin is not None:
            self._bulletin.stopping()
        self._stopping.set()
        self.health.not_ready(NotReady.DRAINING, "it was told to stop")
        if self._starting is not None:
            self._starting.cancel()
            self._last_resort.end_in(BEYOND_TIMEOUT_S)
