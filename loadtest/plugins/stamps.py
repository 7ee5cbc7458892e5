"""Numbered messages at fixed times, the same for all who listen; each says when it was due, for loadtest/stamp.py to read."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

from wsrouter import Context, Duration, Option, Size

HOST = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")[:8]


async def stamps(
    context: Context,
    *,
    every: Annotated[Duration, Option(gt=0, description="The time between two messages.")] = 0.1,
    size: Annotated[Size, Option(ge=0, description="How large a message is; never less than its stamp.")] = 0,
) -> AsyncIterator[str]:
    """The k-th is due at start + k * every; when it is late it says so by that time, and none is left out."""
    sender = f"stamps-{os.getpid()}-{time.monotonic_ns()}"
    start_s, number = context.clock.monotonic(), 0
    while True:
        due_s = start_s + number * every
        await context.clock.sleep(max(0.0, due_s - context.clock.monotonic()))
        head = f'{{"lab":["{HOST}","{sender}",{number},{round(due_s * 1e9)}],"pad":"'
        yield head + "x" * (size - len(head) - 2) + '"}'
        number += 1
