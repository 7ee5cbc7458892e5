"""The load lab as a locustfile: `locust -f loadtest/locustfile.py` with its web UI, `--headless Echo`, `--processes 4`, or a master and its workers.

The server is `--host ws://127.0.0.1:8765`; `./dev run --config loadtest/site.yaml` is one that has all the routes. At the end of a run all users fall
silent, what is on its way may arrive, and what did not is lost; then the figures are printed, with percentiles that Locust's own table, which counts
whole milliseconds, cannot have. Thresholds decide on the exit status: 3 where one is missed.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import gevent
from locust import events, runners
from locust.runners import MasterRunner, WorkerRunner

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the checkout, wherever locust was started

from loadtest import locust_shape
from loadtest.recorder import Recorder, load_record
from loadtest.scenarios.burst import Burst
from loadtest.scenarios.echo import Echo
from loadtest.scenarios.idle import Idle
from loadtest.scenarios.reconnect import Reconnect
from loadtest.scenarios.room import Room
from loadtest.scenarios.slow import Slow
from loadtest.scenarios.ticker import Ticker
from loadtest.scenarios.transform import Transform
from loadtest.shapes import SHAPES
from loadtest.text import format_checks, format_live, format_record
from loadtest.user import ANSWER_S, WebSocketUser, settle_all, ws_events
from loadtest.verdict import MISSED_EXIT, judge, read_thresholds

__all__ = ["Burst", "Echo", "Idle", "Reconnect", "Room", "Slow", "Ticker", "Transform"]

runners.WORKER_REPORT_INTERVAL = 1.0  # three seconds are too long for a line each second
SETTLE, SETTLED = "wsrouter_settle", "wsrouter_settled"


class Lab:
    """One Locust process of a run: its recorder, and the end of the run in the right order."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.recorder.listen(events, ws_events)
        self._environment: Any = None
        self._begun_s = self._begun_at = self._seconds = 0.0
        self._is_settled = True
        self._settled_workers: set[str] = set()

    def on_init(self, environment: Any, **_: object) -> None:
        """Locust is up, and nothing runs yet."""
        self._environment = environment
        runner, options = environment.runner, environment.parsed_options
        if isinstance(runner, WorkerRunner):
            random.seed()  # forked workers would all choose the same
            runner.register_message(SETTLE, self._on_settle, concurrent=True)
            return
        if isinstance(runner, MasterRunner):
            runner.register_message(SETTLED, self._on_settled)
        try:
            self._thresholds = read_thresholds(options.threshold or (), options.thresholds)
        except (ValueError, OSError) as error:
            sys.exit(f"locust: {error}")
        if options.shape != "steady":
            environment.shape_class = locust_shape.Shape()
            environment.shape_class.runner = runner
        if options.live:
            runner.greenlet.spawn(self._tell_live)

    def on_test_start(self, **_: object) -> None:
        """A run begins; with the web UI there may be several."""
        self.recorder.clear()
        self._begun_s, self._begun_at = time.monotonic(), time.time()
        self._is_settled = False
        self._settled_workers.clear()

    def on_test_stopping(self, **_: object) -> None:
        """A run is over: nobody sends any more, and what is missing is lost. A master has its workers do that."""
        if self._is_settled:
            return
        self._is_settled = True
        self._seconds = time.monotonic() - self._begun_s
        runner = self._environment.runner
        if not isinstance(runner, MasterRunner):
            self._settle()
            return
        workers = {client.id for client in runner.clients.all}
        runner.send_message(SETTLE)
        end = time.monotonic() + ANSWER_S + 5.0
        while not workers <= self._settled_workers and time.monotonic() < end:
            gevent.sleep(0.05)

    def on_quitting(self, environment: Any, **_: object) -> None:
        """Locust ends: the figures, and the exit status."""
        runner = environment.runner
        if isinstance(runner, WorkerRunner) or not self._begun_s:
            return
        runner.stop()
        record, options = self.recorder.record, environment.parsed_options
        checks = judge(record, self._thresholds, self._seconds)
        if any(check.is_met is False for check in checks):
            environment.process_exit_code = MISSED_EXIT
        if options.record:
            Path(options.record).write_text(json.dumps({"begun_at": self._begun_at, "took_s": self._seconds, **record.dump()}), "utf-8")
        else:
            print("\n".join(["", *format_record(record, self._seconds), *format_checks(checks), ""]))

    def _settle(self) -> None:
        users = [greenlet.args[0] for greenlet in self._environment.runner.user_greenlets]
        users = [user for user in users if isinstance(user, WebSocketUser)]
        settle_all(users)
        count = self.recorder.record.counts
        count["users_at_end"] += len(users)
        count["open_at_end"] += sum(user.session is not None and not user.session.is_closed for user in users)

    def _on_settle(self, environment: Any, msg: Any, **_: object) -> None:
        if not self._is_settled:
            self._is_settled = True
            self._settle()
        data: dict[str, Any] = {}
        self.recorder.on_report_to_master(data)
        environment.runner.send_message(SETTLED, data["wsrouter_load"])

    def _on_settled(self, environment: Any, msg: Any, **_: object) -> None:
        self.recorder.record.merge(load_record(msg.data))
        self._settled_workers.add(msg.node_id)

    def _tell_live(self) -> None:
        ago_s = 2 if isinstance(self._environment.runner, MasterRunner) else 1  # workers report each second
        while True:
            gevent.sleep(1.0)
            if not self._is_settled:
                line = format_live(self.recorder.record, time.monotonic() - self._begun_s, self.recorder.second() - ago_s)
                print(line, flush=True)


@events.init_command_line_parser.add_listener
def add_arguments(parser: Any) -> None:
    """The options of the lab; nothing listens to the network unless it is asked to."""
    group = parser.add_argument_group("WebSocket load", "for the scenarios of loadtest/")
    group.add_argument("--rate", type=float, help="messages a second of each user; by default what the scenario says")
    group.add_argument("--size", type=int, help="bytes of a message; never less than its stamp")
    group.add_argument("--batch", type=int, help="messages that are due at the same moment")
    group.add_argument("--rooms", type=int, help="how many rooms there are (room)")
    group.add_argument("--stay", type=float, help="seconds that a member stays in a room (room)")
    group.add_argument("--slow-share", type=float, help="the share of those who read slowly, 0 to 1 (slow)")
    group.add_argument("--shape", choices=SHAPES, default="steady", help="how many users there are when; needs --run-time unless steady")
    group.add_argument("--threshold", action="append", metavar="TEXT", help="'p99 delivery < 50ms, lost = 0'; exit status 3 where missed; may be repeated")
    group.add_argument("--thresholds", metavar="FILE", help="a file of thresholds, one a line or separated by commas; # begins a comment")
    group.add_argument("--record", metavar="FILE", help="write all that was measured to a file, as JSON, instead of printing a table")
    group.add_argument("--live", action="store_true", help="print a line each second")
    parser.set_defaults(web_host="127.0.0.1", master_bind_host="127.0.0.1", stop_timeout=10.0, host="ws://127.0.0.1:8765")


lab = Lab()
events.init.add_listener(lab.on_init)
events.test_start.add_listener(lab.on_test_start)
events.test_stopping.add_listener(lab.on_test_stopping)
events.quitting.add_listener(lab.on_quitting)
