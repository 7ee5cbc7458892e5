"""A connection of websockets' threading client that may be closed from any greenlet.

The library's receiving thread waits in a selector, and whoever gives up waiting closes the socket under it. The kernel's epoll forgets a closed file;
gevent's selector does not, and libev then ends the process ("I/O watcher with invalid fd"). So the receiver is woken and waited for first: it closes the
socket itself. Import this after locust.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any

from websockets.sync.client import ClientConnection

END_S = 2.0


class GeventConnection(ClientConnection):
    """For `create_connection=` of websockets.sync.client.connect."""

    def close_socket(self) -> None:
        """Ends the stream, has the receiver leave its selector, then closes."""
        if self.recv_events_thread.is_alive() and threading.current_thread() is not self.recv_events_thread:
            self.recv_messages.close()  # it may wait for room
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
            self.recv_events_thread.join(END_S)
        super().close_socket()

    def process_event(self, event: Any) -> None:
        """What still comes when nobody takes it any more is dropped."""
        with suppress(EOFError):
            super().process_event(event)
