"""What a reload does to those who are connected, in figures: exit status 1 where a promise of docs/changing.md is missed.

    python -m loadtest.reload               all of it, about two minutes
    python -m loadtest.reload room          20 reloads under 1,000 connections on a ticker and 100 in a room, for each on_change
    python -m loadtest.reload large         500 routes with 5,000 open connections: how long, and what a client feels meanwhile

Linux; everything is on 127.0.0.1, on two CPUs where there are two: the daemon has one, its clients the other.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loadtest.processes import choose_cpus, find_port, memory_bytes, own_environment, pin, raise_open_files

RELOADS = 20
TICKERS, MEMBERS = 1000, 100
TICK_S = 0.2
DRAIN_S = 0.5
# Between two reloads: the oldest generation of a room on `keep` is drained over 10 ms a connection.
PAUSE_S = 1.0 + 0.3
# How much later than it should a client may see its close: the client's process has 50 messages a connection to read in a second.
LATE_S = 0.25
FLAT_BYTES = 3 << 20  # the allocator takes memory by the mebibyte

ROUTES, HELD, DAEMONS = 500, 5000, 2
MOST_MS, MOST_UNCHANGED_MS, MOST_TRIP_MS = 300.0, 100.0, 20.0

TAG = '''
from wsrouter import Handler

class Tag(Handler[str]):
    """Tells whoever comes which generation of the route this is."""

    generation: int

    def on_open(self, connection):
        connection.send(f"generation {self.generation}")
'''


class Reloaded:
    """A daemon whose site this program edits."""

    def __init__(self, folder: Path, site: str, cpu: int | None) -> None:
        self.folder = folder
        self.write(site)
        environ = own_environment(folder)
        command = [sys.executable, "-m", "wsrouter", "run", "--config", str(folder / "site.yaml"), "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, cwd=folder, env=environ, stderr=subprocess.PIPE, text=True)  # noqa: S603 -- our own program
        pin(self.process.pid, cpu)
        self.port = find_port(json.dumps(self.record("listening"), separators=(",", ":")) + "\n")

    def write(self, site: str) -> None:
        """Saves the site, as an editor does: the new file takes the old one's place."""
        new = self.folder / "site.new"
        new.write_text(site, "utf-8")
        new.replace(self.folder / "site.yaml")

    def reload(self) -> dict[str, Any]:
        """Has it reload by SIGHUP; the record of what became of it."""
        self.process.send_signal(signal.SIGHUP)
        return self.record("reload.done")

    def record(self, event: str) -> dict[str, Any]:
        """The next record of this event.

        Raises:
            SystemExit: if something failed instead.
        """
        assert self.process.stderr is not None
        for line in self.process.stderr:
            found: dict[str, Any] = json.loads(line)
            if found["event"] == event:
                return found
            if found["event"] in ("reload.failed", "handler.failed", "reload.problem"):
                sys.exit(f"the daemon said: {line}")
        sys.exit(f"the daemon ended without {event}")

    def memory_bytes(self) -> int:
        """What it holds in memory."""
        return memory_bytes(self.process.pid)


class Clients:
    """A process of `reload_clients.py`."""

    def __init__(self, cpu: int | None, *arguments: object) -> None:
        command = [sys.executable, "-I", "-S", str(Path(__file__).with_name("reload_clients.py")), *map(str, arguments)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 -- our own file
        pin(self.process.pid, cpu)
        self._line()

    def report(self) -> dict[str, Any]:
        """What they have seen since the last report."""
        assert self.process.stdin is not None
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        found: dict[str, Any] = json.loads(self._line())
        return found

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline() or sys.exit("a process of clients has ended; what it said is above")


class Bench:
    """Processes that end with it, and promises that were missed."""

    def __init__(self) -> None:
        self.missed: list[str] = []
        self._processes: list[subprocess.Popen[str]] = []
        self._server_cpu, self._client_cpu = choose_cpus(os.sched_getaffinity(0))

    @contextmanager
    def daemon(self, site: str, plugins: dict[str, str]) -> Iterator[Reloaded]:
        """A daemon while the body lasts, and with it all clients."""
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "plugins").mkdir()
            for name, text in plugins.items():
                (Path(folder) / "plugins" / name).write_text(text, "utf-8")
            try:
                daemon = Reloaded(Path(folder), site, self._server_cpu)
                self._processes.append(daemon.process)
                yield daemon
            finally:
                for process in reversed(self._processes):
                    process.kill()
                    process.wait()
                self._processes.clear()

    def clients(self, *arguments: object) -> Clients:
        """A process of clients."""
        clients = Clients(self._client_cpu, *arguments)
        self._processes.append(clients.process)
        return clients

    def expect(self, what: str, holds: bool) -> None:
        """Prints a promise with whether it is kept."""
        print(f"  {'ok    ' if holds else 'MISSED'}  {what}", flush=True)
        if not holds:
            self.missed.append(what)


def room_site(on_change: str, generation: int) -> str:
    """The site of the room, edited for the so-many-th time."""
    return f"""
log: {{connections: none}}
routes:
  /tick: {{periodic: {{every: {TICK_S:g}s, message: "{{n}}"}}}}
  /say: {{broadcast: {{topic: room, history: 20}}}}
  /room:
    steps: [{{tag: {{generation: {generation}}}}}, {{broadcast: {{topic: room, history: 20}}}}]
    on_change: {on_change}
"""


def measure_room(bench: Bench, on_change: str) -> None:
    """20 reloads of a room under load."""
    print(f"\n{RELOADS} reloads of a room, on_change: {on_change}; {TICKERS} connections on a ticker, {MEMBERS} in the room")
    with bench.daemon(room_site(on_change, 0), {"tag.py": TAG}) as daemon:
        ticker, room = bench.clients("ticker", daemon.port, TICKERS), bench.clients("room", daemon.port, MEMBERS)
        time.sleep(2 * TICK_S)
        ticker.report()
        done_at: list[float] = []  # of the n-th reload, which began generation n + 1
        took_ms, memory = [], []
        ended: list[tuple[int, int, float]] = []
        for generation in range(1, RELOADS + 1):
            daemon.write(room_site(on_change, generation))
            took_ms.append(float(daemon.reload()["took_ms"]))
            done_at.append(time.monotonic())
            time.sleep(PAUSE_S)
            memory.append(daemon.memory_bytes())
            seen = room.report()
            ended += [(int(made), int(code), float(at)) for made, code, at in seen["ended"]]
        ticks = ticker.report()
    print(f"  reloads took {statistics.median(took_ms):.0f} ms, {max(took_ms):.0f} ms at most")
    print(f"  {ticks['messages']} ticks and {seen['messages']} messages of the room were received; {len(ended)} members were closed and came again")
    print(f"  resident memory: {' '.join(f'{each / (1 << 20):.1f}' for each in memory)} MiB")
    faults = (ticks["closes"], ticks["gaps"], ticks["duplicates"])
    bench.expect(f"ticker: {faults[0]} closes, {faults[1]} gaps, {faults[2]} duplicates", faults == (0, 0, 0))
    bench.expect(f"ticker: the longest step is {ticks['longest_s'] / TICK_S:.2f} intervals, 1.50 at most", ticks["longest_s"] <= 1.5 * TICK_S)
    bench.expect(f"room: {seen['gaps']} gaps, {seen['duplicates']} duplicates", (seen["gaps"], seen["duplicates"]) == (0, 0))
    check_endings(bench, on_change, ended, seen["there"], done_at, [each / 1000 for each in took_ms])
    growth = max(memory[5:]) - memory[4]
    bench.expect(f"memory grows by {growth / (1 << 20):.2f} MiB after the fifth reload, {FLAT_BYTES >> 20} at most", growth <= FLAT_BYTES)


def check_endings(bench: Bench, on_change: str, ended: list[tuple[int, int, float]], there: list[int], done_at: list[float], took_s: list[float]) -> None:
    """Whether members were closed when `on_change` says so: all of a generation, with 1012, and at no other time."""
    after = {"keep": 2, "close": 1}.get(on_change, 1)  # so many reloads after it came, a connection has to go
    within_s = {"keep": 0.01 * MEMBERS, "close": 0.0}.get(on_change, DRAIN_S)
    late = early = 0
    for made, _, at in ended:
        if made + after > len(done_at):
            early += 1
            continue
        done = done_at[made + after - 1]
        early += at < done - took_s[made + after - 1] - 0.05  # the daemon's clock begins when it wakes
        late += at > done + within_s + LATE_S
    stayed = sum(made + after <= len(done_at) for made in there)
    bench.expect(f"room: {len(ended)} closes, {sum(code != 1012 for _, code, _ in ended)} of them without 1012", all(code == 1012 for _, code, _ in ended))
    bench.expect(f"room: {early} closed too early, {late} too late, {stayed} not at all", (early, late, stayed) == (0, 0, 0))
    bench.expect(f"room: all {MEMBERS} are there at the end", len(there) == MEMBERS)


def large_site(edit: int) -> str:
    """A site of 500 routes; each edit changes a handler of one."""
    lines = [f"  /r/{number}: {{shout: {{suffix: '{number}'}}}}" for number in range(1, ROUTES - 1)]
    return "\n".join(["log: {connections: none}", "routes:", "  /r/0: echo", *lines, f"  /r/{ROUTES - 1}: {{shout: {{suffix: 'edit {edit}'}}}}", ""])


SHOUT = """
from wsrouter import Handler

class Shout(Handler[str]):
    suffix: str = "!"

    def on_message(self, connection, message):
        return message.upper() + self.suffix
"""


EDITS: dict[str, Callable[[Reloaded, int], object]] = {
    "nothing changed": lambda daemon, _: None,
    "one route changed": lambda daemon, number: daemon.write(large_site(number)),
    "a plugin of 499 routes changed": lambda daemon, number: (daemon.folder / "plugins" / "shout.py").write_text(f"{SHOUT}# {number}\n", "utf-8"),
    "settings of all routes changed": lambda daemon, number: daemon.write(f"{large_site(0)}defaults: {{outbox: {{size: {number + 1}MiB}}}}\n"),
}


def measure_large(bench: Bench, only: str) -> None:
    """How long a large site takes, and what a client feels: for each kind of edit the worst of several daemons, each of which is reloaded twice.

    The second reload is another case: where handlers changed, the connections of the oldest generation are drained from then on.
    """
    print(f"\n{ROUTES} routes, {HELD} open connections")
    for name, edit in EDITS.items():
        if only not in name:
            continue
        took_ms: list[float] = []
        during: list[float] = []
        baseline: list[float] = []
        for _ in range(DAEMONS):
            with bench.daemon(large_site(0), {"shout.py": SHOUT}) as daemon:
                bench.clients("hold", daemon.port, HELD, ROUTES)
                probe = bench.clients("probe", daemon.port, "/r/0")
                for number in (1, 2):
                    edit(daemon, number)
                    time.sleep(0.5)
                    probe.report()
                    time.sleep(1.5)
                    baseline.append(worst_ms(probe))
                    record = daemon.reload()
                    time.sleep(1.0)
                    during.append(worst_ms(probe))
                    took_ms.append(float(record["took_ms"]))
                    print(f"  {name}: {record['summary']}")
        most = MOST_UNCHANGED_MS if name == "nothing changed" else MOST_MS
        bench.expect(f"{name}: took {statistics.median(took_ms):.0f} ms, {max(took_ms):.0f} ms at most; {most:.0f} are allowed", max(took_ms) <= most)
        figures = f"{', '.join(f'{each:.1f}' for each in during)} ms; without one {', '.join(f'{each:.1f}' for each in baseline)} ms"
        bench.expect(f"{name}: longest round trips {figures}", max(during) - max(baseline) <= MOST_TRIP_MS)


def worst_ms(probe: Clients) -> float:
    """The longest round trip since the last report."""
    return 1000 * max(trip for _, trip in probe.report()["trips"])


def main() -> int:
    """Measures what it is asked to; 1 where something was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", nargs="?", choices=["room", "large"], help="by default both")
    parser.add_argument("only", nargs="?", default="", help="only edits of `large` whose name holds this")
    arguments = parser.parse_args()
    what: str | None = arguments.what
    raise_open_files()
    bench = Bench()
    if what != "large":
        for on_change in ("keep", f"{{drain: {DRAIN_S:g}s}}", "close"):
            measure_room(bench, on_change)
    if what != "room":
        measure_large(bench, arguments.only)
    print(f"\n{len(bench.missed)} missed" if bench.missed else "\nall kept")
    return 1 if bench.missed else 0


if __name__ == "__main__":
    sys.exit(main())
