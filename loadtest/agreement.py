"""Do `wsrouter bench` and Locust measure the same? python -m loadtest.agreement: the same load by both, in turn, on one daemon.

    python -m loadtest.agreement               three rounds of ten seconds each, under three minutes
    python -m loadtest.agreement --rounds 1 --time 4

`/later` answers 20 ms after a message came, so that what is measured is the server's: rate and latencies must agree within 10 %.
`/echo` answers at once: the rate must agree; the latencies are told, since most of them is the generator's own way through gevent
and the `websockets` client, or through the smaller one of `wsrouter bench`. The daemon has one CPU, the generators the other.

exit status: 0 they agree, 1 they do not, or could not be run
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from loadtest.lab_daemon import run_lab_daemon
from loadtest.load import make_parser as make_load_parser
from loadtest.load import run_scenario
from loadtest.processes import MeasureError, choose_cpus, raise_open_files, run_bench

CONNECTIONS, RATE_EACH, SIZE = 50, 10, 64
TOLERANCE = 0.10
PATIENCE_S = 60.0
LATENCIES = {"p50": 50.0, "p90": 90.0, "p99": 99.0}


@dataclass(frozen=True, slots=True)
class Figures:
    """What one of them says: messages a second, and round trips in milliseconds."""

    messages_s: float
    p50: float
    p90: float
    p99: float


@dataclass(frozen=True, slots=True)
class Row:
    """A figure of both."""

    path: str
    name: str
    bench: float
    locust: float
    is_judged: bool

    @property
    def apart(self) -> float:
        """By how much of the former the latter differs."""
        return self.locust / self.bench - 1

    @property
    def agrees(self) -> bool:
        """Whether that is little enough; what is only told always does."""
        return not self.is_judged or abs(self.apart) <= TOLERANCE


def by_bench(url: str, time_s: float, cpu: int | None) -> Figures:
    """What `wsrouter bench` says.

    Raises:
        MeasureError: if it fails, or a message is lost.
    """
    options = {"connections": CONNECTIONS, "rate": CONNECTIONS * RATE_EACH, "size": SIZE, "time": f"{time_s:g}s"}
    found = run_bench(url, options, cpu, time_s + PATIENCE_S)
    return Figures(found["messages"]["per_s"], *(found["round_trip"][f"{name}_s"] * 1000 for name in LATENCIES))


def by_locust(url: str, time_s: float) -> Figures:
    """What `./dev load` says; its rate without the seconds in which users come and go.

    Raises:
        MeasureError: if it fails, or one of its checks.
    """
    words = ["echo", "--url", url, "--users", CONNECTIONS, "--rate", RATE_EACH, "--size", SIZE, "--time", f"{time_s:g}s", "--shape", "steady"]
    with contextlib.redirect_stdout(io.StringIO()):  # its live line
        run = run_scenario(make_load_parser().parse_args(list(map(str, words))), [])
    wrong = [check.text for check in run.checks if check.is_met is False] + [name for name in ("lost", "errors") if run.record.counts[name]]
    if wrong:
        raise MeasureError(f"Locust: {', '.join(wrong)}")
    seconds = sorted(run.record.count_seconds)[2:-2]
    times = run.record.times["round_trip"]
    return Figures(median(run.record.count_seconds[second]["received"] for second in seconds), *(times.percentile_ms(at) or 0.0 for at in LATENCIES.values()))


def compare(path: str, bench: Sequence[Figures], locust: Sequence[Figures]) -> list[Row]:
    """The medians of the rounds side by side."""

    def row(name: str) -> Row:
        values = [median(getattr(figures, name) for figures in those) for those in (bench, locust)]
        return Row(path, name, *values, is_judged=name == "messages_s" or path == "/later")

    return [row(name) for name in Figures.__dataclass_fields__]


def measure(rounds: int, time_s: float) -> list[Row]:
    """Both paths, both ways, round by round.

    Raises:
        MeasureError: if one of them fails.
    """
    rows = []
    daemon_cpu, cpu = choose_cpus(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="wsrouter-agreement-") as folder, run_lab_daemon(Path(folder), daemon_cpu) as daemon:
        for path in ("/later", "/echo"):
            url = f"ws://127.0.0.1:{daemon.port}{path}"
            both = [(by_bench(url, time_s, cpu), by_locust(url, time_s)) for _ in range(rounds)]
            rows += compare(path, *zip(*both, strict=True))
    return rows


def table(rows: Sequence[Row]) -> str:
    """For a terminal."""
    lines = [f"{'':8}{'':12}{'bench':>10}{'Locust':>10}{'apart':>9}"]
    for row in rows:
        verdict = ("ok" if row.agrees else "APART") if row.is_judged else "told only"
        name = "messages/s" if row.name == "messages_s" else f"{row.name} ms"
        lines.append(f"{row.path:8}{name:12}{row.bench:10.4g}{row.locust:10.4g}{row.apart:>+9.1%}  {verdict}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.agreement", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each measures each path; default %(default)s")
    parser.add_argument("--time", type=float, default=10.0, help="seconds of each measurement, at least 6 for a rate; default %(default)s")
    options = parser.parse_args(arguments)
    raise_open_files()
    try:
        rows = measure(options.rounds, options.time)
    except MeasureError as error:
        print(f"loadtest.agreement: {error}", file=sys.stderr)
        return 1
    print(table(rows))
    return 0 if all(row.agrees for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
