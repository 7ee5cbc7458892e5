"""aiohttp on uvloop: `/echo` echoes; `/room/NAME` sends to each member in turn, as its examples do.

    python aiohttp_server.py PORT

No compression and no access log, as no peer has any.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web

rooms: dict[str, set[web.WebSocketResponse]] = {}


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Sends back what comes."""
    websocket = web.WebSocketResponse(compress=False)
    await websocket.prepare(request)
    async for message in websocket:
        await websocket.send_str(message.data)
    return websocket


async def fan(request: web.Request) -> web.WebSocketResponse:
    """Sends what comes to all of the room."""
    websocket = web.WebSocketResponse(compress=False)
    await websocket.prepare(request)
    room = rooms.setdefault(request.match_info["name"], set())
    room.add(websocket)
    try:
        async for message in websocket:
            for member in list(room):
                await member.send_str(message.data)
    finally:
        room.discard(websocket)
    return websocket


if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    app = web.Application()
    app.add_routes([web.get("/echo", echo), web.get("/room/{name}", fan)])
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None, backlog=4096)
