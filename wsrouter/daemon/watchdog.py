"""The watchdog: a thread that sees when the event loop stands still, and names the plugin that it stands still in.

Every `INTERVAL_S` it asks the loop for an answer. While there is none, it looks at the stack of the loop's thread; a stall of
`STALL_S` or more is recorded as `loop.stalled` when it ends, and once on the way when it lasts `ONGOING_S`. A stall is measured from the
question, so it is up to one interval longer than told; one below `STALL_S + INTERVAL_S` may go unseen.

It tells no tales of plugins when the process itself stood still (SIGSTOP, a frozen cgroup, a suspended machine): then the watchdog
overslept too, and the loop's thread used no processor time. Nor when the loop's thread was ready and the machine too busy to run it, as
Linux counts (`/proc/self/task/*/schedstat`); that is `loop.starved`, at debug. A thread that overslept though the loop's thread did work was
kept waiting by code that holds the GIL, as a regular expression does: that is a stall like any other, told when it is over. The loop's
thread goes on as soon as any other has had the GIL, so the log's, too, looks where it was when the watchdog is overdue.

Its cost, with 50 ms between two questions: 3.2 ms of processor time a second in an idle daemon, half of it for waking the thread at all (two
virtual cores, CPython 3.11, uvloop); nothing for each message.
"""

from __future__ import annotations

import gc
import math
import os
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wsrouter.daemon.stack import Frame, PluginFiles, take_stack, walk
from wsrouter.observe.writer import tell_when_awake

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from wsrouter.api.context import Log

INTERVAL_S: Final = 0.05
# Precedents: asyncio's slow_callback_duration, Node's blocked-at.
STALL_S: Final = 0.1
ONGOING_S: Final = 5.0
QUIET_S: Final = 1.0
"""The least time between two records."""
OVERSLEPT_S: Final = 0.02
"""From here on it is looked at why the thread woke late."""
FULL_COLLECTION: Final = 2


class Ping:
    """A question to the loop."""

    __slots__ = ("_tell", "answered_at", "asked_at", "waited_s")

    def __init__(self, now: float, waited_s: float, tell: Callable[[float], None]) -> None:
        """`waited_s` is how long the loop's thread has waited for a processor in its life so far. `tell` is told how late the answer came."""
        self._tell = tell
        self.asked_at = now
        self.waited_s = waited_s
        self.answered_at: float | None = None

    def answer(self) -> None:
        """Called by the loop."""
        self.answered_at = now = time.monotonic()
        self._tell(now - self.asked_at)


@dataclass(slots=True)
class Stall:
    """A time in which the loop did not answer, as far as it has been seen."""

    stack: list[Frame]
    is_told: bool = False


@dataclass(frozen=True, slots=True)
class Nap:
    """What the watchdog's own sleep tells when it lasted too long, in seconds too long."""

    stood_still_s: float = 0.0
    """The whole process did not run."""
    kept_waiting_s: float = 0.0
    """The loop's thread ran, and held the GIL."""
    stack: Sequence[Frame] = ()
    """Where the loop's thread was when the watchdog woke."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A stall that is over."""

    duration_s: float
    stack: list[Frame]
    during: str


class Watchdog:
    """Watches one loop. `plugins` may be replaced at any time, as by a reload."""

    def __init__(self, plugins: PluginFiles, log: Log) -> None:
        """Nothing is watched before `start`. `log` is used from the watchdog's own thread."""
        self.plugins = plugins
        self._log = log
        self._stopped = False
        self._wake = threading.Lock()  # held while it watches; an Event would run Python code before the stack is looked at
        self._wake.acquire()
        self._thread = threading.Thread(target=self._run, name="wsrouter-watchdog", daemon=True)
        self._stall: Stall | None = None
        self._held_back: list[Ended] = []  # the longest of those that were not told yet
        self._suppressed = 0
        self._quiet_until = 0.0
        self._collecting_since = 0.0
        self._due_at = math.inf  # when the thread should have woken at the latest
        self._seen_for_us: list[Frame] = []
        self._collected = (0.0, 0.0)

    def start(self, loop: asyncio.AbstractEventLoop, answered: Callable[[float], None]) -> None:
        """Begins to watch; must be called in the thread of the loop. `answered` is told there how late each answer came, in seconds."""
        self._loop = loop
        self._answered = answered
        self._loop_thread = threading.get_ident()
        self._cpu_s = _cpu_clock(self._loop_thread)
        self._waited_s = _Waited(threading.get_native_id())
        gc.callbacks.append(self._on_collection)
        tell_when_awake(self.look_if_overdue)
        self._thread.start()

    def stop(self) -> None:
        """Ends it; what is held back is told. Does nothing where it was not started."""
        if not self._thread.is_alive():
            return
        self._stopped = True
        self._wake.release()
        tell_when_awake(lambda: None)
        gc.callbacks.remove(self._on_collection)
        self._thread.join(1.0)

    def look_if_overdue(self) -> None:
        """For another thread that has just got the GIL: where is the loop's, if the watchdog waits for the GIL still?"""
        if time.monotonic() > self._due_at and not self._seen_for_us:
            self._seen_for_us = take_stack(self._loop_thread)

    def _run(self) -> None:
        """The thread: asks, sleeps, looks whether there was an answer."""
        own_waited_s = _Waited(threading.get_native_id())
        ping = self._ask()
        while ping is not None and not self._stopped:
            nap = self._sleep(own_waited_s)
            ping.asked_at += nap.stood_still_s
            if ping.answered_at is None:
                self._look(ping, nap.stack)
            else:
                was_seen = self._stall is not None
                self._end(ping)
                ping = self._ask()
                if ping is not None and nap.kept_waiting_s and not was_seen:  # by what began after the last answer
                    ping.asked_at -= nap.kept_waiting_s
                    self._look(ping, nap.stack)
            self._tell_held_back()
        self._quiet_until = 0.0
        self._tell_held_back()
        self._waited_s.close()
        own_waited_s.close()

    def _sleep(self, own_waited_s: Callable[[], float]) -> Nap:
        """Sleeps for an interval; where it lasted longer, finds out why."""
        slept_at, worked_s, waited_s = time.monotonic(), self._cpu_s(), own_waited_s()
        self._seen_for_us = []
        self._due_at = slept_at + INTERVAL_S + OVERSLEPT_S
        self._wake.acquire(timeout=INTERVAL_S)
        self._due_at = math.inf
        frame = sys._current_frames().get(self._loop_thread)  # at once: the loop's thread goes on as soon as this one lets go of the GIL
        overslept_s = time.monotonic() - slept_at - INTERVAL_S
        if overslept_s < OVERSLEPT_S:
            return Nap()
        stack = self._seen_for_us or walk(frame)
        if self._cpu_s() - worked_s < overslept_s / 2:
            return Nap(stood_still_s=overslept_s)
        # A thread that waits for the GIL sleeps; one that waits for a processor is ready: then the machine is busy, and nobody's fault.
        return Nap(kept_waiting_s=overslept_s, stack=stack) if own_waited_s() - waited_s < overslept_s / 2 else Nap()

    def _ask(self) -> Ping | None:
        """A question to the loop; None once it is closed."""
        ping = Ping(time.monotonic(), self._waited_s(), self._answered)
        try:
            self._loop.call_soon_threadsafe(ping.answer)
        except RuntimeError:
            return None
        return ping

    def _look(self, ping: Ping, stack: Sequence[Frame] = ()) -> None:
        """The loop does not answer: where is it? `stack` is where it was when the thread woke, if that is known."""
        if not stack:
            stack = take_stack(self._loop_thread)
            if ping.answered_at is not None:
                return
        if self._stall is None:
            self._stall = Stall(list(stack))
        elif stack and not self.plugins.tell(self._stall.stack).handler:
            self._stall.stack = list(stack)  # a later look may find the plugin
        so_far_s = time.monotonic() - ping.asked_at
        if so_far_s >= ONGOING_S and not self._stall.is_told:
            self._stall.is_told = True
            self._tell(Ended(so_far_s, list(stack), ""), ongoing=True)

    def _end(self, ping: Ping) -> None:
        """The loop has answered: was it a stall, and whose?"""
        stall, self._stall = self._stall, None
        if stall is None or ping.answered_at is None or (duration_s := ping.answered_at - ping.asked_at) < STALL_S:
            return
        waited_s = self._waited_s() - ping.waited_s
        if waited_s > duration_s / 2:
            self._log.debug("loop.starved", duration_ms=round(1000 * duration_s), waited_ms=round(1000 * waited_s))
            return
        began, ended = self._collected
        collecting_s = min(ended, ping.answered_at) - max(began, ping.asked_at)
        self._hold_back(Ended(duration_s, stall.stack, "garbage collection" if collecting_s > duration_s / 2 else ""))

    def _hold_back(self, ended: Ended) -> None:
        """Keeps the longest until it may be told."""
        if self._held_back:
            self._suppressed += 1
            ended = max(ended, self._held_back.pop(), key=lambda each: each.duration_s)
        self._held_back.append(ended)

    def _tell_held_back(self) -> None:
        if self._held_back and time.monotonic() >= self._quiet_until:
            self._tell(self._held_back.pop())

    def _tell(self, ended: Ended, *, ongoing: bool = False) -> None:
        self._quiet_until = time.monotonic() + QUIET_S
        told = self.plugins.tell(ended.stack)
        facts = {
            "duration_ms": round(1000 * ended.duration_s),
            "handler": told.handler,
            "stack": told.lines,
            "inside": told.inside,
            "during": ended.during,
            "ongoing": ongoing,
            "suppressed": self._suppressed,
            "fix": "await asyncio.to_thread(...) for what blocks or computes" if told.handler and not ended.during else "",
        }
        self._suppressed = 0
        with suppress(Exception):  # nothing that goes wrong with a record may end the watch
            self._log.warning("loop.stalled", **{name: value for name, value in facts.items() if value})

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        """Notes when a full collection of the garbage collector ran: it stops everything, wherever it strikes."""
        if info["generation"] != FULL_COLLECTION:
            return
        if phase == "start":
            self._collecting_since = time.monotonic()
        else:
            self._collected = (self._collecting_since, time.monotonic())


class _Waited:
    """How long a thread has been ready without being run, in seconds; always 0 where the system does not say."""

    def __init__(self, native_id: int) -> None:
        self._fd: int | None = None
        with suppress(OSError):
            self._fd = os.open(f"/proc/self/task/{native_id}/schedstat", os.O_RDONLY | os.O_CLOEXEC)

    def __call__(self) -> float:
        if self._fd is None:
            return 0.0
        try:
            return int(os.pread(self._fd, 100, 0).split()[1]) / 1e9
        except (OSError, ValueError, IndexError):
            return 0.0

    def close(self) -> None:
        """Gives the descriptor back."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _cpu_clock(thread_id: int) -> Callable[[], float]:
    """How much processor time a thread has used; of the process, where a thread's is not to be had (macOS)."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return time.process_time
    clock = time.pthread_getcpuclockid(thread_id)
    return lambda: time.clock_gettime(clock)
