"""What the server's process uses while it is under load, once a second: CPU, memory, files, and how long its event loop lets a ping wait.

The lag is the round trip of a WebSocket ping on a connection of its own, ten a second: any server answers it from its loop, by protocol, and it waits
for whatever the loop is busy with. The worst of each second counts. All of it runs in threads of the parent process, beside Locust.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from loadtest.processes import cpu_s, memory_bytes, process_tree

EVERY_S = 1.0
PINGS_A_SECOND = 10
PATIENCE_S = 30.0
LOOK_UP_S = 0.2
"""How soon it is noticed that the connection is gone."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment. What is not known is None."""

    at_s: float
    """Seconds of the wall clock."""
    cpu_percent: float | None
    """Of one core, since the last sample."""
    memory_bytes: int | None
    fds: int | None
    lag_s: float | None
    """The longest that a ping waited since the last sample."""
    generator_percent: float | None
    """CPU of Locust, all its processes; of one core."""


def count_fds(pid: int) -> int:
    """How many files a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


class Cpu:
    """CPU of a process and all that it started, since the last question."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._before: dict[int, float] = {}
        self._asked_at = time.monotonic()

    def percent(self) -> float | None:
        """Of one core; None where it is gone."""
        now, used = time.monotonic(), 0.0
        after: dict[int, float] = {}
        for pid in process_tree(self.pid):
            with suppress(OSError):
                after[pid] = cpu_s(pid)
                used += after[pid] - self._before.get(pid, 0.0)
        passed_s, self._asked_at, self._before = now - self._asked_at, now, after
        return 100 * used / passed_s if after and passed_s > 0 else None


class Pinger(threading.Thread):
    """Pings a server, and comes again when it is gone."""

    def __init__(self, url: str) -> None:
        super().__init__(name="pinger", daemon=True)
        self._url = url
        self._stopped = threading.Event()
        self._worst: float | None = None
        self._asked_at: float | None = None

    def take_worst_s(self) -> float | None:
        """The longest wait since the last question, also of a ping that still waits; None where no ping was answered or waits."""
        worst, self._worst = self._worst, None
        asked_at = self._asked_at
        waits = [value for value in (worst, time.monotonic() - asked_at if asked_at is not None else None) if value is not None]
        return max(waits, default=None)

    def stop(self) -> None:
        """Ends it."""
        self._stopped.set()

    def run(self) -> None:
        """Its thread."""
        while not self._stopped.is_set():
            try:
                with connect(self._url, proxy=None, legacy=True, compression=None, ping_interval=None, close_timeout=1) as websocket:
                    reader = threading.Thread(target=drain, args=(websocket,), daemon=True)
                    reader.start()
                    self._ping(websocket)
            except (OSError, TimeoutError, WebSocketException):
                self._asked_at = None
                self._stopped.wait(0.2)

    def _ping(self, websocket: ClientConnection) -> None:
        while not self._stopped.is_set():
            self._asked_at = begun_at = time.monotonic()
            pong = websocket.ping()
            while not pong.wait(LOOK_UP_S) and not self._stopped.is_set():
                if websocket.close_code is not None or time.monotonic() - begun_at > PATIENCE_S:
                    raise TimeoutError
            took_s, self._asked_at = time.monotonic() - begun_at, None
            self._worst = max(self._worst or 0.0, took_s)
            self._stopped.wait(1 / PINGS_A_SECOND)


def drain(websocket: ClientConnection) -> None:
    """Reads what a route sends by itself, so that pongs get through."""
    with suppress(WebSocketException, OSError):
        for _ in websocket:
            pass


class Sampler(threading.Thread):
    """Takes samples until it is stopped."""

    def __init__(self, pid: int | None, ping_url: str | None, generator_pid: int) -> None:
        super().__init__(name="sampler", daemon=True)
        self.samples: list[Sample] = []
        self._pinger = Pinger(ping_url) if ping_url is not None else None
        self._generator = Cpu(generator_pid)
        self._stopped = threading.Event()
        self.watch(pid)

    def watch(self, pid: int | None) -> None:
        """From now on the server is this process."""
        self._cpu = Cpu(pid) if pid is not None else None
        if self._cpu is not None:
            self._cpu.percent()

    def stop(self) -> Sequence[Sample]:
        """Ends it; all samples."""
        self._stopped.set()
        if self._pinger is not None:
            self._pinger.stop()
        self.join(5)
        return self.samples

    def run(self) -> None:
        """Its thread."""
        if self._pinger is not None:
            self._pinger.start()
        self._generator.percent()
        due_s = time.monotonic()
        while not self._stopped.wait(max(0.0, due_s - time.monotonic())):
            self.samples.append(self._take())
            due_s = max(due_s + EVERY_S, time.monotonic())

    def _take(self) -> Sample:
        cpu = self._cpu
        memory = fds = None
        if cpu is not None:
            with suppress(OSError):
                memory = sum(memory_bytes(pid) for pid in process_tree(cpu.pid))
                fds = count_fds(cpu.pid)
        return Sample(
            at_s=time.time(),
            cpu_percent=cpu.percent() if cpu is not None else None,
            memory_bytes=memory,
            fds=fds,
            lag_s=self._pinger.take_worst_s() if self._pinger is not None else None,
            generator_percent=self._generator.percent(),
        )


def dump_samples(samples: Sequence[Sample]) -> list[dict[str, float | None]]:
    """As plain dicts."""
    return [asdict(sample) for sample in samples]
