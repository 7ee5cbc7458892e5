"""The one way to start something in the background: named, referenced, and its failure told once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

# How long a cancelled task may take to clean up. Precedents: gunicorn and uvicorn have 30 s for whole requests; a reload waits for this.
CLEAN_UP_S = 1.0


class Tasks:
    """The background tasks of one owner. They end with it at the latest.

    Whatever a task raises is told, also `SystemExit` and `KeyboardInterrupt`, which asyncio would let end the loop.
    """

    def __init__(self, owner: str, on_failure: Callable[[str, BaseException], None]) -> None:
        """`on_failure` is told the task's name and what it raised."""
        self._owner = owner
        self._on_failure = on_failure
        self._running: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def spawn(self, coroutine: Coroutine[object, object, None], name: str = "") -> asyncio.Task[None]:
        """Runs a coroutine; `name` says what it is, for records and debuggers."""
        full_name = f"{self._owner} {name or getattr(coroutine, '__qualname__', 'task')}"
        task = asyncio.get_running_loop().create_task(self._run(coroutine, full_name), name=full_name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(lambda _: coroutine.close())  # one that was cancelled before it began
        return task

    def names(self) -> list[str]:
        """What is running."""
        return sorted(task.get_name() for task in self._running)

    async def finish(self, timeout_s: float) -> None:
        """Waits until all have ended by themselves, but no longer than this."""
        if self._running:
            await asyncio.wait(list(self._running), timeout=timeout_s)

    async def cancel(self) -> None:
        """Cancels all and waits until they have ended; one that will not end within a second is left behind."""
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLEAN_UP_S)

    async def _run(self, coroutine: Coroutine[object, object, None], name: str) -> None:
        try:
            await coroutine
        except BaseException as error:
            if is_cancelled(error):
                raise
            self._on_failure(name, error)


def is_cancelled(error: BaseException) -> bool:
    """Whether an error is the cancelling of the task that runs now, and not something that its code came upon itself."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0
