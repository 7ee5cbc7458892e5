"""`SideThread`: one thread for what the private side has to import or to render, so that neither the loop nor plugins' threads wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from wsrouter.daemon.short_turns import begin_work, end_work

ResultT = TypeVar("ResultT")


class SideThread:
    """Runs functions one after the other. The thread is there when the first one comes."""

    def __init__(self) -> None:
        """Nothing runs."""
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="wsrouter-private")

    async def run(self, function: Callable[[], ResultT]) -> ResultT:
        """What the function answers.

        Raises:
            BaseException: what it raises.
        """
        begin_work()
        running = asyncio.get_running_loop().run_in_executor(self._executor, function)
        running.add_done_callback(lambda _: end_work())
        return await running

    def close(self) -> None:
        """Takes nothing more."""
        self._executor.shutdown(wait=False, cancel_futures=True)
