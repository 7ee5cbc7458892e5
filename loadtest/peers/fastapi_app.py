"""FastAPI for uvicorn: `/echo` echoes; `/room/{name}` sends to each member in turn, as the `ConnectionManager` of its documentation does."""

from __future__ import annotations

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
rooms: dict[str, list[WebSocket]] = {}


@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    """Sends back what comes."""
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnect:
        pass


@app.websocket("/room/{name}")
async def fan(websocket: WebSocket, name: str) -> None:
    """Sends what comes to all of the room."""
    await websocket.accept()
    room = rooms.setdefault(name, [])
    room.append(websocket)
    try:
        while True:
            message = await websocket.receive_text()
            for member in list(room):
                await member.send_text(message)
    except WebSocketDisconnect:
        room.remove(websocket)
