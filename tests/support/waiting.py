"""Waiting for an outcome of another process or thread, with a deadline instead of a guess."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_S = 0.01


def until(condition: Callable[[], T], within: float = 5.0) -> T:
    """Calls `condition` until its answer is true and returns that answer.

    For what gives no notice of its own: a file, another process. A log record has `Daemon.wait_for`, time has a manual clock.

    Raises:
        AssertionError: if it is not true `within` seconds.
    """
    deadline = time.monotonic() + within
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not true within {within} s; the last answer was {answer!r}"
        time.sleep(POLL_S)
    return answer


async def until_async(condition: Callable[[], T], within: float = 5.0) -> T:
    """As `until`, for tests that run in the event loop that makes it true."""
    deadline = time.monotonic() + within
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not true within {within} s; the last answer was {answer!r}"
        await asyncio.sleep(POLL_S)
    return answer
