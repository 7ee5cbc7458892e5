"""What makes a daemon reload by itself: SIGHUP, and files that were saved where they are watched."""

from __future__ import annotations

import asyncio
import signal
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING

from wsrouter.daemon.watcher import Watcher, python_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsrouter.daemon.reload import Reloader
    from wsrouter.daemon.running import Running
    from wsrouter.site.site import Site

SIGNAL_PAUSE_S = 1.0
"""A hundred SIGHUPs in a second make two reloads: one at once, and one for all that came after it began."""


class Triggers:
    """Asks for reloads. Their outcomes are in the log."""

    def __init__(self, running: Running, reloader: Reloader) -> None:
        """Nothing is asked for before `start`."""
        self._running = running
        self._reloader = reloader
        self._loop = asyncio.get_running_loop()
        self._watcher = Watcher(self._reload)
        self._signalled: asyncio.TimerHandle | None = None
        self._quiet_until = 0.0
        self._tasks: set[asyncio.Task[object]] = set()

    def start(self) -> None:
        """Listens to SIGHUP, and watches the files if the site or the command line says so."""
        self._loop.add_signal_handler(signal.SIGHUP, self._on_signal)
        self.follow()

    def stop(self) -> None:
        """Asks for nothing more."""
        self._watcher.stop()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # to be handled by nobody for a moment would end the process
        self._loop.remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        if self._signalled is not None:
            self._signalled.cancel()

    def _on_signal(self) -> None:
        if self._signalled is None:
            self._signalled = self._loop.call_at(max(self._quiet_until, self._loop.time()), self._on_quiet)

    def _on_quiet(self) -> None:
        self._signalled = None
        self._quiet_until = self._loop.time() + SIGNAL_PAUSE_S
        self._reload()

    def _reload(self) -> None:
        task = asyncio.ensure_future(self._reloader.reload())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def follow(self) -> None:
        """Watches what the site of now consists of, or nothing."""
        site, faulty = self._running.generation.site, [Path(name) for name in self._reloader.faulty_files]
        if self._running.options.dev or site.file.plugins.watch:
            self._watcher.watch(lambda: [*_files_of(site), *faulty], self._reloader.began_ns)
        else:
            self._watcher.stop()


def _files_of(site: Site) -> Iterator[Path]:
    """All files whose saving may change a site: those that are there now, those of yesterday are missed by their absence."""
    file = site.file
    yield file.path
    for loaded in site.library.loaded():  # where a folder is not looked through: a single file's neighbours, links to folders
        yield from loaded.sources
    folder = file.path.parent
    for pattern in file.include:
        yield from (folder / name for name in glob(pattern, root_dir=folder, recursive=True))  # noqa: PTH207 -- Path.glob refuses absolute patterns
    for plugins in {*(folder / name for name in file.plugins.folders), *file.plugin_folders}:
        yield from [plugins] if plugins.is_file() else python_files(plugins)
