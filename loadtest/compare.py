"""./dev compare: wsrouter beside what people would use instead, in one run.

    ./dev compare                        everything, about seven minutes: loadtest/compared.json, and from that docs/performance.md
    ./dev compare --peers Bun ws         only these, beside wsrouter; the page is left alone
    ./dev compare --only echo            only rows whose name begins so; the page is left alone
    ./dev compare --rounds 1             one round instead of three; the page is left alone
    ./dev compare --out FILE             writes the figures there instead, and leaves the page alone

In each round every row is measured on every server in turn, each started anew, with the server on one CPU and what makes the load
on another, where there are two. A server that cannot be had here is left out by its name. Everything is on 127.0.0.1, and ends with
the command. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from loadtest.bench import measure_slice
from loadtest.compared import Compared, Sample, save_compared
from loadtest.facts import describe_machine
from loadtest.peers.outfit import fit_out
from loadtest.peers.peer import Peer, peers
from loadtest.processes import MeasureError, Server, choose_cpus, raise_open_files, run_bench, run_generator, run_on_port
from loadtest.workloads import Workload

COMPARED = Path(__file__).resolve().parent / "compared.json"
ROUNDS = 3
WARM_UP_S, SLICE_S = 0.4, 1.2
LATENCY_PATIENCE_S = 60.0
LATENCY = {"connections": 100, "rate": 5000, "size": 64, "time": "3s"}
LATENCY_ROWS = {"latency-p50": "p50_s", "latency-p99": "p99_s", "latency-p99.9": "p99.9_s"}

WORKLOADS = (
    Workload("echo-1", "echo", "/echo", 64, 1, 64, "64 connections, one message of 64 bytes in flight each"),
    Workload("echo-16", "echo", "/echo", 64, 16, 64, "64 connections, 16 messages of 64 bytes in one write each"),
    Workload("echo-4k", "echo", "/echo", 64, 1, 4096, "64 connections, one message of 4,096 bytes in flight each"),
    Workload("fan-1", "fan", "/room/a", 1000, 1, 128, "a room of 1,000, one message of 128 bytes, again when all have it"),
    Workload("fan-16", "fan", "/room/a", 1000, 16, 128, "a room of 1,000, 16 messages of 128 bytes in one write"),
    Workload("accept", "accept", "/echo", 64, 1, 16, "connections opened and closed by the closing handshake, 64 at a time"),
    Workload("idle", "silent", "/echo", 2000, 1, 16, "2,000 silent connections, pinged once", "memory"),
)

Say = Callable[[str], None]


@dataclass(slots=True)
class Findings:
    """What was measured so far."""

    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    failed: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, row: str, name: str, value: float) -> None:
        """One figure of one round."""
        self.figures.setdefault(row, {}).setdefault(name, []).append(value)

    def fail(self, row: str, name: str, why: str) -> None:
        """A server that did not do its part in a row; what it had before does not count either."""
        self.failed.setdefault(row, {})[name] = why
        self.figures.get(row, {}).pop(name, None)


def compare(those: Sequence[Peer], rows: Sequence[str], rounds: int, say: Say) -> Findings:
    """Measures, round by round."""
    findings = Findings()
    for peer in those:
        for row, why in peer.unable.items():
            findings.fail(row, peer.name, why)
    cpus = choose_cpus(os.sched_getaffinity(0))
    for number in range(1, rounds + 1):
        for row in rows:
            for peer in those:
                if peer.name not in findings.failed.get(row, {}):
                    measure_row(peer, row, cpus, findings)
            shown = findings.figures.get("latency-p99" if row == "latency" else row, {})
            say(f"round {number}  {row:8} " + "  ".join(f"{name} {values[-1]:.3g}" for name, values in shown.items()))
    return findings


def measure_row(peer: Peer, row: str, cpus: tuple[int | None, int | None], findings: Findings) -> None:
    """One server in one row, started for it."""
    workload = next((workload for workload in WORKLOADS if workload.name == row), None)
    if (workload.mode if workload else "echo") not in peer.modes:
        return
    try:
        with (
            tempfile.TemporaryDirectory(prefix="wsr-peer-") as folder,
            run_on_port(peer.name, lambda port: peer.command(port, Path(folder)), cpus[0]) as server,
        ):
            if workload is None:
                for name, value in measure_latency(server, cpus[1]).items():
                    findings.add(name, peer.name, value)
            else:
                findings.add(row, peer.name, measure_cost(peer, server, workload, cpus[1]))
    except (MeasureError, ValueError) as error:
        findings.fail(row, peer.name, str(error))


def measure_cost(peer: Peer, server: Server, workload: Workload, cpu: int | None) -> float:
    """Microseconds of CPU for a message or a connection, or KiB for a connection."""
    path = workload.path if workload.mode == "fan" else peer.path
    most = peer.most_connections or workload.connections
    with run_generator(server.port, (path, workload.mode, min(most, workload.connections), workload.in_flight, workload.size), cpu) as generator:
        generator.wait_until_ready()
        if workload.mode != "silent":
            generator.run(WARM_UP_S)
        return measure_slice(workload, server, generator, SLICE_S)


def measure_latency(server: Server, cpu: int | None) -> dict[str, float]:
    """Round trips at a fixed rate, in milliseconds from when they were due, by `wsrouter bench`.

    Raises:
        MeasureError: if it fails, or messages are lost.
    """
    found = run_bench(f"ws://127.0.0.1:{server.port}/echo", LATENCY, cpu, LATENCY_PATIENCE_S)
    return {row: found["round_trip"][key] * 1000 for row, key in LATENCY_ROWS.items()}


def versions(those: Iterable[Peer]) -> dict[str, str]:
    """What the figures depend on."""
    found = {"Python": platform.python_version()}
    for peer in those:
        found |= {name: number for name, number in peer.versions().items() if name not in found}
    return found


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    names = [peer.name for peer in peers()]
    parser = argparse.ArgumentParser(prog="./dev compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", nargs="+", default=names, choices=names, metavar="NAME", help="only these, and wsrouter: %(choices)s")
    parser.add_argument("--only", default="", metavar="NAME", help="only rows that begin so: " + ", ".join(ROWS))
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="how often everything is measured; default %(default)s")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where the figures go; without it, a whole run goes to loadtest/compared.json, and a part nowhere"
    )
    return parser


def command_of(options: argparse.Namespace) -> str:
    """What to type for these figures; not where they were written, which is a path of one machine."""
    words = ["./dev compare"]
    if {*options.peers, "wsrouter"} != {peer.name for peer in peers()}:
        words += ["--peers", *options.peers]
    if options.only:
        words += ["--only", options.only]
    if options.rounds != ROUNDS:
        words += ["--rounds", str(options.rounds)]
    return " ".join(words)


ROWS = (*(workload.name for workload in WORKLOADS), "latency")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints, and makes the page anew where everything was measured; the exit status."""
    options = make_parser().parse_args(arguments)
    rows = [row for row in ROWS if row.startswith(options.only)]
    if not rows or options.rounds < 1:
        print(f"./dev compare: nothing to measure; the rows are {', '.join(ROWS)}, and there is at least one round", file=sys.stderr)
        return 2
    if sys.platform != "linux":
        print("./dev compare needs Linux: it reads /proc and the clocks of other processes", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers end with it
    raise_open_files()
    for problem in fit_out():
        print(f"note: {problem}", file=sys.stderr)
    chosen = [peer for peer in peers() if peer.name in {"wsrouter", *options.peers}]
    missing = {peer.name: why for peer in chosen if (why := peer.missing())}
    for name, why in missing.items():
        print(f"note: without {name}: {why}", file=sys.stderr)
    those = [peer for peer in chosen if peer.name not in missing]
    is_whole = not options.only and len(chosen) == len(peers()) and options.rounds >= ROUNDS
    begin = time.monotonic()
    try:
        findings = compare(those, rows, options.rounds, lambda line: print(line, flush=True))
    except KeyboardInterrupt:
        return 130
    compared = Compared(
        {row: {name: Sample(values) for name, values in servers.items()} for row, servers in findings.figures.items()},
        findings.failed,
        {peer.name: peer.what for peer in those},
        missing,
        datetime.now(UTC).date().isoformat(),
        command_of(options),
        describe_machine(),
        versions(those),
    )
    return finish(compared, options.out or (COMPARED if is_whole else None), time.monotonic() - begin)


def finish(compared: Compared, out: Path | None, took_s: float) -> int:
    """Prints the tables, and writes what is to be written."""
    from loadtest.compared_page import tables

    print("\n" + tables(compared))
    print(f"\nafter {took_s:.0f} s")
    if out is None:
        return 0
    save_compared(out, compared)
    print(f"written: {out}")
    if out == COMPARED:
        from tools import generate  # it imports the whole daemon

        generate.write(generate.performance_files())
    return 0


if __name__ == "__main__":
    sys.exit(main())
