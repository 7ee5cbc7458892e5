# Receives and sends at the same time on one connection: a task of its own sends, while the coroutine itself receives.
from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from wsrouter import Duration, Option

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection


async def conversation(
    websocket: ServerConnection,
    *,
    every: Annotated[Duration, Option(gt=0, description="The time between two questions.")] = 5.0,
    question: Annotated[str, Option(description="What is asked again and again.")] = "Are you still there?",
) -> None:
    """Ask again and again, and thank for each message meanwhile."""
    asking = asyncio.create_task(_ask(websocket, every, question))
    try:
        async for message in websocket:  # ends when the client leaves
            await websocket.send(f"Thank you for: {message!r}")
    finally:  # also when the route goes away: a task that you start is yours to end
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def _ask(websocket: ServerConnection, every: float, question: str) -> None:
    while True:
        await websocket.send(question)
        await asyncio.sleep(every)
