"""A WebSocket server that does wrong on purpose, for what must find out: it stalls, drops, sends twice, swaps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

Serve = Callable[[ServerConnection], None]


@contextmanager
def run_faulty_server(behave: Serve) -> Iterator[str]:
    """Serves each connection with `behave` while the body lasts; the address."""

    def handle(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            behave(connection)

    with serve(handle, "127.0.0.1", 0, compression=None, ping_interval=None, max_size=None, max_queue=1) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


class Stalling:
    """Answers each message, by default with itself; but nobody for a while, once, some time after the first message."""

    def __init__(self, after_s: float, for_s: float, answer: Callable[[Any], Any] = lambda message: message) -> None:
        self._after_s, self._for_s = after_s, for_s
        self._answer = answer
        self._first_at: float | None = None

    def __call__(self, connection: ServerConnection) -> None:
        for message in connection:
            self._first_at = self._first_at or time.monotonic()
            begin = self._first_at + self._after_s
            if begin <= time.monotonic() < begin + self._for_s:
                time.sleep(max(0.0, begin + self._for_s - time.monotonic()))
            connection.send(self._answer(message))


def answer_wrongly(answers: Callable[[int, Any], list[Any]]) -> Serve:
    """Answers the n-th message of each connection with a list of messages."""

    def behave(connection: ServerConnection) -> None:
        for number, message in enumerate(connection):
            for answer in answers(number, message):
                connection.send(answer)

    return behave
