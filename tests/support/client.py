"""A WebSocket client for tests."""

from __future__ import annotations

from typing import Any

from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as connect_websocket


def connect(url: str, **arguments: Any) -> ClientConnection:
    """A connected client, to be used in a `with`; past any proxy of the environment.

    Arguments are those of `websockets.sync.client.connect`: `origin`, `subprotocols`, `additional_headers`, `max_size`, …
    """
    return connect_websocket(url, proxy=None, legacy=True, **arguments)
