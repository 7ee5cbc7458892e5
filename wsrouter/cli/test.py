"""`wsrouter test`: plays the scenarios of a site in memory, on virtual time, without opening a port."""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
from argparse import ArgumentTypeError
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from wsrouter.cli.errors import CommandError
from wsrouter.cli.site_choice import FILE_HELP, count_problems, find_site, load_or_report, report

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from wsrouter.config.problems import Problems
    from wsrouter.scenario.runner import Outcome
    from wsrouter.scenario.scenario import Scenario
    from wsrouter.site.site import Site

NAME = "test"
HELP = "play the scenarios of a site, in memory and on virtual time"
EPILOG = """\
a scenario, in tests/chat.yaml beside the site:
  - name: a late joiner gets the history
    steps:
      - {client: a, open: /room/red}
      - {client: a, send: hi, expect: hi}
      - {advance: 10s}
      - {client: b, open: /room/red, expect: hi}
      - {client: a, expect_nothing: 1s}
      - {client: b, close: 1000}

examples:
  wsrouter test                          what the site's tests: names, else tests/*.yaml beside it
  wsrouter test tests/chat.yaml          this file only
  wsrouter test -c site.yaml -k history  those with "history" in their names

exit codes:
  0 all passed, 1 one failed, there is a problem or no scenario, 2 wrong usage
"""

THREADS_END_S = 1.0
"""How long threads of plugins may take to end, in real time, when all scenarios are played."""


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("files", nargs="*", metavar="FILE", type=Path, help="scenario files, instead of those that the site names")
    parser.add_argument("-c", "--config", metavar="SITE", help=FILE_HELP)
    parser.add_argument("-k", dest="text", metavar="TEXT", default="", help="only the scenarios with this in their names, in any case of letters")
    parser.add_argument("--junit", metavar="FILE", type=Path, help="write the outcomes as JUnit's XML, too")
    parser.add_argument("--json", action="store_true", help="print the outcomes as JSON")
    parser.add_argument(
        "--io-wait",
        metavar="TIME",
        type=_duration,
        default=0.05,
        help="how long, in real time, sockets and threads of plugins are listened to before each jump of the clock (default: 50ms)",
    )


def run(arguments: Namespace) -> int:
    """0 if every scenario passed, else 1."""
    from wsrouter.config.problems import Problems

    path = find_site(arguments, os.environ)
    site = load_or_report(path)
    if site is None:
        return 1
    problems = Problems()
    scenarios = _load(site, arguments.files, problems)
    if problems.errors:
        report(problems)
        print(f"{count_problems(problems)}; no scenario was played", file=sys.stderr)
        _write_junit(arguments.junit, [], problems)
        return 1
    chosen = [scenario for scenario in scenarios if arguments.text.casefold() in scenario.name.casefold()]
    if not chosen:
        raise CommandError(_none_there(arguments, site, len(scenarios)))
    return _play(site, chosen, arguments)


def _play(site: Site, scenarios: Sequence[Scenario], arguments: Namespace) -> int:
    from wsrouter.scenario.runner import play_all

    if not gc.isenabled():  # each scenario leaves a loop behind; the site itself stays
        gc.freeze()
        gc.enable()
    begun, threads = perf_counter(), set(threading.enumerate())
    outcomes: list[Outcome] = []
    for outcome in play_all(site, scenarios, io_wait_s=arguments.io_wait):
        outcomes.append(outcome)
        if not arguments.json:
            _print(outcome)
    duration_s = perf_counter() - begun
    failed = sum(not outcome.passed for outcome in outcomes)
    if arguments.json:
        print(json.dumps(_as_json(site, outcomes, duration_s), indent=2, ensure_ascii=False))
    else:
        print(_summary(len(outcomes), failed, duration_s))
    _write_junit(arguments.junit, outcomes)
    _leave_behind(set(threading.enumerate()) - threads, 1 if failed else 0)
    return 1 if failed else 0


def _leave_behind(threads: set[threading.Thread], code: int) -> None:
    """Ends the process if plugins left threads or tasks that do not end: Python would wait for them for ever."""
    from wsrouter.scenario.virtual_loop import UNDEAD

    deadline = perf_counter() + THREADS_END_S
    for thread in threads:
        if not thread.daemon:
            thread.join(max(0.0, deadline - perf_counter()))
    left = sorted(f"thread {thread.name}" for thread in threads if thread.is_alive() and not thread.daemon)
    left += sorted({f"task {task.get_name()}" for task in UNDEAD})
    if left:
        print(f"what plugins started does not end: {', '.join(left)}; a handler's stop() should end it", file=sys.stderr, flush=True)
        sys.stdout.flush()
        os._exit(code)


def _load(site: Site, files: Sequence[Path], problems: Problems) -> list[Scenario]:
    from wsrouter.scenario.discovery import scenario_files
    from wsrouter.scenario.reader import load_scenarios

    try:
        paths = list(files) or scenario_files(site.file)
    except FileNotFoundError as error:
        raise CommandError(f"{site.file.path}: tests: names {error.filename}, and there is no such file beside the site: make it, or delete this") from None
    return [scenario for path in paths for scenario in load_scenarios(path, problems)]


def _none_there(arguments: Namespace, site: Site, known: int) -> str:
    if known:
        return f"none of the {known} scenarios has {arguments.text!r} in its name"
    looked = ", ".join(site.file.tests) or "tests/*.yaml"
    return f"{site.file.path}: no scenarios found: write one (looked for {looked} beside the site; wsrouter test --help shows one)"


def _print(outcome: Outcome) -> None:
    """A line for a failure, and below it what tells more; nothing for a scenario that passed."""
    if outcome.passed:
        return
    print(outcome)
    for text in outcome.handler_failures:
        print(_indented(f"a handler failed: {text}"))
    for title, text in (("logged by handlers", outcome.records), ("printed", outcome.output)):
        if text.strip():
            print(_indented(f"{title}:\n{text.rstrip()}"))


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def _summary(count: int, failed: int, duration_s: float) -> str:
    counted = f"{count} scenario{'s' * (count != 1)}"
    return f"{failed} of {counted} failed in {duration_s:.2f} s" if failed else f"{counted} passed in {duration_s:.2f} s"


def _as_json(site: Site, outcomes: Sequence[Outcome], duration_s: float) -> dict[str, object]:
    scenarios = [
        {
            "name": outcome.scenario.name,
            "passed": outcome.passed,
            "file": outcome.place.file,
            "line": outcome.place.line,
            "column": outcome.place.column,
            "message": outcome.message,
            "handler_failures": list(outcome.handler_failures),
            "log": outcome.records,
            "printed": outcome.output,
            "duration_s": round(outcome.duration_s, 4),
        }
        for outcome in outcomes
    ]
    failed = sum(not outcome.passed for outcome in outcomes)
    return {"site": str(site.file.path), "passed": len(outcomes) - failed, "failed": failed, "duration_s": round(duration_s, 4), "scenarios": scenarios}


def _write_junit(path: Path | None, outcomes: Sequence[Outcome], problems: Problems | None = None) -> None:
    """Writes the XML where it is asked for.

    Raises:
        CommandError: if it cannot be written.
    """
    if path is None:
        return
    from wsrouter.cli.junit import to_junit

    try:
        path.write_text(to_junit(outcomes, problems.errors if problems is not None else []), "utf-8")
    except OSError as error:
        raise CommandError(f"{path}: cannot be written: {error.strerror}") from None


def _duration(text: str) -> float:
    from wsrouter.config.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
