"""Wakes greenlets at their moment, to some hundredths of a millisecond.

gevent's own timers are of whole milliseconds, three times as long as a round trip takes here: what a message waits for its sender would be most of
what is measured. A Linux timerfd is as exact as the kernel; one for each process serves all greenlets. Elsewhere gevent's timers have to do.
"""

from __future__ import annotations

import ctypes
import heapq
import itertools
import os
import sys
from time import monotonic

import gevent
from gevent.event import Event

CLOCK_MONOTONIC = 1
NONBLOCK_CLOEXEC = 0o2004000
TFD_TIMER_ABSTIME = 1


class Timespec(ctypes.Structure):
    """struct itimerspec of timerfd_settime(2), flat."""

    _fields_ = (("interval_s", ctypes.c_long), ("interval_ns", ctypes.c_long), ("value_s", ctypes.c_long), ("value_ns", ctypes.c_long))


class Alarms:
    """All moments that greenlets of this process wait for. Made on first use: a process that forks later has its own."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Event]] = []
        self._order = itertools.count()
        self._fd = -1
        self._pid = 0

    def wait(self, moment_s: float, event: Event) -> None:
        """Waits until a moment of the monotonic clock, or until the event is set by somebody else. It is set afterwards in any case."""
        if not sys.platform.startswith("linux"):
            event.wait(max(0.0, moment_s - monotonic()))
            return
        if self._pid != os.getpid():
            self._start()
        heapq.heappush(self._heap, (moment_s, next(self._order), event))
        if self._heap[0][0] == moment_s:
            self._arm()
        event.wait()

    def _start(self) -> None:
        self._heap.clear()
        self._pid = os.getpid()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.timerfd_create(CLOCK_MONOTONIC, NONBLOCK_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "no timerfd")
        self._watcher = gevent.get_hub().loop.io(self._fd, 1)
        self._watcher.start(self._ring)

    def _arm(self) -> None:
        nanoseconds = max(1, int(self._heap[0][0] * 1e9))
        spec = Timespec(0, 0, *divmod(nanoseconds, 1_000_000_000))
        self._libc.timerfd_settime(self._fd, TFD_TIMER_ABSTIME, ctypes.byref(spec), None)

    def _ring(self) -> None:
        """Called by the hub."""
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return  # it was set anew meanwhile
        now = monotonic()
        while self._heap and self._heap[0][0] <= now:
            heapq.heappop(self._heap)[2].set()
        if self._heap:
            self._arm()


alarms = Alarms()
