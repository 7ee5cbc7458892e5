"""The control socket of a daemon under test, spoken to line by line."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wsrouter.admin.repeats import Repeats
from wsrouter.admin.steering import Published, ReloadOutcome, State
from wsrouter.daemon.control import ControlServer
from wsrouter.daemon.control_path import control_path
from wsrouter.daemon.private_http import PrivateHttp
from wsrouter.daemon.side_thread import SideThread
from wsrouter.observe.logs import get_logger

Answer = dict[str, Any]


def socket_of(site: Path) -> Path:
    """Where the daemon of a site listens for commands, in the surroundings of this test."""
    return control_path(site, os.environ).path


def dial(path: Path) -> socket.socket:
    """A connection to a control socket; also where many others want one."""
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(10)
    while True:
        try:
            one.connect(str(path))
        except BlockingIOError:  # a full backlog
            continue
        return one


def read_answer(one: socket.socket) -> Answer:
    """The next answer; nothing more is expected after it yet."""
    line = b""
    while not line.endswith(b"\n"):
        data = one.recv(65536)
        assert data, f"closed after {line!r}"
        line += data
    answer: Answer = json.loads(line)
    return answer


def say(one: socket.socket, line: bytes) -> Answer:
    """Sends bytes and reads an answer."""
    one.sendall(line)
    return read_answer(one)


def request(path: Path, **fields: object) -> Answer:
    """One request on a connection of its own."""
    with dial(path) as one:
        return say(one, json.dumps(fields).encode() + b"\n")


class ScriptedSteering:
    """What a daemon would answer, as a test wants it; what it was asked to publish."""

    def __init__(self, outcome: ReloadOutcome | None = None, status: dict[str, object] | None = None, members: int = 0) -> None:
        """Without an outcome, a reload never ends."""
        self.outcome = outcome
        self._status = status or {}
        self.members = members
        self.published: list[tuple[str, str | bytes]] = []
        self.repeats: Repeats[Published] = Repeats(time.monotonic)
        self.current = State(is_well=True, lag_s=0.0, reasons={})

    async def reload(self) -> ReloadOutcome:
        """The outcome, or none ever."""
        if self.outcome is None:
            await asyncio.Event().wait()
        assert self.outcome is not None
        return self.outcome

    def status(self) -> dict[str, object]:
        """The status of the test."""
        return self._status

    async def memory(self) -> list[dict[str, object]]:
        """Nothing is held."""
        return []

    def state(self) -> State:
        """The state of the test."""
        return self.current

    def publish(self, topic: str, messages: Sequence[str | bytes]) -> Published:
        """Notes it."""
        self.published += [(topic, message) for message in messages]
        return Published(self.members, 0, is_known=self.members > 0)

    async def metrics(self, accept: str) -> tuple[str, bytes]:
        """None."""
        return "text/plain", b""


@contextmanager
def answering(site: Path, steering: ScriptedSteering) -> Iterator[ScriptedSteering]:
    """A control socket for this site, served in a thread, while the body lasts."""

    async def serve() -> None:
        nonlocal loop, stop
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        server = ControlServer(steering, control_path(site, os.environ), PrivateHttp(steering, SideThread(), get_logger()), get_logger())
        await server.open()
        ready.set()
        await stop.wait()
        await server.close()

    loop: asyncio.AbstractEventLoop
    stop: asyncio.Event
    ready = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    try:
        yield steering
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
