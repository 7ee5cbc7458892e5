"""`wsrouter explain`: who serves a path, why nobody else does, and every setting with where it comes from."""

from __future__ import annotations

import json

import pytest

SITE = """\
defaults:
  limits: {message_size: 10KiB}
routes:
  /room/lobby: echo
  /room/{room}:
    broadcast: {history: 50}
    origins: ["https://example.com"]
  /room/{id:int}: echo
  /other: echo
"""


@pytest.fixture
def site(write):
    return write("site.yaml", SITE)


def test_it_names_the_route_its_parameters_and_why_the_others_lost(wsrouter, site):
    code, out, err = wsrouter("explain", "/room/17?x=1")

    assert (code, err) == (0, "")
    assert out.startswith("/room/17 is served by /room/{id:int} (site.yaml:8:3)\n  {id} is 17\n")
    others = [" ".join(line.split()) for line in out.split("WHY NOT\n")[1].splitlines()]
    assert others == [
        "/room/lobby segment 2 is '17', not 'lobby'",
        "/room/{room} matches, but /room/{id:int} wins: in segment 2 a typed parameter ({id:int}) beats an untyped parameter ({room})",
        "/other segment 1 is 'room', not 'other'",
    ]


def test_every_setting_and_option_says_where_its_value_comes_from(wsrouter, site):
    out = wsrouter("explain", "ws://example.com:8765/room/a").out
    rows = [line.split() for line in out.splitlines()]

    assert ["limits.message_size", "10KiB", "site.yaml:2:12"] in rows
    assert ["origins", "[https://example.com]", "site.yaml:7:5"] in rows or ["origins", '["https://example.com"]', "site.yaml:7:5"] in rows
    assert ["keepalive.ping", "20s", "default"] in rows
    assert ["history", "50", "site.yaml:6:5"] in rows
    assert ["to_sender", "true", "default"] in rows


def test_a_path_that_nobody_serves_is_told_with_the_nearest_and_fails(wsrouter, site):
    code, out, _ = wsrouter("explain", "/othr")

    assert code == 1
    assert out.startswith("/othr: no route of site.yaml serves it; refused with 404; the nearest is /other\n")


@pytest.mark.parametrize(("path", "why"), [("/a%2Fb", "encoded slash"), ("room", "must begin with /")])
def test_a_path_that_would_be_refused_says_so(wsrouter, site, path, why):
    code, out, err = wsrouter("explain", path)

    assert (code, out) == (1, "")
    assert err.startswith(f"{path}: refused with 400: ")
    assert why in err


def test_a_url_that_is_none_is_a_usage_error(wsrouter, site):
    code, _, err = wsrouter("explain", "ws://[::1/echo")

    assert code == 2
    assert err.startswith("'ws://[::1/echo' is no URL: ")


def test_json_has_the_same(wsrouter, site):
    told = json.loads(wsrouter("explain", "--json", "/room/a").out)

    assert (told["route"], told["place"], told["params"]) == ("/room/{room}", "site.yaml:5:3", {"room": "a"})
    assert told["steps"][0] | {"name": "broadcast", "kind": "class", "origin": "built-in"} == told["steps"][0]
    assert told["steps"][0]["options"]["history"] == "50"
    assert {"setting": "limits.message_size", "value": "10KiB", "from": "site.yaml:2:12"} in told["settings"]
    assert [other["route"] for other in told["others"]] == ["/room/lobby", "/room/{id:int}", "/other"]
    assert json.loads(wsrouter("explain", "--json", "/nope").out)["route"] is None


def test_of_many_routes_those_that_came_closest_are_shown(wsrouter, write):
    write("site.yaml", "routes:\n" + "".join(f"  /r{number}: echo\n" for number in range(100)) + "  /x/y: echo\n")
    shown = wsrouter("explain", "/x").out.split("WHY NOT\n")[1].splitlines()

    assert shown[0].split()[0] == "/x/y"
    assert shown[-1] == "  and 81 more, which --json lists"


def test_the_limits_of_the_server_and_the_constants_are_shown(wsrouter, write):
    write(
        "site.yaml",
        "server: {limits: {connections_per_address: 7}}\nroutes: {/echo: {echo: , limits: {connections: 9}, outbox: {on_full: {latest: message.symbol}}}}",
    )
    _, out, _ = wsrouter("explain", "/echo")
    for line in ("limits.connections 9", "outbox.on_full {latest: message.symbol}", "server.limits.connections_per_address 7", "control frames 20/s, burst 50"):
        assert line in " ".join(out.split()), line
    told = json.loads(wsrouter("explain", "/echo", "--json")[1])
    assert "7" == told["server_limits"]["server.limits.connections_per_address"]
    assert "closed with 1008, flood" in [bound["beyond"] for bound in told["constants"]]


def test_a_zero_says_what_it_means(wsrouter, write):
    write("site.yaml", "routes: {/echo: {echo: , keepalive: {ping: 0s}}}")
    rows = [" ".join(line.split()) for line in wsrouter("explain", "/echo").out.splitlines()]
    for row in (
        "limits.message_rate 0 (no limit) default",
        "limits.connections 0 (no limit of its own) default",
        "limits.idle 0s (for ever) default",
        "keepalive.ping 0s (never) site.yaml:1:38",
        "server.limits.connections_per_address 0 (no limit)",
    ):
        assert row in rows, row
    told = json.loads(wsrouter("explain", "/echo", "--json").out)
    assert {"setting": "limits.idle", "value": "0s", "from": "default"} in told["settings"]
