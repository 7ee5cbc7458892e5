"""Whoever started this process and wants to know how it is: systemd, or what speaks its protocol (sd_notify(3)); or nobody.

A datagram of a few lines to the Unix socket that `$NOTIFY_SOCKET` names. Nothing here waits: what the other side does not take at
once is sent a moment later, in order.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from wsrouter.api.context import Log

RETRY_S: Final = 0.1
MOST_WAITING: Final = 64


class ServiceManager:
    """It, as this process sees it. Must be used in the thread of the loop."""

    def __init__(self, environ: Mapping[str, str], loop: asyncio.AbstractEventLoop, log: Log) -> None:
        """Nobody is told anything where the environment names nobody."""
        self._loop = loop
        self._log = log
        self._address = _socket_address(environ.get("NOTIFY_SOCKET", ""))
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) if self._address is not None else None
        self._waiting: deque[bytes] = deque(maxlen=MOST_WAITING)
        self._retry: asyncio.TimerHandle | None = None
        self.watchdog_s = watchdog_s(environ) if self.listens else None
        """How often it wants to hear that all is well; None where it does not."""
        if environ.get("NOTIFY_SOCKET") and not self.listens:
            self._give_up("it is no absolute path, and no @name")

    @property
    def listens(self) -> bool:
        """Whether there is somebody to tell."""
        return self._socket is not None

    def tell(self, *lines: str) -> None:
        """Sends one datagram, as `READY=1`."""
        if self._socket is not None:
            self._waiting.append("\n".join(lines).encode())
            self._send()

    def close(self) -> None:
        """Tells nothing more."""
        if self._retry is not None:
            self._retry.cancel()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self) -> None:
        self._retry = None
        while self._waiting and self._socket is not None and self._address is not None:
            try:
                self._socket.sendto(self._waiting[0], self._address)
            except (BlockingIOError, InterruptedError):
                self._retry = self._loop.call_later(RETRY_S, self._send)
                return
            except OSError as error:
                self._give_up(error.strerror or str(error))
                return
            self._waiting.popleft()

    def _give_up(self, why: str) -> None:
        """Told once: systemd will say the rest, and a daemon that serves is better than none."""
        self._log.warning("systemd.unreachable", error=why, fix="the socket that NOTIFY_SOCKET names must be there as long as this process runs")
        self.close()


def watchdog_s(environ: Mapping[str, str], pid: int | None = None) -> float | None:
    """How often a sign of life is wanted of this process (sd_watchdog_enabled(3)); None where it is not.

    `pid` is this process's where it is None.
    """
    microseconds, meant = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not (microseconds.isascii() and microseconds.isdecimal()) or int(microseconds) == 0:
        return None
    return int(microseconds) / 1e6 if meant in {"", str(os.getpid() if pid is None else pid)} else None


def _socket_address(name: str) -> str | None:
    """The address of a path, or of an abstract `@name`; None of anything else."""
    if name.startswith("@") and len(name) > 1:
        return "\0" + name[1:]
    return name if name.startswith("/") else None
