"""A stand-in for systemd's side of sd_notify(3): the datagrams that a daemon sends, each as a dict of its lines, with the time when it came."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Message = dict[str, str]


class FakeServiceManager:
    """Collects what it is told, by a thread; whoever waits is woken by it."""

    def __init__(self, address: str) -> None:
        self.address = address
        """What goes into NOTIFY_SOCKET: a path, or an abstract `@name`."""
        self.messages: list[Message] = []
        self.came_at: list[float] = []
        """When each came, on the monotonic clock."""
        self._changed = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def environment(self) -> dict[str, str]:
        """For the daemon that is to tell it."""
        return {"NOTIFY_SOCKET": self.address}

    def told(self, line: str) -> list[Message]:
        """The messages so far that hold this line."""
        name, _, value = line.partition("=")
        return [message for message in list(self.messages) if message.get(name) == value]

    def wait_for(self, line: str, count: int = 1, within: float = 10.0) -> Message:
        """The `count`-th message that holds this line.

        Raises:
            AssertionError: if it does not come in time; with all that was told.
        """
        self.wait_until(lambda: len(self.told(line)) >= count, line, within)
        return self.told(line)[count - 1]

    def wait_until(self, condition: Callable[[], bool], wanted: str, within: float = 10.0) -> None:
        """Waits until something has been told.

        Raises:
            AssertionError: if it does not come in time; with all that was told.
        """
        deadline = time.monotonic() + within
        with self._changed:
            while not condition():
                left = deadline - time.monotonic()
                assert left > 0, f"not told {wanted} within {within} s, but {self.messages}"
                self._changed.wait(left)

    def close(self) -> None:
        """Listens no more."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._socket.getsockname())
        self._thread.join(5.0)
        self._socket.close()

    def _read(self) -> None:
        while data := self._socket.recv(4096):
            lines = [line.partition("=") for line in data.decode().splitlines()]
            with self._changed:
                self.messages.append({name: value for name, _, value in lines})
                self.came_at.append(time.monotonic())
                self._changed.notify_all()


@contextmanager
def service_manager(address: str | Path) -> Iterator[FakeServiceManager]:
    """One that listens while the body lasts."""
    fake = FakeServiceManager(str(address))
    try:
        yield fake
    finally:
        fake.close()
