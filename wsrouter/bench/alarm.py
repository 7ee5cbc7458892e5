"""Wakes the loop at a moment, not at a millisecond.

Timers of uvloop count whole milliseconds: they ring up to 0.5 ms early or late, and that would be measured as the server's.
A timer of the kernel (timerfd) is 0.07 ms late in the median. Where there is none, the loop's own timer serves.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable
from time import monotonic_ns

CLOCK_MONOTONIC = 1
TFD_TIMER_ABSTIME = 1


class _Setting(ctypes.Structure):
    """`struct itimerspec`: how often again, and when first."""

    _fields_ = [(name, ctypes.c_long) for name in ("interval_s", "interval_ns", "value_s", "value_ns")]


class Alarm:
    """Calls back at the time that was set last."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None
        self._libc = ctypes.CDLL(None)
        try:
            self._descriptor = self._libc.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        except AttributeError:  # only Linux has it
            self._descriptor = -1
        if self._descriptor >= 0:
            loop.add_reader(self._descriptor, self._take)

    def set(self, at_ns: int) -> None:
        """Rings at a time of the monotonic clock; at once if that is over."""
        if self._descriptor >= 0:
            setting = _Setting(0, 0, *divmod(at_ns, 1_000_000_000))
            self._libc.timerfd_settime(self._descriptor, TFD_TIMER_ABSTIME, ctypes.byref(setting), None)
        else:
            self._handle = self._loop.call_later((at_ns - monotonic_ns()) / 1e9, self._ring)

    def close(self) -> None:
        """Rings no more."""
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
        if self._handle is not None:
            self._handle.cancel()
        self.set = lambda at_ns: None  # type: ignore[method-assign]  # a ring that is under way sets it once more

    def _take(self) -> None:
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:  # it was set anew since it rang
            return
        self._ring()
