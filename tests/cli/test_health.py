"""`wsrouter health`: one line, and an exit code for containers."""

from __future__ import annotations

import json
import signal

import pytest

from support.control import ScriptedSteering, answering
from wsrouter.admin.steering import State

SITE = "routes: {/echo: echo}"


def test_a_daemon_that_serves_is_well_and_ready(wsrouter, daemon):
    daemon(SITE)

    assert wsrouter("health") == (0, "well, ready\n", "")
    answer = json.loads(wsrouter("health", "--json").out)
    assert {name: answer[name] for name in ("ok", "well", "ready", "reasons")} == {"ok": True, "well": True, "ready": True, "reasons": {}}


def test_a_daemon_that_drains_is_well_and_not_ready(wsrouter, daemon):
    running = daemon(f"{SITE}\nserver: {{shutdown: {{delay: 60s}}}}\n")
    running.send_signal(signal.SIGTERM)
    running.wait_for("stopping")

    assert wsrouter("health") == (1, "well, not ready: draining (it was told to stop)\n", "")
    assert wsrouter("health", "--alive").code == 0
    running.send_signal(signal.SIGTERM)


@pytest.mark.parametrize(
    "state, code, alive, line",
    [
        (State(is_well=False, lag_s=2.5, reasons={}), 1, 1, "not well: the event loop was 2500.0 ms late, ready\n"),
        (State(is_well=True, lag_s=0, reasons={"starting": "s", "overload": "o"}), 1, 0, "well, not ready: starting (s), overload (o)\n"),
    ],
)
def test_what_is_not_well_or_not_ready_is_told_and_is_the_exit_code(wsrouter, write, state, code, alive, line):
    steering = ScriptedSteering()
    steering.current = state
    with answering(write("site.yaml", SITE), steering):
        assert wsrouter("health")[:2] == (code, line)
        assert wsrouter("health", "--alive").code == alive


def test_without_a_daemon_it_is_not_well(wsrouter, write):
    write("site.yaml", SITE)
    found = wsrouter("health")

    assert (found.code, found.out) == (1, "")
    assert found.err.startswith("no daemon is running for ")
