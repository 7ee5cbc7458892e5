"""Closing many connections over a time, in random order, so that their clients do not all come back in one moment."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsrouter.api.causes import Cause
    from wsrouter.wire.hub import Member

# So that a handful of connections does not wait for the whole spread: 10 ms each (Phoenix closes 10,000 in 2 s).
STEP_S = 0.01


async def close_spread(connections: Iterable[Member], cause: Cause, over_s: float, wait: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
    """Closes them one after the other within `over_s` seconds; with `wait`, somebody may hurry it."""
    waiting = list(connections)
    random.shuffle(waiting)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for number, connection in enumerate(waiting, 1):
        connection.end(cause)
        due = begun + over_s * number / len(waiting)
        # Below a tenth of a step it is not worth a turn of the loop.
        if due - loop.time() > STEP_S / 10 and number < len(waiting):
            await wait(due - loop.time())


def gentle_s(connections: int, most_s: float) -> float:
    """Over how long so many connections are closed: 10 ms each, `most_s` at the most."""
    return min(most_s, STEP_S * connections)
