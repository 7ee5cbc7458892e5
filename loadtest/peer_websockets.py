"""The other server of the guard: as little as it takes with `websockets` and uvloop. `/echo` echoes, any other path is a room.

It listens on a free port of 127.0.0.1, says so on stderr as the daemon does, and ends with SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

rooms: dict[str, set[ServerConnection]] = {}


async def echo(websocket: ServerConnection) -> None:
    """Sends back what comes."""
    async for message in websocket:
        await websocket.send(message)


async def fan(websocket: ServerConnection, path: str) -> None:
    """Sends what comes to all of the room."""
    room = rooms.setdefault(path, set())
    room.add(websocket)
    try:
        async for message in websocket:
            broadcast(room, message)
    finally:
        room.discard(websocket)


async def handle(websocket: ServerConnection) -> None:
    """One connection."""
    path = websocket.request.path if websocket.request is not None else ""
    await (echo(websocket) if path == "/echo" else fan(websocket, path))


async def main() -> None:
    """Serves until it is told to end."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with serve(handle, "127.0.0.1", 0, compression=None, backlog=4096) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        print(json.dumps({"event": "listening", "addresses": [f"ws://127.0.0.1:{port}"]}), file=sys.stderr, flush=True)
        await stopped.wait()


if __name__ == "__main__":
    uvloop.run(main())
