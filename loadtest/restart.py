"""Restarts a daemon under a steady stream of clients, and counts those that were not let in: `python -m loadtest.restart`.

Two ways must let everybody in: the sockets are held by somebody else, as by systemd for a socket unit (`socket`), or the next daemon
serves before the last is told to stop (`reuse_port`). The third, `plain`, is to stop it and to start it again: what the two are for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from loadtest.processes import MeasureError, own_environment

RATE: Final = 200
"""New clients a second."""
STAY_S: Final = 0.5
"""How long each of them stays, so that there is always something to drain."""
PAUSE_S: Final = 1.0
START_S: Final = 20.0
PATIENCE_S: Final = 20.0
WAYS: Final = ("socket", "reuse_port", "plain")

REQUEST: Final = (
    b"GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
# What systemd does between fork and exec: the socket becomes descriptor 3, and is said to be for this process.
TO_DESCRIPTOR_3: Final = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="wsrouter.socket")
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass
class Result:
    """What became of the clients of one way."""

    way: str
    restarts: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0

    @property
    def refused(self) -> int:
        """How many were not let in, for whatever reason."""
        return self.outcomes.total() - self.outcomes["open"]


class Restarted:
    """A daemon that can be restarted in one of the ways."""

    def __init__(self, way: str, folder: Path) -> None:
        self.way = way
        self.port = 0
        self._folder = folder
        self._held: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None

    async def begin(self) -> None:
        """Starts the first one, on a port that is free."""
        held = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = held.getsockname()[1]
        if self.way == "socket":
            self._held = held
        else:
            held.close()
        server = {"listen": f"127.0.0.1:{self.port}", "reuse_port": self.way == "reuse_port"}
        (self._folder / "site.yaml").write_text(json.dumps({"routes": {"/echo": "echo"}, "server": server}), "utf-8")
        self._process = await self._start()

    async def restart(self) -> None:
        """The next takes the place of the last."""
        last = self._process
        assert last is not None
        if self.way == "reuse_port":
            self._process = await self._start()
            await _stop(last)
        else:
            await _stop(last)
            self._process = await self._start()

    async def end(self) -> None:
        """Stops it."""
        if self._process is not None:
            await _stop(self._process)
        if self._held is not None:
            self._held.close()

    async def _start(self) -> asyncio.subprocess.Process:
        """One that listens.

        Raises:
            MeasureError: if it does not; with what it said.
        """
        command = [sys.executable, "-m", "wsrouter", "run", "--config", str(self._folder / "site.yaml")]
        passed = [] if self._held is None else [self._held.fileno()]
        if passed:
            command = [sys.executable, "-c", TO_DESCRIPTOR_3, str(passed[0]), *command]
        process = await asyncio.create_subprocess_exec(
            *command, cwd=self._folder, env=own_environment(self._folder), stderr=asyncio.subprocess.PIPE, pass_fds=passed
        )
        assert process.stderr is not None
        said = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                while line := await process.stderr.readline():
                    said = line
                    if b'"listening"' in line:
                        self._reading = asyncio.create_task(process.stderr.read())
                        return process
        with suppress(ProcessLookupError):
            process.kill()
        raise MeasureError(f"the daemon does not listen; it said: {said.decode(errors='replace').strip() or 'nothing'}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    code = await process.wait()
    if code:
        raise MeasureError(f"the daemon ended with {code}")


async def connect_once(port: int, result: Result) -> None:
    """One client: comes, asks for a WebSocket, stays a little, goes. What became of it is counted."""
    began = time.monotonic()
    writer = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
        outcome = "open" if head.startswith(b"HTTP/1.1 101") else head.split(b"\r\n")[0].decode(errors="replace")
    except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
        outcome = type(error).__name__
    result.outcomes[outcome] += 1
    result.slowest_s = max(result.slowest_s, time.monotonic() - began)
    if outcome == "open":
        await asyncio.sleep(STAY_S)
    if writer is not None:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def keep_coming(port: int, result: Result, stopped: asyncio.Event) -> None:
    """Clients at `RATE`, each on time whatever becomes of the others."""
    loop = asyncio.get_running_loop()
    clients: set[asyncio.Task[None]] = set()
    due = loop.time()
    while not stopped.is_set():
        due += 1 / RATE
        client = asyncio.create_task(connect_once(port, result))
        clients.add(client)
        client.add_done_callback(clients.discard)
        await asyncio.sleep(max(0.0, due - loop.time()))
    await asyncio.gather(*clients)


async def measure(way: str, restarts: int) -> Result:
    """Restarts a daemon so many times in one way, under its clients."""
    result, stopped = Result(way), asyncio.Event()
    with tempfile.TemporaryDirectory(prefix="wsr-") as folder:
        daemon = Restarted(way, Path(folder))
        try:
            await daemon.begin()
            clients = asyncio.create_task(keep_coming(daemon.port, result, stopped))
            for _ in range(restarts):
                await asyncio.sleep(PAUSE_S)
                await daemon.restart()
                result.restarts += 1
            await asyncio.sleep(PAUSE_S)
            stopped.set()
            await clients
        finally:
            await daemon.end()
    return result


def main() -> int:
    """1 where somebody was not let in by a way that must let in everybody."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.restart", description="Restarts a daemon under a steady stream of clients.")
    parser.add_argument("--way", action="append", choices=WAYS, help="only this one; may be repeated")
    parser.add_argument("--restarts", type=int, default=5, help="how many restarts of each (5)")
    arguments = parser.parse_args()
    code = 0
    print(f"{'way':<12}{'restarts':>9}{'clients':>9}{'refused':>9}{'slowest':>10}")
    for way in arguments.way or WAYS:
        result = asyncio.run(measure(way, arguments.restarts))
        why = ", ".join(f"{count} {outcome}" for outcome, count in sorted(result.outcomes.items()) if outcome != "open")
        print(f"{way:<12}{result.restarts:>9}{result.outcomes.total():>9}{result.refused:>9}{result.slowest_s:>8.2f} s  {why}".rstrip(), flush=True)
        if way != "plain" and result.refused:
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
