"""Notices that a site, what it includes, or a plugin was saved: looks at the files again and again, in a thread of its own.

A poll and no events of the kernel: it works on every file system, also after a file was replaced by another (as editors and
configuration management do), and costs a `stat` a file.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

POLL_S = 0.2
"""How often it looks; a change is told when it has looked the same twice, since a file may be half written."""
TICK_NS = 10_000_000
"""So old may the time be that a file is saved with: Linux takes that of its last tick, of which there are at least 100 a second."""

_Watched = tuple[Callable[[], Iterable[Path]], int]

Signature = dict[str, tuple[int, int, int, int]]
"""Path -> modification time in ns, size, inode, and when its entry was changed, in ns."""


class Watcher:
    """Calls a function in the loop when files changed and are quiet again."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        """Watches nothing yet."""
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._watched: _Watched = (list, 0)

    @property
    def is_running(self) -> bool:
        """Whether it watches."""
        return self._thread is not None

    def watch(self, list_files: Callable[[], Iterable[Path]], read_ns: int) -> None:
        """Watches these files from now on; the function is called in the thread, at each look.

        `read_ns` is when they were begun to be read, on the wall clock: what was saved between then and the first look is told of, too.
        """
        self._watched = list_files, read_ns
        if self._thread is None:
            self._stopped = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(self._stopped,), name="wsrouter watch", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Watches no more."""
        self._stopped.set()
        self._thread = None

    def _run(self, stopped: threading.Event) -> None:
        watched: _Watched = (list, 0)
        told: Signature = {}
        seen: Signature | None = None
        while True:
            before, watched = watched, self._watched
            now = _look(watched[0])
            if watched is not before:
                told = _as_read(now, _look(before[0]), told, watched[1])
            if now == seen and now != told:
                told = now
                with suppress(RuntimeError):  # the loop has ended
                    self._loop.call_soon_threadsafe(self._on_change)
            seen = now
            if stopped.wait(POLL_S):
                return


def _look(list_files: Callable[[], Iterable[Path]]) -> Signature:
    return {str(path): signature for path in list_files() if (signature := _signature(path)) is not None}


def _as_read(now: Signature, now_before: Signature, told: Signature, read_ns: int) -> Signature:
    """What was read of the files that are to be watched from now on, so that what differs from it is a change.

    `now_before` is what there is now of those that were watched before: of these it was `told` what there is, however old a file
    may be that comes back. Of the others one counts as read that was not saved since `read_ns`; where that is not sure, it does not.
    """
    since_ns = read_ns - TICK_NS
    known = {path: signature for path, signature in told.items() if path in now or path not in now_before}
    return known | {path: signature for path, signature in now.items() if path not in now_before and path not in told and signature[-1] < since_ns}


def python_files(folder: Path) -> Iterator[Path]:
    """The Python files below a folder; hidden folders and __pycache__ are left out. What cannot be read is not there."""
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
        yield from (Path(root, name) for name in names if name.endswith(".py"))


def _signature(path: Path) -> tuple[int, int, int, int] | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_ctime_ns
