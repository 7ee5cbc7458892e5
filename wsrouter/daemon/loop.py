"""The event loop that a daemon runs on: uvloop where it is installed; `sys.exit()` in a task of a plugin does not end it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from wsrouter.observe.logs import get_logger
from wsrouter.observe.tracebacks import trace

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def choose_loop() -> tuple[Callable[[], asyncio.AbstractEventLoop] | None, str]:
    """What makes the loop, and its name: uvloop's, or the stock one with a warning where uvloop is not installed."""
    try:
        import uvloop
    except ImportError:
        get_logger().warning("uvloop.missing", effect="the stock event loop is used; it is slower", fix="pip install uvloop")
        return None, "asyncio"
    return uvloop.new_event_loop, "uvloop"


def run_to_end(main: Coroutine[object, object, None], loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> None:
    """Runs a coroutine until it is done, and raises what it raises.

    A task that a plugin made by itself is not fenced: its `SystemExit` comes out of the loop, is recorded, and the loop goes on.
    """
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        loop = runner.get_loop()
        task = loop.create_task(main, name="daemon")
        while True:
            try:
                return loop.run_until_complete(task)
            except SystemExit as error:
                if task.done():
                    raise
                told = trace(error)
                get_logger().error("task.exited", error=told.error, at=told.at, traceback=told.text)
