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
TURN = 50
"""So many are closed in one turn of the loop at the most, however short the time is: about a millisecond."""


async def close_spread(connections: Iterable[Member], cause: Cause, over_s: float, wait: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
    """Closes them one after the other within `over_s` seconds; with `wait`, somebody may hurry it."""
    waiting = list(connections)
    random.shuffle(waiting)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for number, connection in enumerate(waiting, 1):
        connection.end(cause)
        left_s = begun + over_s * number / len(waiting) - loop.time()
        # Below a tenth of a step it is not worth a turn of the loop.
        if (left_s > STEP_S / 10 or number % TURN == 0) and number < len(waiting):
            await wait(max(0.0, left_s))


def gentle_s(connections: int, most_s: float) -> float:
    """Over how long so many connections are closed: 10 ms each, `most_s` at the most."""
    return min(most_s, STEP_S * connections)
