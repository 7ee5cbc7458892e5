"""`wsrouter bench URL`: how many messages, how fast, how many lost: the quick answer, from one process."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wsrouter.bench.messages import STAMP_BYTES
from wsrouter.bench.plan import SCHEDULED_WINDOW
from wsrouter.cli.connect import complete_url, describe_failure, escape, header, split_unix, unchecked_context
from wsrouter.cli.errors import CommandError
from wsrouter.cli.quantities import parse_bytes, parse_count, parse_per_s, parse_time

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from wsrouter.bench.figures import Figures
    from wsrouter.bench.load import Load
    from wsrouter.bench.plan import Plan, Target
    from wsrouter.bench.threshold import Threshold

NAME = "bench"
HELP = "measure a WebSocket server: messages a second, latency, what gets lost"

EPILOG = """\
how it sends:
  Without --rate each connection sends again when it is answered: a closed loop, what it can do.
  With --rate messages are due on a schedule, and latency counts from when one was due: a server
  that stalls cannot hide. With --fan-out some connections publish and all others receive.

examples:
  wsrouter bench :8765/echo --connections 20 --in-flight 16
  wsrouter bench :8765/echo --rate 1000 --time 30s --fail 'p99 < 50ms, lost = 0'
  wsrouter bench :8765/room/lobby --connections 500 --fan-out --rate 20
  wsrouter bench :8765/echo --script lines.txt     sends the lines in turn; what comes is the answer

exit codes:
  0 ok, 1 something was lost, refused or broken, 2 wrong usage, 3 a threshold was missed
"""

LIVE_S = 0.5


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the flags."""
    parser.add_argument("url", metavar="URL", help="where to, as ws://localhost:8765/echo or ws+unix:/run/ws.sock:/echo; without a scheme it is ws://")
    parser.add_argument("-c", "--connections", metavar="N", type=parse_count, default=10, help="how many connections (default %(default)s)")
    parser.add_argument(
        "-r", "--rate", metavar="N", type=parse_per_s, help="messages a second, all connections together, on a schedule; default: as fast as answered"
    )
    parser.add_argument(
        "-i",
        "--in-flight",
        metavar="N",
        type=parse_count,
        help=f"how many messages of a connection may be unanswered (default 1; with --rate {SCHEDULED_WINDOW}, more are sent later and count from when they were due)",
    )
    parser.add_argument(
        "--size", metavar="SIZE", type=parse_bytes, default=64, help=f"bytes of a message, {STAMP_BYTES} at the least: 64, 4KiB (default %(default)s)"
    )
    parser.add_argument("-t", "--time", metavar="TIME", type=parse_time, default=10.0, help="how long to send: 30s, 5m (default 10s)")
    parser.add_argument(
        "-f", "--fan-out", metavar="N", type=parse_count, nargs="?", const=1, default=0, help="so many connections publish (default 1), all the others receive"
    )
    parser.add_argument("--script", metavar="FILE", type=Path, help="send the lines of this file in turn; each must get one answer; - is stdin")
    parser.add_argument(
        "--fail", metavar="THRESHOLDS", action="append", default=[], help="exit 3 if missed: 'p99 < 50ms, max connect < 1s, lost = 0'; repeatable"
    )
    parser.add_argument(
        "--timeout", metavar="TIME", type=parse_time, default=5.0, help="how long to wait for a connection and for missing answers (default 5s)"
    )
    parser.add_argument(
        "-H", "--header", dest="headers", metavar="NAME:VALUE", type=header, action="append", default=[], help="send a request header; repeatable"
    )
    parser.add_argument("-o", "--origin", metavar="ORIGIN", help="send an Origin header, as a web page's browser does")
    parser.add_argument("-s", "--subprotocol", dest="subprotocols", metavar="NAME", action="append", default=[], help="offer a subprotocol; repeatable")
    parser.add_argument("-n", "--no-check", action="store_true", help="believe any certificate of a wss:// server")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, times in seconds")


def run(arguments: Namespace) -> int:
    """Makes load, prints the figures; 3 if a threshold is missed, else 1 if anything went wrong."""
    plan, thresholds = make_plan(arguments), read_thresholds(arguments)
    from wsrouter.bench.report import format_report, warnings
    from wsrouter.bench.threshold import find_missed

    gc.enable()  # see `main`: this command may run for hours
    figures = make_figures(plan)
    if arguments.json:
        _print_json(plan, figures)
    else:
        print(escape_lines(format_report(plan, figures)))
    missed = find_missed(thresholds, figures.get)
    for line in [*warnings(plan, figures), *missed]:
        print(escape(line), file=sys.stderr)
    return 3 if missed else 0 if figures.is_sound(thresholds) else 1


def escape_lines(text: str) -> str:
    """What a server says cannot steer the terminal."""
    return "\n".join(map(escape, text.split("\n")))


def make_plan(arguments: Namespace) -> Plan:
    """The plan of a command line.

    Raises:
        CommandError: for what cannot be, with what can.
    """
    from wsrouter.bench.plan import Plan

    if arguments.fan_out >= arguments.connections:
        raise CommandError(f"--fan-out {arguments.fan_out} of {arguments.connections} connections leaves nobody to receive: write a greater --connections", 2)
    if arguments.script is not None and arguments.fan_out:
        raise CommandError("--script goes without --fan-out: deliveries are told by stamps, which lines of a script do not bear", 2)
    return Plan(
        target=make_target(arguments),
        connections=arguments.connections,
        senders=arguments.fan_out,
        rate=arguments.rate,
        in_flight=arguments.in_flight,
        size_bytes=arguments.size,
        script=read_script(arguments.script) if arguments.script is not None else (),
        time_s=arguments.time,
        timeout_s=arguments.timeout,
    )


def make_target(arguments: Namespace) -> Target:
    """The address of a command line, taken apart.

    Raises:
        CommandError: if it is none.
    """
    from urllib.parse import quote, unquote, urlsplit

    from wsrouter.bench.plan import Target

    url = complete_url(arguments.url)
    headers = [*arguments.headers]
    if arguments.origin is not None:
        headers.append(("Origin", arguments.origin))
    if arguments.subprotocols:
        headers.append(("Sec-WebSocket-Protocol", ", ".join(arguments.subprotocols)))
    unix = split_unix(url)
    if unix is not None:
        return Target(url, "localhost", 80, unix[1], unix=unix[0], headers=tuple(headers))
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or parts.scheme not in {"ws", "wss"}:
        raise CommandError(f"{escape(arguments.url)!r} is not a WebSocket address: write ws://host:port/path", 2)
    path = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe="/%:@!$&'()*+,;=~?")
    if parts.username is not None:
        import base64

        known = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers.append(("Authorization", f"Basic {base64.b64encode(known.encode()).decode()}"))
        url = url.replace(f"{parts.netloc.rpartition('@')[0]}@", "", 1)  # a password is not printed
    tls = None
    if parts.scheme == "wss":
        import ssl

        tls = unchecked_context() if arguments.no_check else ssl.create_default_context()
    return Target(url, host, port or (443 if tls else 80), path, tls=tls, headers=tuple(headers))


def read_script(path: Path) -> tuple[str, ...]:
    """The lines of a script that are not empty.

    Raises:
        CommandError: if there are none, or it cannot be read.
    """
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text("utf-8")
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError(f"{path} is not UTF-8 text") from None
    lines = tuple(line for line in text.splitlines() if line)
    if not lines:
        raise CommandError(f"{path} has no lines to send", 2)
    return lines


def read_thresholds(arguments: Namespace) -> list[Threshold]:
    """All thresholds of a command line.

    Raises:
        CommandError: for the bad ones, a line each.
    """
    from wsrouter.bench.threshold import parse_thresholds

    thresholds: list[Threshold] = []
    problems: list[str] = []
    for text in ",".join(arguments.fail).split(",") if arguments.fail else ():
        try:
            thresholds += parse_thresholds(text, "delivery" if arguments.fan_out else "round_trip")
        except ValueError as error:
            problems.append(f"--fail {error}")
    if problems:
        raise CommandError("\n".join(problems), 2)
    return thresholds


def describe_problem(error: OSError | ValueError) -> str:
    """Why there is no connection; a certificate that is not believed is named."""
    reason = getattr(error, "verify_message", None)  # of an ssl.SSLCertVerificationError
    return f"the certificate is not believed: {escape(reason)}; -n believes any" if reason else describe_failure(error)


def make_figures(plan: Plan) -> Figures:
    """Runs a plan on a loop of its own; Ctrl-C ends it early, a second one at once."""
    import asyncio
    import signal

    from wsrouter.bench.load import Load

    async def main() -> Figures:
        loop = asyncio.get_running_loop()
        load = Load(plan, describe_problem)

        def interrupt() -> None:
            load.interrupt()
            loop.remove_signal_handler(signal.SIGINT)

        loop.add_signal_handler(signal.SIGINT, interrupt)
        watcher = asyncio.create_task(_watch(plan, load), name="watcher") if sys.stderr.isatty() else None
        try:
            return await load.run()
        finally:
            if watcher is not None:
                watcher.cancel()
                print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    _raise_open_files(plan.connections)
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


async def _watch(plan: Plan, load: Load) -> None:
    """The live line, on a terminal only."""
    import asyncio
    from time import monotonic_ns

    from wsrouter.bench.report import format_live

    before = load.figures.latency.count
    while True:
        await asyncio.sleep(LIVE_S)
        count = load.figures.latency.count
        seconds = (monotonic_ns() - load.opened_at_ns) / 1e9 if load.opened_at_ns else 0.0
        print(f"\r\x1b[K{format_live(plan, load.figures, load.open, seconds, (count - before) / LIVE_S)}", end="", file=sys.stderr, flush=True)
        before = count


def _raise_open_files(connections: int) -> None:
    """As many as this process may have without being asked."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 64
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _print_json(plan: Plan, figures: Figures) -> None:
    import json

    told = {"url": plan.target.url, "connections": plan.connections, "senders": plan.senders, "rate": plan.rate, "in_flight": plan.window}
    print(json.dumps({**told, "size_bytes": None if plan.script else plan.size_bytes, **figures.as_json()}, indent=2))
