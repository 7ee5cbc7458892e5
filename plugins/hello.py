# The first lesson: a coroutine, as written for the `websockets` library. Keyword-only parameters are options of the site.
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection


async def hello(websocket: ServerConnection, *, greeting: str = "Message bien reçu") -> None:
    """Receive one message, print it, answer with the greeting, close."""
    message = await websocket.recv()
    print(message)
    await websocket.send(greeting)  # returning closes the connection
