"""./dev bench: what a message costs wsrouter, as a multiple of what it costs the plain `websockets` library, in the same run.

    ./dev bench                     a table, about two minutes
    ./dev bench --check             fails with 1 where a ratio is more than 20 % over loadtest/recorded.json
    ./dev bench --check --quick     the same with fewer runs, for CI, under 40 seconds
    ./dev bench --record            writes the ratios to loadtest/recorded.json
    ./dev bench --only echo         only workloads whose name starts with this
    ./dev bench --micro [NAME]      what each trick of the hot files pays, by itself: see loadtest/micro.py

A round starts both servers anew; within it they are measured in turn, in short slices, over connections that stay open. Servers
run on one CPU and generators on another, where there are two. Everything is on 127.0.0.1, and ends with the bench.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from loadtest.figures import (
    TOLERANCE,
    Pair,
    Recorded,
    Result,
    changed_versions,
    complaint,
    cost,
    improvements,
    is_over,
    load_recorded,
    save_recorded,
    table,
)
from loadtest.processes import ROOT, SETTLE_S, Generator, MeasureError, Server, choose_cpus, raise_open_files, run_generator, run_server
from loadtest.workloads import WORKLOADS, Workload

RECORDED = Path(__file__).resolve().parent / "recorded.json"


@dataclass(frozen=True, slots=True)
class Effort:
    """How often and how long is measured."""

    rounds: int
    pairs: int
    slice_s: float


QUICK = Effort(rounds=2, pairs=4, slice_s=0.12)
FULL = Effort(rounds=5, pairs=6, slice_s=0.25)


def measure(workloads: Sequence[Workload], effort: Effort) -> list[Result]:
    """Measures both servers.

    Raises:
        MeasureError: if a process does not do its part.
    """
    pairs: dict[str, list[Pair]] = {workload.name: [] for workload in workloads}
    cpus = choose_cpus(os.sched_getaffinity(0))
    for _ in range(effort.rounds):
        with ExitStack() as stack:
            servers = [stack.enter_context(run_server(name, cpus[0])) for name in ("wsrouter", "websockets")]
            for server in servers:
                server.wait_until_it_listens()
            for workload in workloads:
                pairs[workload.name] += measure_round(workload, servers, effort, cpus[1])
    return [Result(workload.name, workload.unit, tuple(pairs[workload.name])) for workload in workloads]


def measure_round(workload: Workload, servers: Sequence[Server], effort: Effort, cpu: int | None) -> list[Pair]:
    """One workload on servers that run: a slice each to warm up, then slices in turn."""
    arguments = (workload.path, workload.mode, workload.connections, workload.in_flight, workload.size)
    with ExitStack() as stack:
        generators = [stack.enter_context(run_generator(server.port, arguments, cpu)) for server in servers]
        for generator in generators:
            generator.wait_until_ready()
            generator.run(effort.slice_s / 2)
        ends = list(zip(servers, generators, strict=True))
        return [Pair(*(measure_slice(workload, server, generator, effort.slice_s) for server, generator in ends)) for _ in range(effort.pairs)]


def measure_slice(workload: Workload, server: Server, generator: Generator, seconds: float) -> float:
    """What one message costs one server."""
    before = server.gauge(workload.gauge)
    messages = generator.run(seconds)
    time.sleep(SETTLE_S)
    return cost(before, server.gauge(workload.gauge), messages, workload.unit)


def check(results: Sequence[Result], recorded: Recorded, measure_again: Callable[[Sequence[Workload]], list[Result]]) -> int:
    """Prints the verdict, and is the exit status. What is over is measured once more, with more runs, before it counts."""
    suspects = [result.name for result in results if is_over(result, recorded) and result.name in recorded.ratios]
    confirmed = {result.name: result for result in results}
    if suspects:
        print(f"over: {', '.join(suspects)}; measuring again with more runs", flush=True)
        repeated = measure_again([workload for workload in WORKLOADS if workload.name in suspects])
        print(table(repeated, recorded))
        confirmed |= {result.name: result for result in repeated}
    over = [result for result in confirmed.values() if is_over(result, recorded)]
    for result in over:
        print(f"FAILED {complaint(result, recorded)}")
    if not over:
        print(f"passed: no ratio is more than {TOLERANCE:.0%} over the one recorded on {recorded.date}")
    return 1 if over else 0


def versions() -> dict[str, str]:
    """What a ratio depends on besides this code."""
    return {"python": platform.python_version(), **{name: version(name) for name in ("websockets", "uvloop")}}


def record(results: Iterable[Result], recorded: Recorded) -> None:
    """Writes the new ratios beside those of workloads that were not measured now."""
    ratios = {**recorded.ratios, **{result.name: result.ratio for result in results}}
    known = {workload.name: ratios[workload.name] for workload in WORKLOADS if workload.name in ratios}
    save_recorded(RECORDED, Recorded(known, datetime.now(UTC).date().isoformat(), versions()))
    print(f"written: {RECORDED.relative_to(ROOT)}")


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="compare with loadtest/recorded.json; exit status 1 where a ratio is over")
    what.add_argument("--record", action="store_true", help="write the ratios to loadtest/recorded.json")
    what.add_argument("--micro", nargs="?", const="", metavar="NAME", help="measure the tricks of the hot files instead, those whose line holds NAME")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    parser.add_argument("--only", default="", metavar="NAME", help="only workloads whose name starts with this")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures as it is told; the exit status."""
    options = make_parser().parse_args(arguments)
    if sys.platform != "linux":
        print("./dev bench needs Linux: it reads /proc and the clocks of other processes", file=sys.stderr)
        return 2
    if options.micro is not None:
        from loadtest import micro  # it imports the whole daemon

        micro.main(options.micro)
        return 0
    workloads = [workload for workload in WORKLOADS if workload.name.startswith(options.only)]
    if not workloads:
        print(f"no workload {options.only!r}; there are {', '.join(workload.name for workload in WORKLOADS)}", file=sys.stderr)
        return 2
    if None in choose_cpus(os.sched_getaffinity(0)):
        # What a neighbour's core has to fetch is in the cache of this one: measured, fan is a fifth cheaper.
        print("note: there is one CPU for servers and generators; the ratios of fan are lower than recorded", file=sys.stderr)
        if options.record:
            print("./dev bench: ratios are recorded where there are two CPUs", file=sys.stderr)
            return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers end with it
    raise_open_files()
    recorded = load_recorded(RECORDED)
    try:
        results = measure(workloads, QUICK if options.quick else FULL)
        print(table(results, recorded), flush=True)
        for line in changed_versions(recorded, versions()):
            print(f"note: {line}")
        if options.record:
            record(results, recorded)
        for line in improvements(results, recorded) if not options.record else ():
            print(f"note: {line}")
        return check(results, recorded, lambda suspects: measure(suspects, FULL)) if options.check else 0
    except MeasureError as error:
        print(f"./dev bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
