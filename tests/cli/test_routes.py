"""`wsrouter routes`: a line a route, and the same as JSON."""

from __future__ import annotations

import json

SITE = """\
routes:
  /echo: echo
  /shout/{room}:
    steps: [{transform: {text: upper}}, broadcast]
    origins: [https://example.com, "null"]
"""


def test_a_table_has_a_line_for_each_route(wsrouter, write):
    write("site.yaml", SITE)

    assert wsrouter("routes").out.splitlines() == [
        "ROUTE          STEPS                  ORIGINS                    PLACE",
        "/echo          echo                   same-host                  site.yaml:2",
        "/shout/{room}  transform > broadcast  https://example.com, null  site.yaml:3",
    ]


def test_json_has_the_kind_and_the_origin_of_each_step(wsrouter, write):
    write("site.yaml", SITE)

    assert json.loads(wsrouter("routes", "--json").out)[0] == {
        "route": "/echo",
        "steps": [{"name": "echo", "kind": "class", "origin": "built-in"}],
        "origins": "same-host",
        "file": "site.yaml",
        "line": 2,
    }


def test_a_bad_site_shows_its_problems_and_fails(wsrouter, write):
    write("site.yaml", "routes: {/echo: eco}")
    code, out, err = wsrouter("routes")

    assert (code, out) == (1, "")
    assert err.startswith("site.yaml:1:17: there is no handler 'eco'; did you mean")
    assert err.endswith("site.yaml: 1 problem\n")
