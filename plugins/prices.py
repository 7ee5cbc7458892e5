# A source: an async generator. It runs once for all who listen, and again from the start (after a pause) when it fails.
from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Annotated

from wsrouter import Context, Duration, Option


async def prices(
    context: Context,
    *,
    every: Annotated[Duration, Option(gt=0, description="The time between two rounds of prices.")] = 1.0,
    symbols: Annotated[tuple[str, ...], Option(min_length=1, description="What is traded.")] = ("ACME", "GLOBEX", "INITECH"),
    seed: Annotated[int | None, Option(description="Makes the same prices each time, for tests.")] = None,
) -> AsyncIterator[dict[str, object]]:
    """Prices that wander at random: one message per symbol and round, as JSON."""
    chance = random.Random(seed)
    price = dict.fromkeys(symbols, 100.0)
    while True:
        for symbol in symbols:
            price[symbol] = max(0.01, round(price[symbol] * chance.gauss(1, 0.01), 2))
            yield {"symbol": symbol, "price": price[symbol]}
        await context.clock.sleep(every)
