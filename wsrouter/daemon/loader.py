"""Loads the next generation of a site beside the running one: in a thread, since reading takes a while and an import may do anything."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from wsrouter.config.problems import Place, Problems, relative_to_here
from wsrouter.daemon.short_turns import begin_work, end_work
from wsrouter.plugins.module_loader import place_in_plugin
from wsrouter.plugins.spec import error_text
from wsrouter.site.generation import Generation

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsrouter.daemon.running import Running
    from wsrouter.site.loading import Source

LOAD_S = 5.0
"""How long reading a site and importing its plugins may take; until then, no other reload begins."""


class SiteLoader:
    """Loads a site as often as it changes. A load that hangs is given up, and its thread left behind."""

    def __init__(self, source: Source) -> None:
        """Loads nothing yet."""
        self.source = source
        self._at_work: set[_Load] = set()

    @property
    def is_busy(self) -> bool:
        """Whether something is being loaded, for somebody or for nobody any more."""
        return bool(self._at_work)

    async def load(self, running: Running, problems: Problems) -> Generation | None:
        """The next generation, made and not started; None where there are errors, which are noted, or where it took too long."""
        load = _Load(self.source, running, self._ended)
        self._at_work.add(load)
        begin_work()
        load.start()
        try:
            await asyncio.wait_for(load.done.wait(), LOAD_S)
        except TimeoutError:
            place = load.place() or Place(relative_to_here(self.source.path))
            problems.add(place, f"importing it has taken {LOAD_S:g} s and got no further than this; do slow work in start(), or restart")
            return None
        finally:
            load.is_awaited = False
        problems.extend(load.problems)
        return load.generation

    def _ended(self, load: _Load) -> None:
        """A load has ended, perhaps long after it was given up: one that never ends takes no more from the loop than others."""
        self._at_work.discard(load)
        end_work()


class _Load(threading.Thread):
    """One load, in its thread."""

    def __init__(self, source: Source, running: Running, on_end: Callable[[_Load], None]) -> None:
        super().__init__(name="wsrouter reload", daemon=True)
        self.generation: Generation | None = None
        self.problems = Problems()
        self.done = asyncio.Event()
        self._source = source
        self._running = running
        self._loop = asyncio.get_running_loop()
        self._on_end = on_end
        self.is_awaited = True

    def run(self) -> None:
        """Reads, imports, checks, makes."""
        before = self._running.generation
        try:
            site = self._source.load(self.problems, before.site)
            self.generation = None if site is None else Generation(site, self._running.around, before)
        except BaseException as error:  # noqa: BLE001 -- whatever it is, the running site goes on
            self.problems.add(Place(relative_to_here(self._source.path)), f"loading it raised {error_text(error)}")
        with suppress(RuntimeError):  # the daemon has stopped meanwhile
            self._loop.call_soon_threadsafe(self._tell)

    def place(self) -> Place | None:
        """The line of a plugin that it is at now."""
        return place_in_plugin(sys._current_frames().get(self.ident or 0))

    def _tell(self) -> None:
        self.done.set()
        self._on_end(self)
        if not self.is_awaited and self.generation is not None:
            self.generation.site.library.close()
