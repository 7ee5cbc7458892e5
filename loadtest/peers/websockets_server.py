"""The `websockets` library on uvloop, as its documentation has it. `/echo` echoes, any other path is a room: `broadcast` sends to all at once.

    python websockets_server.py PORT

No compression, as no peer has any. Port 0 is a free one; it says which on stderr, as the daemon does. It ends with SIGTERM.
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


async def main(port: int) -> None:
    """Serves until it is told to end."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with serve(handle, "127.0.0.1", port, compression=None, backlog=4096) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        print(json.dumps({"event": "listening", "addresses": [f"ws://127.0.0.1:{port}"]}), file=sys.stderr, flush=True)
        await stopped.wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if sys.argv[1:] else 0))
