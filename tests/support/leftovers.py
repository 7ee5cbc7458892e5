"""What a test must not leave behind: child processes, and tasks of its event loop."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

# A task that is about to end by itself, such as the end of a closed connection, gets this long.
GRACE_S = 1.0


def child_processes() -> set[int]:
    """The children of this process, dead ones that nobody waited for included; empty where there is no /proc."""
    found: set[int] = set()
    for listing in Path("/proc/self/task").glob("*/children"):
        with suppress(FileNotFoundError):  # the thread has ended meanwhile
            found |= {int(child) for child in listing.read_text().split()}
    return found


def describe_and_end(child: int) -> str:
    """Names a child process and ends it, so that it does not disturb the next test."""
    try:
        command = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    except OSError:
        return f"{child} (gone meanwhile)"
    return f"{child} {command or '(dead, but nobody waited for it)'}"


def without_leftover_tasks(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Wraps an async test: tasks that it started must have ended, or end by themselves at once."""

    @functools.wraps(test)
    async def checked(**arguments: Any) -> None:
        before = asyncio.all_tasks()
        await test(**arguments)
        if begun := asyncio.all_tasks() - before:
            _, left = await asyncio.wait(begun, timeout=GRACE_S)
            assert not left, "the test left tasks behind: " + "; ".join(sorted(repr(task) for task in left))

    return checked
