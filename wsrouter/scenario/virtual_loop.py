"""`VirtualLoop`: an event loop whose time jumps to the next timer when nothing else is left to do.

Deterministic as long as nothing outside the process takes part: what is due at one moment is due together, and time moves
only when everything has come to rest. What is outside gets real time first:
- a thread of `run_in_executor` or `asyncio.to_thread` takes no virtual time: the loop waits for its result;
- an open socket or pipe of a plugin, or a thread that it started itself, is given `io_wait_s` before each jump.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import Context
from math import ceil
from typing import Any, TypeVar, TypeVarTuple

IO_WAIT_S = 0.05
"""How long sockets and threads of plugins' own are listened to, in real seconds, before each jump."""
THREAD_WAIT_S = 5.0
"""How long the loop waits for a thread's result, in real seconds; one that takes longer (it may never end) is not waited for again."""
MANY_TURNS = 10_000
"""A plugin may turn round and round while it waits for a timer: after so many turns time goes on all the same."""

TICKS_PER_S = 1_000_000
"""Moments are whole microseconds, so that ten times 0.1 s is 1 s, also after years: a float has less than a nanosecond there."""

UNDEAD: list[asyncio.Task[Any]] = []
"""Tasks of plugins that did not end when they were cancelled. They are kept: one that swallows everything may run without end when it is collected."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time, which begins at 0."""

    def __init__(self, io_wait_s: float = IO_WAIT_S) -> None:
        """`io_wait_s` is real time; see the module."""
        self._now = 0.0
        self._io_wait_s = io_wait_s
        self._turns = 0
        self._resting: list[asyncio.Future[None]] = []
        self._outstanding: set[asyncio.Future[Any]] = set()
        self._given_up: set[asyncio.Future[Any]] = set()
        self._threads_before = set(threading.enumerate())
        self._inner = _Selector(self)
        super().__init__(self._inner)
        self._clock_resolution = 0.5 / TICKS_PER_S  # what asyncio takes for the same moment; its own is lost in a float after half a year
        self._own_files = len(self._inner.get_map())

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    def call_at(self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None) -> asyncio.TimerHandle:
        """As ever, at a whole microsecond."""
        return super().call_at(_to_tick(when), callback, *args, context=context)

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """As ever; time stands still until the result is there."""
        future = super().run_in_executor(executor, func, *args)
        self._outstanding.add(future)
        future.add_done_callback(self._outstanding.discard)
        future.add_done_callback(self._given_up.discard)
        return future

    async def rest(self) -> None:
        """Waits until nothing is left to do before time would have to move on."""
        waiter = self.create_future()
        self._resting.append(waiter)
        await waiter

    def wait(self, timeout_s: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """What the loop calls between two turns: looks for events, and moves time on when there are none."""
        if timeout_s is not None and timeout_s <= 0:
            self._turns += 1
            if self._turns < MANY_TURNS:
                return self._inner.really_select(0)
        self._turns = 0
        events = self._listen(timeout_s)
        if events:
            return events
        if self._resting:
            resting, self._resting = self._resting, []
            for waiter in resting:
                if not waiter.done():
                    waiter.set_result(None)
        elif timeout_s is not None:
            self._jump(timeout_s)
        return []

    def _listen(self, timeout_s: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """Gives what is outside its time. What a thread hands over comes as an event of the loop's own pipe."""
        if self._outstanding - self._given_up:
            events = self._inner.really_select(THREAD_WAIT_S)
            if not events:
                self._given_up |= self._outstanding
            return events
        outside = len(self._inner.get_map()) > self._own_files or bool(set(threading.enumerate()) - self._threads_before - _idle_workers(self))
        patience = self._io_wait_s if outside else 0.0
        # Without a timer, and with nobody who waits for rest, only an event can end the wait.
        return self._inner.really_select(None if timeout_s is None and not self._resting else patience)

    def _jump(self, timeout_s: float) -> None:
        timers: list[asyncio.TimerHandle] = getattr(self, "_scheduled", [])
        if timeout_s > 0:
            self._now = _to_tick(self._now + timeout_s)
        elif timers:  # the turns of a busy plugin came before it
            self._now = max(self._now, timers[0].when())


class _Selector(selectors.DefaultSelector):  # which class it is depends on the system
    """The system's selector, which asks the loop how long to wait."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Between two turns of the loop."""
        return self._loop.wait(timeout)

    def really_select(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """Waits in real time."""
        events: list[tuple[selectors.SelectorKey, int]] = super().select(timeout)
        return events


def _to_tick(moment: float) -> float:
    """The next whole microsecond; a nanosecond past one is the rounding of sums."""
    return ceil(moment * TICKS_PER_S - 1e-3) / TICKS_PER_S


def _idle_workers(loop: VirtualLoop) -> set[threading.Thread]:
    """The threads of the default executor: what they do is known by its future."""
    executor = getattr(loop, "_default_executor", None)
    return set(getattr(executor, "_threads", ()))


def run_on(loop: VirtualLoop, main: Coroutine[object, object, T], on_exit: Callable[[SystemExit], None]) -> T:
    """Runs a coroutine to its end. `sys.exit()` in a task that a plugin made by itself is told, and the loop goes on."""
    task = loop.create_task(main)
    while True:
        try:
            return loop.run_until_complete(task)
        except SystemExit as error:
            if task.done():
                raise
            on_exit(error)


@contextmanager
def closing_loop(loop: VirtualLoop) -> Iterator[None]:
    """Closes the loop at the end."""
    try:
        yield
    finally:
        close_loop(loop)


def close_loop(loop: VirtualLoop) -> None:
    """Cancels what still runs and closes the loop. Threads that still run are left behind: a thread cannot be ended."""
    try:
        for _ in range(3):  # a task may make another one while it is cancelled
            tasks = asyncio.all_tasks(loop)
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            loop.run_until_complete(_quietly(tasks))
        UNDEAD.extend(asyncio.all_tasks(loop))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


async def _quietly(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.wait(tasks, timeout=1.0)
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()  # what it raised while it was cancelled is nobody's any more
