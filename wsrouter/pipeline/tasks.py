"""The one way to start something in the background: named, referenced, and its failure told once."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable

# How long a cancelled task may take to clean up. Precedents: gunicorn and uvicorn have 30 s for whole requests; a reload waits for this.
CLEAN_UP_S = 1.0

LEAK_TASKS = 1_000
"""So many tasks more than connections are told of, as each doubling of it is."""

_CONNECTION_ID = re.compile(r" [0-9a-f]{8,}(?:-[0-9a-f-]+)?\Z")


def count_names(names: Iterable[str], most: int = 5) -> dict[str, int]:
    """How many there are of each name, the most first; one task for each connection, named after it, is one name."""
    return dict(Counter(_CONNECTION_ID.sub("", name) for name in names).most_common(most))


class Tasks:
    """The background tasks of one owner. They end with it at the latest.

    Whatever a task raises is told, also `SystemExit` and `KeyboardInterrupt`, which asyncio would let end the loop.
    """

    def __init__(self, owner: str, on_failure: Callable[[str, BaseException], None], on_growth: Callable[[int], int] | None = None) -> None:
        """`on_failure` is told the task's name and what it raised.

        `on_growth` is told how many there are when there are `LEAK_TASKS`; it answers at how many it wants to be told again.
        """
        self._owner = owner
        self._on_growth = on_growth
        self._grown_at = LEAK_TASKS
        self._on_failure = on_failure
        self._running: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def spawn(self, coroutine: Coroutine[object, object, None], name: str = "") -> asyncio.Task[None]:
        """Runs a coroutine; `name` says what it is, for records and debuggers."""
        full_name = f"{self._owner} {name or getattr(coroutine, '__qualname__', 'task')}"
        task = asyncio.get_running_loop().create_task(self._run(coroutine, full_name), name=full_name)
        self._running.add(task)
        if len(self._running) >= self._grown_at and self._on_growth is not None:
            self._grown_at = self._on_growth(len(self._running))
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

    async def cancel(self) -> list[str]:
        """Cancels all and waits until they have ended; tells the names of those that will not end within a second and are left behind.

        Those that were left behind by an earlier call are not waited for again.
        """
        tasks = [task for task in self._running if not task.cancelling()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLEAN_UP_S)
        return sorted(task.get_name() for task in tasks if not task.done())

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
