"""A bound in real time for code that may hold up the loop for ever: a plugin that computes, or waits without `await`."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

LIMIT_S = 20.0
"""How long a scenario may take, in real seconds."""


class StuckError(BaseException):
    """Raised in whatever code runs when the time is over; in a hook of a plugin it becomes that handler's failure, with its line."""


@contextmanager
def limit_real_time(limit_s: float) -> Iterator[None]:
    """Raises `StuckError` in the code that runs after so long, again and again. Only in the main thread, where signals come; elsewhere there is no bound."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise StuckError(f"it took over {limit_s:g} s of real time: something blocks the loop, or goes on without end")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, limit_s, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
