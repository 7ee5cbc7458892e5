"""`wsrouter reload`: what it prints and its exit code, for each outcome; and finding the daemon, whatever became of the site."""

from __future__ import annotations

import json
import os
import signal

import pytest

from support.bare import upgrade
from support.client import connect
from support.control import ScriptedSteering, answering
from wsrouter.admin.steering import ReloadOutcome

SUMMARY = "routes: 1 changed, 1 added, 0 removed, 12 unchanged; connections: 1000 kept, 100 draining"
DONE = ReloadOutcome(True, SUMMARY, facts={"changed": 1, "generation": 4})
FAILED = ReloadOutcome(
    False,
    "not reloaded: 1 problem; the site that was loaded before goes on",
    ("site.yaml:2:10: there is no handler 'eco'", "site.yaml:1:1: warning: nothing here", "elsewhere.yaml:9:1: gone", "no place"),
)


def test_a_reload_that_was_done_prints_its_summary(wsrouter, write):
    site = write("site.yaml", "routes: {/echo: echo}")
    with answering(site, ScriptedSteering(DONE)):
        assert wsrouter("reload") == (0, f"{SUMMARY}\n", "")


def test_problems_are_shown_with_their_source_lines_and_fail(wsrouter, write):
    site = write("site.yaml", "routes:\n  /echo: eco\n")
    with answering(site, ScriptedSteering(FAILED)):
        code, out, err = wsrouter("reload", "site.yaml")

    assert (code, out) == (1, f"{FAILED.summary}\n")
    assert err.splitlines() == [
        "elsewhere.yaml:9:1: gone",
        "site.yaml:1:1: warning: nothing here",
        "    routes:",
        "    ^",
        "site.yaml:2:10: there is no handler 'eco'",
        "      /echo: eco",
        "             ^",
        "no place",
    ]


def test_warnings_of_a_reload_that_was_done_do_not_fail(wsrouter, write):
    site = write("site.yaml", "routes: {/echo: echo}")
    with answering(site, ScriptedSteering(ReloadOutcome(True, SUMMARY, ("site.yaml:1:1: warning: look",)))):
        code, out, err = wsrouter("reload")

    assert (code, out, err.splitlines()[0]) == (0, f"{SUMMARY}\n", "site.yaml:1:1: warning: look")


@pytest.mark.parametrize("outcome, code", [(DONE, 0), (FAILED, 1)])
def test_json_is_the_answer_as_it_is(wsrouter, write, outcome, code):
    site = write("site.yaml", "routes: {/echo: echo}")
    with answering(site, ScriptedSteering(outcome)):
        result = wsrouter("reload", "--json")

    answer = json.loads(result.out)
    assert (result.code, result.err) == (code, "")
    assert (answer["ok"], answer["summary"], answer["problems"], answer["facts"]) == (
        outcome.ok,
        outcome.summary,
        list(outcome.problems),
        dict(outcome.facts),
    )


@pytest.mark.parametrize("state", ["gone", "broken", "a folder"])
@pytest.mark.parametrize("arguments", [(), ("site.yaml",), ("-c", "./site.yaml")])
def test_the_daemon_is_reached_whatever_became_of_the_site(wsrouter, write, state, arguments):
    site = write("site.yaml", "routes: [")
    if state != "broken":
        site.unlink()
    if state == "a folder":
        site.mkdir()
    with answering(site, ScriptedSteering(DONE)):
        assert wsrouter("reload", *arguments).out == f"{SUMMARY}\n"


def test_a_daemon_that_was_started_by_another_name_of_the_file_is_found_through_a_link(wsrouter, write):
    site = write("real/site.yaml", "routes: {/echo: echo}")
    (site.parent.parent / "link").symlink_to("real")
    with answering(site, ScriptedSteering(DONE)):
        assert wsrouter("reload", "link/site.yaml").code == 0


def test_without_a_daemon_one_line_says_where_it_looked(wsrouter, write):
    site = write("site.yaml", "routes: {/echo: echo}")
    code, out, err = wsrouter("reload")

    assert (code, out) == (1, "")
    assert err.startswith(f"no daemon is running for {site}: nobody listens on {os.environ['XDG_RUNTIME_DIR']}/wsrouter/site-")
    assert "/run/wsrouter/site-" in err
    assert err.endswith("; wsrouter run starts one\n")
    assert err.count("\n") == 1


def test_an_outcome_that_does_not_come_in_time_fails(wsrouter, write):
    site = write("site.yaml", "routes: {/echo: echo}")
    with answering(site, ScriptedSteering(None)):
        code, out, err = wsrouter("reload", "--timeout", "200ms")

    assert (code, out) == (1, "")
    assert err == "the daemon did not answer within 0.2 s; the reload goes on, and wsrouter status tells what became of it\n"


@pytest.mark.parametrize("timeout", ["0", "-1", "nan", "inf", "soon"])
def test_a_timeout_that_is_none_is_a_usage_error(wsrouter, timeout):
    assert wsrouter("reload", f"--timeout={timeout}").code == 2


def test_a_running_daemon_loads_its_site_again(wsrouter, write, daemon):
    running = daemon("routes: {/echo: echo, /room: broadcast, /old: echo}")
    with connect(running.url("/echo")) as client:
        write("site.yaml", "routes: {/echo: echo, /room: {broadcast: {history: 5}}, /new: echo}")
        expected = "routes: 1 changed, 1 added, 1 removed, 1 unchanged; connections: 1 kept, 0 draining\n"
        assert wsrouter("reload") == (0, expected, "")
        client.send("still here")
        assert client.recv(timeout=5) == "still here"
        status = json.loads(wsrouter("status", "--json").out)

    assert [(route["route"], route["connections"], route["older"]) for route in status["routes"]] == [("/echo", 1, 0), ("/room", 0, 0), ("/new", 0, 0)]
    assert (status["generation"], status["last_reload"]["ok"], status["last_reload"]["summary"]) == (2, True, expected.strip())


def test_a_running_daemon_whose_site_is_broken_goes_on_and_says_so(wsrouter, write, daemon):
    running = daemon("routes: {/echo: echo}")
    write("site.yaml", "routes:\n  /echo: eco\n")
    code, out, err = wsrouter("reload")

    assert (code, out) == (1, "not reloaded: 1 problem; what was loaded before goes on serving\n")
    assert err.startswith("site.yaml:2:10: there is no handler 'eco'; did you mean the handler echo?")
    assert err.endswith("\n      /echo: eco\n             ^\n")
    assert "site.yaml:2:10: there is no handler 'eco'" in wsrouter("status").out
    with connect(running.url("/echo")) as client:
        client.send("still here")
        assert client.recv(timeout=5) == "still here"


def test_connections_of_an_older_handler_and_of_a_removed_route_are_in_the_status(wsrouter, write, daemon):
    running = daemon("routes: {/room: broadcast, /gone: echo}")
    with connect(running.url("/room")), connect(running.url("/room")), upgrade(running.url("/gone")):  # which does not answer its close
        running.wait_for("connection.opened", count=3)
        write("site.yaml", "routes: {/room: {broadcast: {history: 5}}}")
        assert wsrouter("reload").code == 0
        with connect(running.url("/room")):
            running.wait_for("connection.opened", count=4)
            routes = json.loads(wsrouter("status", "--json").out)["routes"]

    keys = ("route", "handlers", "connections", "older", "state")
    assert [tuple(route[key] for key in keys) for route in routes] == [("/room", ["broadcast"], 1, 2, "serving"), ("/gone", ["echo"], 0, 1, "removed")]


def test_while_it_stops_nothing_is_loaded(wsrouter, daemon):
    running = daemon("routes: {/echo: echo}\nserver: {shutdown: {delay: 60s, timeout: 90s}}")
    running.send_signal(signal.SIGTERM)
    running.wait_for("stopping")

    assert wsrouter("reload") == (1, "not reloaded: the daemon is stopping\n", "")
    assert "state        draining\n" in wsrouter("status").out
    running.send_signal(signal.SIGTERM)
    assert running.wait() == 0
