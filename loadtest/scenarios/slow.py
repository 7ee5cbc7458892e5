"""`slow`: all listen to much, and a share of them reads slowly: the others must not feel it."""

from __future__ import annotations

import itertools
import socket
from time import monotonic
from typing import Any

import gevent
from websockets.sync.client import ClientConnection

from loadtest.scenarios.scenario import ScenarioUser
from loadtest.stamp import latency_s
from loadtest.user import Session

SHARE = 0.2
PAUSE_S = 0.5
SLOW_CONSUMER = 1013


class Slow(ScenarioUser):
    """A listener. One in five (`--slow-share`) takes half a second for each message, and expects to be closed with 1013."""

    path = "/slow"
    rate = 0.0
    _numbers = itertools.count()

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        number, share = next(self._numbers), self.option("slow_share", SHARE)
        self.is_slow = int((number + 1) * share) > int(number * share)
        self.counts_lost = not self.is_slow

    def expects_close(self, code: int | None) -> bool:
        """Who is slow may be closed for it."""
        return self.is_slow and code == SLOW_CONSUMER

    def open(self) -> ClientConnection:
        """Who is slow has a small receive buffer, so that the server soon notices."""
        if self.is_slow:
            self.connect_arguments = {"sock": self._small_socket(), "max_queue": 1}
        return super().open()

    def receive(self, session: Session, message: str | bytes) -> None:
        """Who is slow takes its time; what it gets late is its own fault."""
        if not self.is_slow:
            super().receive(session, message)
            return
        stamp = self.read_message(message)
        took_s = latency_s(stamp) if stamp is not None else None
        if took_s is not None:
            self.tell("slow_delivery", took_s, monotonic() - took_s, len(message))
        gevent.sleep(PAUSE_S)

    def _small_socket(self) -> socket.socket:
        """A TCP connection whose receive buffer holds two messages."""
        host, port = self.host_and_port()
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        one = socket.socket(family, kind, protocol)
        try:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
            one.settimeout(10)
            one.connect(address)
        except OSError:
            one.close()
            raise
        return one
