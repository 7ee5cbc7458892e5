"""A WebSocket client for tests."""

from __future__ import annotations

import select
import ssl
import threading
from typing import Any

from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as connect_websocket


class OneAtATime(ssl.SSLSocket):
    """A TLS socket for a client that reads in one thread and writes in another, which Python's `ssl` before 3.13 does not hold apart: either may get lost."""

    @property
    def _turn(self) -> threading.Lock:
        lock: threading.Lock = self.__dict__.setdefault("_lock", threading.Lock())
        return lock

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Waits without the lock; reads with it, and does not wait then."""
        while True:
            if not self.pending() and not self._wait():
                raise TimeoutError
            with self._turn:
                timeout = self.gettimeout()
                self.setblocking(False)
                try:
                    return super().recv(buflen, flags)
                except ssl.SSLWantReadError:  # a ticket of TLS 1.3, or half a record
                    continue
                finally:
                    self.settimeout(timeout)

    def _wait(self) -> bool:
        poll, timeout = select.poll(), self.gettimeout()  # select() knows no descriptor above 1023
        poll.register(self, select.POLLIN)
        return bool(poll.poll(None if timeout is None else timeout * 1000))

    def send(self, data: Any, flags: int = 0) -> int:
        """Writes with the lock; `sendall` comes here, too."""
        with self._turn:
            return super().send(data, flags)


def connect(url: str, **arguments: Any) -> ClientConnection:
    """A connected client, to be used in a `with`; past any proxy of the environment.

    Arguments are those of `websockets.sync.client.connect`: `origin`, `subprotocols`, `additional_headers`, `max_size`, …
    """
    if isinstance(context := arguments.get("ssl"), ssl.SSLContext):
        context.sslsocket_class = OneAtATime
    return connect_websocket(url, proxy=None, legacy=True, **arguments)
