"""What `./dev growth` measures: for each curve its points, each on a daemon of its own that has just been started.

CPU is that of the daemon's own clock, for each message that reached a client; see `processes` and `generator`. A point is a
few slices on connections that stay open, after one to warm up.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest.grown import Check
from loadtest.processes import SETTLE_S, Generator, Server, choose_cpus, pin, run_generator, run_site

SITE = """
routes:
  /echo: echo
  /room/{room}: broadcast
  /quiet:
    handler: echo
    keepalive: {ping: 1s, pong: 10s}
"""
ROOM = "/room/{}"
SIZE = 128
"""Of a message, in bytes, where the size is not what changes."""
MOST = 10_000
"""Connections of the largest points."""
ROOM_OF = 20
"""Members of a room where the connections are what changes."""
ALONE = 1000
"""Connections that are alone in their rooms where the rate is what changes."""

Found = tuple[str, float, list[float]]
"""The name of a series, a place on its axis, the samples."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How often and how long is measured, and up to how much."""

    rounds: int
    slices: int
    slice_s: float
    most: int = MOST

    def upto(self, *numbers: int) -> list[int]:
        """Those that are not too much."""
        return [number for number in numbers if number <= self.most]


QUICK = Effort(rounds=1, slices=2, slice_s=0.15)
FULL = Effort(rounds=3, slices=3, slice_s=0.3)


class Bench:
    """Servers and generators of one run, on a CPU each where there are two."""

    def __init__(self, effort: Effort) -> None:
        self.effort = effort
        self._server_cpu, self._generator_cpu = choose_cpus(os.sched_getaffinity(0))

    @contextmanager
    def server(self, site: str = SITE) -> Iterator[Server]:
        """Runs a daemon."""
        with run_site(site, self._server_cpu) as server:
            yield server

    @contextmanager
    def load(
        self, server: Server, mode: str, connections: int, *, path: str = ROOM, in_flight: int = 1, size: int = SIZE, rooms: int = 1
    ) -> Iterator[Generator]:
        """Runs a generator; its connections are open."""
        with run_generator(server.port, (path, mode, connections, in_flight, size, rooms), self._generator_cpu) as generator:
            generator.wait_until_ready()
            yield generator

    def costs_us(self, server: Server, generator: Generator, slice_s: float | None = None, warm_s: float = 0.0) -> list[float]:
        """Microseconds of the daemon for each message that reached a client, slice by slice."""
        seconds = slice_s or self.effort.slice_s
        generator.run(warm_s or seconds / 2)
        return [self._cost_us(server, generator, seconds) for _ in range(self.effort.slices)]

    def measure(self, mode: str, connections: int, *, slice_s: float | None = None, warm_s: float = 0.0, **load: int | str) -> list[float]:
        """Starts both, and measures."""
        with self.server() as server, self.load(server, mode, connections, **load) as generator:  # type: ignore[arg-type] -- its keywords
            return self.costs_us(server, generator, slice_s, warm_s)

    @contextmanager
    def kept_awake(self) -> Iterator[None]:
        """Has something else to do for the daemon's CPU whenever the daemon does nothing: it never sleeps."""
        with subprocess.Popen([sys.executable, "-I", "-S", "-c", "while True: pass"]) as process:
            try:
                pin(process.pid, self._server_cpu)
                os.sched_setscheduler(process.pid, os.SCHED_IDLE, os.sched_param(0))
                yield
            finally:
                process.kill()

    @staticmethod
    def _cost_us(server: Server, generator: Generator, seconds: float) -> float:
        before = server.gauge("cpu")
        messages = generator.run(seconds)
        time.sleep(SETTLE_S)
        return (server.gauge("cpu") - before) / messages * 1e6


def subscribers(bench: Bench) -> Iterator[Found]:
    """One room of everybody; beside it a room of 100 among thousands who only are connected."""
    for number in bench.effort.upto(10, 30, 100, 300, 1000, 3000, 10_000):
        yield "subscribers.delivery_us", number, bench.measure("fan", number)
    silent = bench.effort.most - 200
    with ExitStack() as stack:
        server = stack.enter_context(bench.server())
        stack.enter_context(bench.load(server, "idle", silent, path="/echo")).run(1)
        yield "subscribers.among_silent_us", 100, bench.costs_us(server, stack.enter_context(bench.load(server, "fan", 100)))


def rooms(bench: Bench) -> Iterator[Found]:
    """All connections there are, in more and more rooms; every room is published to in turn."""
    for number in bench.effort.upto(1, 10, 50, 200, 1000, 5000):
        if number > bench.effort.most // 2:
            continue
        with bench.server() as server, bench.load(server, "fan", bench.effort.most, rooms=number) as generator:
            yield "rooms.delivery_us", number, bench.costs_us(server, generator)
            yield "rooms.memory_mib", number, [server.gauge("memory") / 2**20]


def connections(bench: Bench) -> Iterator[Found]:
    """More and more connections: silent ones, such as answer pings, such as talk in rooms of 20."""
    for number in bench.effort.upto(100, 300, 1000, 3000, 10_000):
        with bench.server() as server:
            before_kib = slab_kib()
            with bench.load(server, "idle", number, path="/echo") as generator:
                generator.run(1)
                time.sleep(SETTLE_S)
                yield "connections.memory_mib", number, [server.gauge("memory") / 2**20]
                yield "connections.slab_mib", number, [(slab_kib() - before_kib) / 1024]
                yield "connections.idle_ms", number, [idle_ms(server) for _ in range(2)]
        yield "connections.delivery_us", number, bench.measure("fan", number, rooms=number // ROOM_OF)
        with bench.server() as server, bench.load(server, "quiet", number, path="/quiet") as generator:
            # Two periods of the pings, and not a part of one.
            yield "connections.ping_us", number, bench.costs_us(server, generator, 2.0)[:2]


def sizes(bench: Bench) -> Iterator[Found]:
    """Longer and longer messages, echoed and delivered; beside them two sizes around loopback's longest segment."""
    # While the kernel takes pages for its buffers that it had not in use before (nr_free_pages falls), a virtual machine has to ask its
    # host for them, and a message of 64 KiB was seen to cost five times as much. After a moment the same ones are used again.
    warm_s = 5 * bench.effort.slice_s
    for size in (16, 64, 256, 1024, 4096, 16_384, 32_768, 49_152, 65_536):
        yield "sizes.echo_us", size, bench.measure("echo", 64, path="/echo", size=size, warm_s=warm_s)
        yield "sizes.delivery_us", size, bench.measure("fan", 100, size=size, warm_s=warm_s)
    for size in (65_450, 65_500):
        yield "sizes.segments_us", size, bench.measure("echo", 64, path="/echo", size=size, warm_s=warm_s)


def routes(bench: Bench) -> Iterator[Found]:
    """More and more routes with a parameter; the last one of the file is used."""
    for number in bench.effort.upto(1, 10, 100, 1000):
        site = "routes:\n" + "".join(f"  /service{index}/{{name}}: echo\n" for index in range(number))
        path = f"/service{number - 1}/x"
        start = time.monotonic()
        with bench.server(site) as server:
            yield "routes.start_ms", number, [(time.monotonic() - start) * 1000]
            yield "routes.start_cpu_ms", number, [server.gauge("cpu") * 1000]
            yield "routes.memory_mib", number, [server.gauge("memory") / 2**20]
            with bench.load(server, "accept", 64, path=path) as generator:
                yield "routes.handshake_us", number, bench.costs_us(server, generator)
            with bench.load(server, "echo", 64, path=path) as generator:
                yield "routes.echo_us", number, bench.costs_us(server, generator)


def rate(bench: Bench) -> Iterator[Found]:
    """More and more messages a second, each to its sender alone; beside it on a CPU that is kept awake."""
    alone = min(ALONE, bench.effort.most)

    def cost(per_s: int) -> list[float]:
        return bench.measure("paced", alone, in_flight=per_s, rooms=alone, slice_s=max(bench.effort.slice_s, 15 / per_s))

    for number in (10, 30, 100, 300, 1000, 3000, 10_000):
        yield "rate.message_us", number, cost(number)
    with bench.kept_awake():
        yield "rate.awake_us", 100, cost(100)


CURVES: dict[str, Callable[[Bench], Iterator[Found]]] = {
    "subscribers": subscribers,
    "routes": routes,
    "rooms": rooms,
    "sizes": sizes,
    "connections": connections,
    "rate": rate,
}

Asked = tuple[int, int, int, int]
"""Of a check: connections, rooms, messages a second, bytes."""

CHECKS: tuple[Asked, ...] = (
    (2000, 50, 1000, 100),
    (600, 60, 300, 1000),
    (5000, 500, 2000, 300),
    (1500, 300, 4000, 64),
    (4000, 40, 200, 512),
    (800, 80, 600, 200),
    (3000, 150, 1500, 100),
    (1200, 400, 700, 150),
    (6000, 300, 1200, 256),
)
"""Nothing of this is a point of a curve.

The first three showed that a model without `pause` is a third off at low rates, the fifth that it has a limit, and the first seven
together that a site is never without it; the last two were chosen when all of this was in.
"""


def check(bench: Bench, point: Asked) -> Check:
    """Measures a point that was not used for the fit."""
    connected, in_rooms, per_s, size = point
    seconds = max(1.0, 4 * bench.effort.slice_s)
    with bench.server() as server, bench.load(server, "paced", connected, in_flight=per_s, size=size, rooms=in_rooms) as generator:
        generator.run(seconds / 2)
        cpu = [busy(server, generator, seconds) for _ in range(bench.effort.slices)]
        files = len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
        return Check(connected, in_rooms, per_s, size, cpu, server.gauge("memory"), files)


def busy(server: Server, generator: Generator, seconds: float) -> float:
    """What share of a core the daemon uses under a load."""
    begin, before = time.monotonic(), server.gauge("cpu")
    generator.run(seconds)
    return (server.gauge("cpu") - before) / (time.monotonic() - begin)


def idle_ms(server: Server) -> float:
    """Milliseconds of CPU in a second in which nothing happens."""
    begin, before = time.monotonic(), server.gauge("cpu")
    time.sleep(1)
    return (server.gauge("cpu") - before) / (time.monotonic() - begin) * 1000


def slab_kib() -> int:
    """The kernel's own objects, those of sockets among them, of the whole machine."""
    return next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text("ascii").splitlines() if line.startswith("Slab:"))
