"""./dev growth: how the daemon's costs grow with subscribers, routes, rooms, bytes, connections and messages a second.

    ./dev growth                 everything, about 12 minutes: loadtest/grown.json, and from that docs/sizing.md with its curves
    ./dev growth --quick         the same with fewer and shorter runs, about 3 minutes
    ./dev growth --only rooms    one curve, or several of them; the others stay as they were measured before
    ./dev growth --only checks   only the points that no line is fitted to
    ./dev growth --out FILE      writes there instead, and leaves the page alone

Points are measured in rounds, each on a daemon that has just been started, with the daemon on one CPU and the generator on
another, where there are two. Everything is on 127.0.0.1, and ends with the command. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from loadtest.facts import describe_machine, describe_versions
from loadtest.grown import Check, Grown, Point, Series, load_grown, save_grown
from loadtest.growth_points import CHECKS, CURVES, FULL, QUICK, Asked, Bench, Effort, check
from loadtest.processes import MeasureError, choose_cpus, raise_open_files

GROWN = Path(__file__).resolve().parent / "grown.json"
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")

Say = Callable[[str], None]


def measure(names: Sequence[str], effort: Effort, say: Say) -> tuple[dict[str, Series], list[Check]]:
    """Measures curves, and with `checks` the points that no line is fitted to, round by round: a machine is not as fast at all times.

    Raises:
        MeasureError: if a process does not do its part.
    """
    bench = Bench(effort)
    samples: dict[str, dict[float, list[float]]] = {}
    checks: dict[Asked, list[Check]] = {}
    asked = [point for point in CHECKS if point[0] <= effort.most] if "checks" in names else []
    for _ in range(effort.rounds):
        for name in names:
            for series, x, found in CURVES[name](bench) if name in CURVES else ():
                samples.setdefault(series, {}).setdefault(x, []).extend(found)
                say(f"{series:28}{x:>8,}  " + " ".join(f"{sample:,.4g}" for sample in found))
        for point in asked:
            checked = check(bench, point)
            checks.setdefault(point, []).append(checked)
            say(f"check {point}: " + " ".join(f"{cpu:.1%}" for cpu in checked.cpu))
    series_found = {series: Series([Point(x, found) for x, found in points.items()]) for series, points in samples.items()}
    return series_found, [together(found) for found in checks.values()]


def together(checks: Sequence[Check]) -> Check:
    """One point as all rounds found it."""
    cpu = [sample for found in checks for sample in found.cpu]
    return replace(checks[0], cpu=cpu, memory_bytes=median(found.memory_bytes for found in checks))


def cache_bytes(folder: Path = CACHES) -> dict[str, int]:
    """The caches of a core: `L1 Data`, `L2 Unified` and the like."""
    found = {}
    for index in sorted(folder.glob("index*")):
        level, kind, size = ((index / name).read_text("ascii").strip() for name in ("level", "type", "size"))
        found[f"L{level} {kind}"] = int(size.removesuffix("K")) * 1024
    return found


def run(names: Sequence[str], effort: Effort, before: Grown, command: str, say: Say) -> Grown:
    """Measures what is named; what is not stays as it was.

    Raises:
        MeasureError: if a process does not do its part.
    """
    found, checks = measure([name for name in [*CURVES, "checks"] if name in names], effort, say)
    series = {**before.series, **found}
    about = [datetime.now(UTC).date().isoformat(), command, describe_machine(), describe_versions(("wsrouter", "websockets", "uvloop"))]
    return Grown({name: series[name] for curve in CURVES for name in series if name.startswith(f"{curve}.")}, checks or before.checks, *about, cache_bytes())


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="./dev growth", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    parser.add_argument("--only", nargs="+", default=[*CURVES, "checks"], choices=[*CURVES, "checks"], metavar="CURVE", help="only these: %(choices)s")
    parser.add_argument("--out", type=Path, default=GROWN, metavar="FILE", help="where the samples go; the page is made from those of loadtest/grown.json only")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, writes, and makes the page anew; the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = make_parser().parse_args(given)
    if sys.platform != "linux":
        print("./dev growth needs Linux: it reads /proc and the clocks of other processes", file=sys.stderr)
        return 2
    if None in choose_cpus(os.sched_getaffinity(0)):
        print("note: there is one CPU for the daemon and the generator; costs come out lower than on two", file=sys.stderr)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that daemons end with it
    raise_open_files()
    begin = time.monotonic()
    try:
        grown = run(
            options.only, QUICK if options.quick else FULL, load_grown(options.out), " ".join(["./dev growth", *given]), lambda line: print(line, flush=True)
        )
    except MeasureError as error:
        print(f"./dev growth: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    save_grown(options.out, grown)
    print(f"written: {options.out}, after {time.monotonic() - begin:.0f} s")
    if options.out == GROWN:
        from tools import generate  # it imports the whole daemon

        generate.write(generate.sizing_files())
    return 0


if __name__ == "__main__":
    sys.exit(main())
