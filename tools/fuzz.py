"""The fuzzer: `./dev fuzz --seconds 60` feeds every parser mutated inputs; none may raise, take long, or make memory grow.

    ./dev fuzz --seconds 600 --seed 7 frames compressed     two targets for ten minutes, as seed 7 has it
    ./dev fuzz frames --repeat fuzz-frames-1a2b3c4d.bin     one input again, with its traceback

Input `n` of a target depends on the seed and `n` alone. What fails is written to a file, and the command that repeats it is printed.
Loses: it knows nothing of coverage; it goes on from its corpus and dictionary and learns nothing on its way.
"""

from __future__ import annotations

import argparse
import gc
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, process_time
from zlib import crc32

from tools.fuzz_inputs import Mutator
from tools.fuzz_targets import TARGETS, Target

MIB = 1024 * 1024
# One input may not need more than this at once, nor may all of a target leave so much behind.
MOST_AT_ONCE_BYTES = 48 * MIB
MOST_GROWTH_BYTES = 8 * MIB
# Caches and arenas are filled by then; what grows later is a leak.
WARM_UP_SHARE = 0.3
_SHARE_OF_A_LOOK = 500


class StalledError(BaseException):
    """An input took too long; no `except Exception` of what is tested catches it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that must not do what it did."""

    target: str
    data: bytes
    what: str


def run_one(target: Target, data: bytes) -> str | None:
    """Feeds one input; what was wrong with it, or None."""
    peak_bytes = _peak_bytes()
    signal.setitimer(signal.ITIMER_PROF, target.most_s)
    try:
        target.run(data)
    except StalledError:
        return f"took more than {target.most_s:g} s of processor time\n{traceback.format_exc()}"
    except Exception:  # noqa: BLE001 -- this is what is looked for
        return traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    grown = _peak_bytes() - peak_bytes
    return f"needed {grown // MIB} MiB at once" if grown > MOST_AT_ONCE_BYTES else None


def fuzz(name: str, target: Target, seconds: float, seed: str, clock: Callable[[], float] = monotonic) -> tuple[int, Finding | None]:
    """Feeds a target for so long; how many inputs that were, and the first that failed."""
    mutator = Mutator(target.corpus, target.words, f"{seed} {name}")
    begun = clock()
    number, warm_bytes = 0, 0
    while clock() - begun < seconds or number < len(target.corpus):
        data = mutator.make(number)
        number += 1
        what = run_one(target, data)
        if what is not None:
            return number, Finding(name, data, f"input {number - 1} of seed {seed}: {what}")
        if number % _SHARE_OF_A_LOOK == 0 and not warm_bytes and clock() - begun > seconds * WARM_UP_SHARE:
            warm_bytes = _resident_bytes()
    grown = _resident_bytes() - warm_bytes if warm_bytes else 0
    if grown > MOST_GROWTH_BYTES:
        return number, Finding(name, b"", f"{grown // MIB} MiB are left behind by {number} inputs of seed {seed}")
    return number, None


def report(finding: Finding, folder: Path) -> str:
    """Writes a failing input to a file; what to print of it."""
    if not finding.data:
        return f"{finding.target}: {finding.what}"
    path = folder / f"fuzz-{finding.target}-{crc32(finding.data):08x}.bin"
    path.write_bytes(finding.data)
    return f"{finding.target}: {finding.what.rstrip()}\n{len(finding.data)} bytes in {path}; again: ./dev fuzz {finding.target} --repeat {path}"


def main(arguments: Sequence[str]) -> int:
    """Runs the targets; 1 if any has a finding."""
    options = _parse(arguments)
    signal.signal(signal.SIGPROF, _stalled)
    names = options.targets or list(TARGETS)
    if options.repeat is not None:
        what = run_one(TARGETS[names[0]], options.repeat.read_bytes())
        print(what or f"{names[0]}: nothing is wrong with it", flush=True)
        return int(what is not None)
    status = 0
    for name in names:
        begun = process_time()
        count, finding = fuzz(name, TARGETS[name], options.seconds / len(names), options.seed)
        spent = max(process_time() - begun, 0.001)
        print(f"{name:<12}{count:>9} inputs {count / spent:>8.0f}/s  {_peak_bytes() // MIB:>4} MiB at most", flush=True)
        if finding is not None:
            status = 1
            print(report(finding, options.folder), flush=True)
    return status


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev fuzz", description="Feeds parsers mutated inputs: no traceback, no stall, no growth.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"one or more of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together; 60 by default")
    parser.add_argument("--seed", default="1", help="another seed, other inputs; 1 by default")
    parser.add_argument("--repeat", type=Path, metavar="FILE", help="feeds one input to one target")
    parser.add_argument("--folder", type=Path, default=Path(), help="where failing inputs are written; here by default")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.targets if name not in TARGETS]:
        parser.error(f"no target {unknown[0]}; there are {', '.join(TARGETS)}")
    if options.repeat is not None and len(options.targets) != 1:
        parser.error("--repeat takes one target")
    return options


def _stalled(_number: int, _frame: object) -> None:
    raise StalledError


def _peak_bytes() -> int:
    """The most that was ever resident; Linux counts in KiB, macOS in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _resident_bytes() -> int:
    """What is resident now, less garbage; 0 where nothing tells it."""
    gc.collect()
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()
    except OSError:
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
