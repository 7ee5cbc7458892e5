"""A server that answers as it is told to: late, not at all, twice, in another order, or with a close. In threads, so that it stalls alone.

    with bad_server(fault) as url: ...

A fault is called as fault(websocket, number, message) for the number-th message of a connection, from 0; unless it returns
True, the message is echoed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

Fault = Callable[[ServerConnection, int, str | bytes], object]


@contextmanager
def bad_server(fault: Fault, **arguments: object) -> Iterator[str]:
    """Its address, while the body lasts."""

    def answer(websocket: ServerConnection) -> None:
        try:
            for number, message in enumerate(websocket):
                if fault(websocket, number, message) is not True:
                    websocket.send(message)
        except ConnectionClosed:
            return

    server = serve(answer, "127.0.0.1", 0, **arguments)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/"
    finally:
        server.shutdown()
        thread.join()
