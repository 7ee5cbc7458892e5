"""Autobahn's fuzzing client against the real daemon: `./dev conformance [--all] [--cases 1.*,2.*]`.

Exits with 0 when every case is OK, NON-STRICT or INFORMATIONAL, but those of DEVIATIONS. Where the suite cannot be had it
says NOT RUN and why, and exits with 0: nothing was found, and nothing passed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from tools.autobahn import FOLDER, ROOT, Unavailable, ensure_suite, run_cases

SITE: Final = ROOT / "conformance" / "site.yaml"
# Without what costs seconds: the large ones of 9 (limits and performance), and all but a few of 12 and 13 (compression).
QUICK: Final = (
    "1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*",
    "9.1.1", "9.1.2", "9.1.3", "9.2.1", "9.2.2", "9.2.3", "9.3.4", "9.4.4", "9.5.3", "9.6.3", "9.7.*", "9.8.*",
    "12.1.1", "12.1.2", "12.1.3", "13.1.1", "13.2.1", "13.3.1", "13.4.1", "13.5.1", "13.6.1", "13.7.1",
)  # fmt: skip
ALL: Final = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*", "12.*", "13.*")
COMPRESSED: Final = (12, 13)
TIMEOUT_S: Final = 3600

GOOD: Final = {"OK", "NON-STRICT", "INFORMATIONAL"}
GOOD_CLOSE: Final = {"OK", "INFORMATIONAL"}
# By the case and the code that it must still close with.
DEVIATIONS: Final = {("7.1.5", 1002): "a close in the middle of a fragmented message is not echoed: the deviation that `websockets` documents"}
# 9.3.1 sends 4 MiB in fragments of 64 bytes; without this variable a message may have 4096.
MAX_FRAGMENTS: Final = 100_000


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came out of one case: two words of Autobahn's, and the close code that it saw."""

    case: tuple[int, ...]
    behaviour: str
    closing: str
    code: int | None

    @property
    def name(self) -> str:
        """As Autobahn writes it: `7.1.5`."""
        return ".".join(map(str, self.case))

    @property
    def is_good(self) -> bool:
        """Whether both words are among those that count as conformant."""
        return self.behaviour in GOOD and self.closing in GOOD_CLOSE

    @property
    def deviation(self) -> str | None:
        """Why it is not good, where that is known and meant."""
        return None if self.is_good or self.code is None else DEVIATIONS.get((self.name, self.code))

    @property
    def is_plain_ok(self) -> bool:
        """Whether there is nothing to say about it."""
        return self.behaviour == self.closing == "OK"


def parse_index(cases: Mapping[str, Mapping[str, object]]) -> list[CaseResult]:
    """One server's part of an index.json, in the order of the cases' numbers.

    Raises:
        KeyError, ValueError: if it is not one.
    """
    results = []
    for name, facts in cases.items():
        code = facts.get("remoteCloseCode")
        number = tuple(int(part) for part in name.split("."))
        results.append(CaseResult(number, str(facts["behavior"]), str(facts["behaviorClose"]), code if isinstance(code, int) else None))
    return sorted(results, key=lambda result: result.case)


def find_failures(results: Sequence[CaseResult]) -> list[CaseResult]:
    """The cases that are not as they should be."""
    return [result for result in results if not result.is_good and not result.deviation]


def find_unmatched(cases: Sequence[str], results: Sequence[CaseResult]) -> list[str]:
    """Which of the cases that were asked for, as `9.*` or `9.1.1`, stand for none that was run."""
    return [case for case in cases if not any(fnmatchcase(result.name, case) for result in results)]


def split_into_runs(cases: Sequence[str]) -> dict[str, list[str]]:
    """Runs of the suite that can go on at the same time, by a name: the client is what takes long, and takes one core.

    The groups of compression go to the route of that name, each by itself; all others to the plain one.
    """
    runs: dict[str, list[str]] = {}
    for case in cases:
        group = int(case.partition(".")[0])
        runs.setdefault(f"compressed-{group}" if group in COMPRESSED else "plain", []).append(case)
    return runs


def notable_lines(results: Sequence[CaseResult]) -> list[str]:
    """The cases that are not simply OK, as a table; a line for each deviation that was expected."""
    rows = [(result.name, result.behaviour, result.closing, str(result.code or "-"), _remark(result)) for result in results if not result.is_plain_ok]
    if not rows:
        return []
    rows.insert(0, ("case", "behaviour", "closing", "code", ""))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def group_lines(results: Sequence[CaseResult]) -> list[str]:
    """The counts of each group, as the Markdown table of docs/conformance.md."""
    lines = ["| group | cases | OK | non-strict | informational | deviations | failed |", "|---|---|---|---|---|---|---|"]
    for group in sorted({result.case[0] for result in results}):
        of_group = [result for result in results if result.case[0] == group]
        kinds = Counter(_kind(result) for result in of_group)
        counts = [len(of_group), *(kinds[kind] for kind in ("OK", "NON-STRICT", "INFORMATIONAL", "deviation", "failed"))]
        lines.append(f"| {group} | " + " | ".join(map(str, counts)) + " |")
    return lines


def closing_line(results: Sequence[CaseResult], failures: Sequence[CaseResult], seconds: float) -> str:
    """What all came to, in one line."""
    deviations = [result.name for result in results if _kind(result) == "deviation"]
    but = f" but {', '.join(deviations)} (known)" if deviations else ""
    if failures:
        return f"FAILED: {len(failures)} of {len(results)} cases, in {seconds:.0f} s: {' '.join(result.name for result in failures)}"
    return f"passed: {len(results)} cases{but}, in {seconds:.0f} s"


def _kind(result: CaseResult) -> str:
    if result.is_good:
        return result.behaviour
    return "deviation" if result.deviation else "failed"


def _remark(result: CaseResult) -> str:
    return "" if result.is_good else f"known: {result.deviation}" if result.deviation else "FAILED"


@contextmanager
def running_daemon() -> Iterator[tuple[str, list[str]]]:
    """The daemon on a free port of this machine: (its address, the lines that it logs besides).

    Raises:
        RuntimeError: if it does not start.
    """
    command = [sys.executable, "-m", "wsrouter", "run", "--config", str(SITE)]
    runtime = tempfile.TemporaryDirectory(prefix="wsr-")  # the control socket is not where those of other daemons are
    env = {**os.environ, "PYTHONPATH": str(ROOT), "WEBSOCKETS_MAX_FRAGMENTS": str(MAX_FRAGMENTS), "XDG_RUNTIME_DIR": runtime.name}
    process = subprocess.Popen(  # noqa: S603 -- our own command
        command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    lines: list[str] = []
    reader = threading.Thread(target=lines.extend, args=(process.stderr,))
    try:
        address = _read_address(iter(process.stderr.readline, ""))
        reader.start()
        yield address, lines
        if process.poll() is not None:
            raise RuntimeError(f"the daemon ended with {process.returncode}:\n{''.join(lines)}")
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if reader.is_alive():
            reader.join()
        process.stderr.close()
        runtime.cleanup()


def _read_address(lines: Iterator[str]) -> str:
    said = []
    for line in lines:
        said.append(line)
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if record.get("event") == "listening":
            return str(record["addresses"][0])
    raise RuntimeError(f"the daemon did not start:\n{''.join(said)}")


def find_troubles(lines: Sequence[str]) -> list[str]:
    """What the daemon should not have logged: errors, and whatever is no record."""
    troubles = []
    for line in lines:
        try:
            level = json.loads(line)["level"]
        except (ValueError, KeyError, TypeError):
            level = "error"
        if level in {"error", "critical"}:
            troubles.append(line.rstrip("\n"))
    return troubles


class Progress:
    """Tells which group of cases has begun, as `9.1`; ten minutes are long."""

    def __init__(self) -> None:
        self._group = ""

    def __call__(self, case: str) -> None:
        """A case has begun."""
        group = case.rpartition(".")[0]
        if group != self._group:
            self._group = group
            print(f"  {group}.*", file=sys.stderr, flush=True)


def run(cases: Sequence[str]) -> int:
    """Runs cases, prints what came out, and returns the exit status."""
    wstest = ensure_suite()
    begun = time.monotonic()
    with running_daemon() as (address, lines), ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:

        def run_one(name: str, of_run: Sequence[str]) -> list[CaseResult]:
            url = f"{address}/{name.partition('-')[0]}"
            return parse_index(run_cases(wstest, url, of_run, FOLDER / "reports" / name, TIMEOUT_S, Progress()))

        runs = split_into_runs(cases)
        results = sorted(itertools.chain.from_iterable(pool.map(run_one, runs, runs.values())), key=lambda result: result.case)
    if unmatched := find_unmatched(cases, results):
        raise RuntimeError(f"the suite has no such cases: {' '.join(unmatched)}")
    failures, troubles = find_failures(results), find_troubles(lines)
    print("\n".join([*notable_lines(results), "", *group_lines(results), ""]))
    for trouble in troubles:
        print(f"the daemon logged: {trouble}")
    if failures:
        print(f"The reports of all cases are in {FOLDER / 'reports'}")
    print("FAILED: the daemon logged errors" if troubles and not failures else closing_line(results, failures, time.monotonic() - begun))
    return 1 if failures or troubles else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Parses the command line; 1 where a case fails, 2 for a wrong one."""
    parser = argparse.ArgumentParser(prog="./dev conformance", description="Runs Autobahn's fuzzing client against the daemon.")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--all", action="store_true", help="every case: some ten minutes rather than half a minute")
    what.add_argument("--cases", metavar="1.*,7.1.5", help="only these")
    chosen = parser.parse_args(arguments)
    cases = chosen.cases.split(",") if chosen.cases is not None else ALL if chosen.all else QUICK
    if not all(case[:1].isdecimal() for case in cases):
        parser.error(f"--cases {chosen.cases}: cases look like 1.* or 7.1.5, with commas between them")
    try:
        return run(cases)
    except Unavailable as reason:
        print(f"NOT RUN: {reason}")
        return 0
    except RuntimeError as error:
        print(f"FAILED: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
