"""./dev load: runs a scenario against a daemon, samples the daemon beside it, and leaves a report.

    ./dev load echo --users 200 --time 30s                       starts a daemon of its own
    ./dev load room --fail 'p99 delivery < 50ms, lost = 0'       exit status 3 where a threshold is missed
    ./dev load echo --url ws://127.0.0.1:8765                    a server that runs already
    ./dev load soak --time 30m                                   does anything grow?

scenarios:
{scenarios}

exit status: 0 good, 1 it could not be run, 2 wrong usage, 3 a threshold or another check missed
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from loadtest.catalogue import CATALOGUE, FAULTLESS, Scenario
from loadtest.facts import describe_machine, describe_versions, find_listener
from loadtest.lab_daemon import LabDaemon, run_lab_daemon
from loadtest.processes import HERE, ROOT, MeasureError, choose_cpus, raise_open_files
from loadtest.recorder import load_record
from loadtest.report import write_reports
from loadtest.run import Run
from loadtest.sampler import Sample, Sampler
from loadtest.shapes import SHAPES
from loadtest.text import format_checks, format_record
from loadtest.verdict import MISSED_EXIT, Check, Threshold, judge, judge_memory, read_thresholds
from wsrouter.config.units import format_duration, parse_duration

REPORTS = HERE / "reports"
RAMP_SHARE = 0.1
"""Of the time, in which all users of a steady run are started; at most LONGEST_RAMP_S."""
LONGEST_RAMP_S = 5.0


class Steering:
    """What happens to a run while it goes: its lines are shown, and the daemon is killed where the scenario says so."""

    def __init__(self, scenario: Scenario, daemon: LabDaemon | None, sampler: Sampler, time_s: float) -> None:
        self.marks: list[tuple[float, str]] = []
        self._scenario, self._daemon, self._sampler, self._time_s = scenario, daemon, sampler, time_s
        self._timer: threading.Timer | None = None

    def follow(self, process: subprocess.Popen[str]) -> None:
        """Shows what Locust says until it ends."""
        try:
            self._show_lines(process)
        except KeyboardInterrupt:  # Locust has it too, and ends as if the time were over
            print("stopping; once more leaves no report", flush=True)
            process.communicate()
        process.wait()
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()

    def _show_lines(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if self._scenario.kills and self._daemon is not None and self._timer is None:  # the first line comes after the first second
                self._timer = threading.Timer(max(0.0, self._time_s / 2 - 1.0), self._kill)
                self._timer.start()
            print(line, end="", flush=True)

    def _kill(self) -> None:
        assert self._daemon is not None
        self.marks.append((time.time(), "the server was killed (SIGKILL) and started again"))
        self._daemon.kill()
        self._daemon.come_back()
        self.marks.append((time.time(), "it listens again"))
        self._sampler.watch(self._daemon.pid)


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    scenarios = "\n".join(f"  {name:<10} {one.text} ({one.users:,} users, {one.time})" for name, one in CATALOGUE.items())
    parser = argparse.ArgumentParser(
        prog="./dev load", description=(__doc__ or "").format(scenarios=scenarios), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenario", choices=CATALOGUE, metavar="SCENARIO", help=", ".join(CATALOGUE))
    parser.add_argument("--users", type=positive, help="how many connections; each scenario has a default")
    parser.add_argument("--time", type=duration, help="how long: 30s, 5m; each scenario has a default")
    parser.add_argument(
        "--shape", choices=SHAPES, help="how many users there are when: steady, a ramp over the whole time, a spike in its middle, a slow start (soak)"
    )
    parser.add_argument("--fail", action="append", default=[], metavar="THRESHOLDS", help="'p99 delivery < 50ms, lost = 0'; may be repeated")
    parser.add_argument("--thresholds", metavar="FILE", help="a file of thresholds, one a line; # begins a comment")
    parser.add_argument("--url", help="a server that runs already, ws:// or wss://; a path replaces the scenario's")
    parser.add_argument("--pid", type=positive, help="its process, to sample; found by its port where it is on this machine")
    parser.add_argument("--processes", type=positive, default=1, help="so many processes of Locust share the users (1)")
    parser.add_argument("--reports", type=Path, default=REPORTS, metavar="DIR", help="where the report goes (loadtest/reports)")
    group = parser.add_argument_group("what each user does")
    group.add_argument("--rate", type=float, help="messages a second")
    group.add_argument("--size", type=positive, help="bytes of a message")
    group.add_argument("--batch", type=positive, help="messages at the same moment")
    group.add_argument("--rooms", type=positive, help="how many rooms (room, soak)")
    group.add_argument("--stay", type=float, help="seconds that a member stays in a room (room, soak)")
    group.add_argument("--slow-share", type=float, help="the share of slow readers, 0 to 1 (slow)")
    return parser


def positive(text: str) -> int:
    """A number above zero."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)


def duration(text: str) -> float:
    """A time of at least a second, in seconds."""
    try:
        time_s = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if time_s < 1:
        raise argparse.ArgumentTypeError(f"{text} is too short; a run takes 1s at least")
    return time_s


def thresholds_of(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> tuple[Threshold, ...]:
    """What every scenario must keep, and what is asked besides."""
    try:
        return read_thresholds([FAULTLESS, *arguments.fail], arguments.thresholds)
    except (ValueError, OSError) as error:
        parser.error(str(error))


def locust_command(arguments: argparse.Namespace, scenario: Scenario, url: str, folder: Path) -> list[str]:
    """Locust without its web UI. With a file for its own statistics it does not print them."""
    users, time_s = arguments.users, arguments.time
    options = {
        "--users": users,
        "--spawn-rate": math.ceil(users / max(1.0, min(LONGEST_RAMP_S, time_s * RAMP_SHARE))),
        "--run-time": f"{math.ceil(time_s)}s",
        "--host": url,
        "--shape": arguments.shape,
        "--record": folder / "record.json",
        "--json-file": folder / "locust.json",
        "--loglevel": "ERROR",
        **{f"--{name.replace('_', '-')}": getattr(arguments, name) for name in ("rate", "size", "batch", "rooms", "stay", "slow_share")},
        **({"--processes": arguments.processes} if arguments.processes > 1 else {}),
    }
    given = [str(word) for name, value in options.items() if value is not None for word in (name, value)]
    return [sys.executable, "-m", "locust", "-f", str(HERE / "locustfile.py"), "--headless", "--only-summary", "--live", *given, *scenario.classes]


def run_scenario(arguments: argparse.Namespace, thresholds: Sequence[Threshold]) -> Run:
    """Runs it, and puts together what is known of it.

    Raises:
        MeasureError: if the daemon does not start, or Locust fails.
    """
    scenario = CATALOGUE[arguments.scenario]
    daemon_cpu, _ = choose_cpus(os.sched_getaffinity(0))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wsrouter-load-")))
        daemon = stack.enter_context(run_lab_daemon(folder, daemon_cpu)) if arguments.url is None else None
        url = arguments.url or f"ws://127.0.0.1:{daemon.port if daemon is not None else 0}"
        pid = daemon.pid if daemon is not None else arguments.pid or find_listener(url)
        command = locust_command(arguments, scenario, url, folder)
        process = stack.enter_context(
            subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)  # noqa: S603
        )
        stack.callback(process.terminate)
        if daemon is not None:
            os.sched_setaffinity(process.pid, (os.sched_getaffinity(0) - {daemon_cpu}) or os.sched_getaffinity(0))
        sampler = Sampler(pid, ping_url(url, "/idle" if daemon is not None else scenario.path), process.pid)
        sampler.start()
        steering = Steering(scenario, daemon, sampler, arguments.time)
        steering.follow(process)
        samples = sampler.stop()
        if not (folder / "record.json").exists():
            raise MeasureError(f"locust ended with {process.returncode} and left no figures")
        dumped = json.loads((folder / "record.json").read_text("utf-8"))
        run = Run(
            scenario=arguments.scenario,
            text=scenario.text,
            facts=[
                ("command", "./dev load " + " ".join(sys.argv[1:])),
                ("users", f"{arguments.users:,}, {arguments.shape}, for {format_duration(arguments.time)}"),
                *facts(url, daemon, pid),
            ],
            begun_at=dumped["begun_at"],
            seconds=dumped["took_s"],
            record=load_record(dumped),
            samples=samples,
            checks=[],
            marks=steering.marks,
            log_closes=daemon.closes() if daemon is not None else Counter(),
        )
        run.checks = [*judge(run.record, thresholds, run.seconds), *judge_server(run, scenario, daemon)]
        return run


def ping_url(url: str, path: str) -> str:
    """Where the lag is measured: the path of a URL, or `path` where it has none."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path if parts.path not in {"", "/"} else path))


def facts(url: str, daemon: LabDaemon | None, pid: int | None) -> list[tuple[str, str]]:
    """The server, the machine, the versions."""
    server = "started for this run, loadtest/site.yaml" if daemon is not None else url
    where = "on a core of its own" if daemon is not None and choose_cpus(os.sched_getaffinity(0))[0] is not None else ""
    told = ", ".join(filter(None, [server, where, f"process {pid}" if pid is not None and daemon is None else ""]))
    return [("server", told), ("machine", describe_machine()), ("versions", describe_versions())]


def judge_server(run: Run, scenario: Scenario, daemon: LabDaemon | None) -> list[Check]:
    """What must hold besides thresholds."""
    counts = run.record.counts
    checks = [
        Check(
            "all users are connected at the end",
            f"{counts['open_at_end']:,} of {counts['users_at_end']:,}",
            counts["open_at_end"] == counts["users_at_end"] > 0,
        )
    ]
    if daemon is not None:
        wrong = daemon.wrong_records()
        checks.append(Check("no error in the daemon's log", f"{len(wrong)}, the first: {wrong[0][:300]}" if wrong else "0", not wrong))
    if scenario.judges_memory:
        known = [(sample.at_s - run.begun_at, sample.memory_bytes) for sample in run.samples if in_run(sample, run) and sample.memory_bytes is not None]
        checks.append(judge_memory([moment for moment, _ in known], [float(memory) for _, memory in known]))
    return checks


def in_run(sample: Sample, run: Run) -> bool:
    """Whether a sample was taken while users were there."""
    return run.begun_at <= sample.at_s <= run.begun_at + run.seconds


def main() -> int:
    """Runs what it is asked to; the exit status."""
    parser = make_parser()
    arguments = parser.parse_args()
    scenario = CATALOGUE[arguments.scenario]
    arguments.users = arguments.users or scenario.users
    arguments.time = arguments.time or parse_duration(scenario.time)
    arguments.shape = arguments.shape or scenario.shape
    thresholds = thresholds_of(arguments, parser)
    if arguments.url is not None and urlsplit(arguments.url).scheme not in {"ws", "wss"}:
        parser.error(f"--url {arguments.url}: write ws://HOST:PORT or wss://HOST")
    raise_open_files()
    print(f"{arguments.scenario}: {scenario.text}; {arguments.users:,} users, {arguments.shape}, for {format_duration(arguments.time)}", flush=True)
    try:
        run = run_scenario(arguments, thresholds)
    except MeasureError as error:
        print(f"./dev load: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    page, summary = write_reports(run, arguments.reports)
    by_log = [f"{'closed, by the daemon':<30}{count:,} x {cause}" for cause, count in run.log_closes.most_common()]
    print(
        "\n".join(["", *format_record(run.record, run.seconds), *by_log, *format_checks(run.checks), "", f"report   {show(page)}", f"summary  {show(summary)}"])
    )
    return 0 if run.is_good else MISSED_EXIT


def show(path: Path) -> str:
    """A path as somebody in the checkout would write it."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


if __name__ == "__main__":
    sys.exit(main())
