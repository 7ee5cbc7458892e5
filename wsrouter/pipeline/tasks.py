"""The one way to start something in the background: named, referenced, and its failure told once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine


class Tasks:
    """The background tasks of one owner. They end with it at the latest."""

    def __init__(self, owner: str, on_failure: Callable[[str, BaseException], None]) -> None:
        """`on_failure` is told the task's name and what it raised."""
        self._owner = owner
        self._on_failure = on_failure
        self._running: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def spawn(self, coroutine: Coroutine[object, object, None], name: str = "") -> asyncio.Task[None]:
        """Runs a coroutine; `name` says what it is, for records and debuggers."""
        task = asyncio.get_running_loop().create_task(coroutine, name=f"{self._owner} {name or getattr(coroutine, '__qualname__', 'task')}")
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    def names(self) -> list[str]:
        """What is running."""
        return sorted(task.get_name() for task in self._running)

    async def cancel(self) -> None:
        """Cancels all and waits until they have ended; one that will not end within a second is left behind."""
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self._on_failure(task.get_name(), error)
