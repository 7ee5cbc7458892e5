"""`wsrouter handlers`: what a route may name, and the options of one as a page."""

from __future__ import annotations

import json

GREETER = '''\
from typing import Annotated
from wsrouter import Duration, Handler, Option

print("noise")

class Greeter(Handler[str]):
    """Greet everybody.

    More than once.
    """

    name: str
    every: Annotated[Duration, Option(gt=0, description="How often.")] = 1.5
'''


def test_the_list_has_built_in_handlers_and_those_of_plugins_here(wsrouter, write):
    write("plugins/greeter.py", GREETER)
    code, out, err = wsrouter("handlers")

    assert (code, err) == (0, "noise\n")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["HANDLER", "KIND", "FROM", "WHAT", "IT", "DOES"]
    assert lines[1] == ["greeter", "class", "plugins/greeter.py:6", "Greet", "everybody."]
    assert {"broadcast", "echo", "periodic", "transform"} <= {line[0] for line in lines}


def test_one_is_a_page_with_its_options_and_a_line_for_the_site(wsrouter, write):
    write("plugins/greeter.py", GREETER)

    assert (
        wsrouter("handlers", "greeter").out
        == """\
greeter (class, plugins/greeter.py:6)

  Greet everybody.

  More than once.

options
  name: text (must be given)
  every: a time like 5s, above 0s (default 1.5s)
      How often.

in a site
  /greeter: {greeter: {name: …}}
"""
    )


def test_one_without_options_says_so(wsrouter):
    assert wsrouter("handlers", "echo").out.splitlines()[-4:] == ["it has no options", "", "in a site", "  /echo: echo"]


def test_json_has_types_defaults_and_help(wsrouter, write):
    write("plugins/greeter.py", GREETER)

    assert json.loads(wsrouter("handlers", "greeter", "--json").out)["options"][0] == {
        "name": "name",
        "type": "text",
        "default": None,
        "required": True,
        "help": "",
    }
    assert "greeter" in [spec["name"] for spec in json.loads(wsrouter("handlers", "--json").out)]


def test_an_unknown_name_is_answered_with_the_nearest(wsrouter):
    code, out, err = wsrouter("handlers", "peridic")

    assert (code, out) == (1, "")
    assert err == "there is no handler 'peridic': did you mean periodic? known are broadcast, echo, periodic, transform\n"


def test_a_plugin_that_cannot_be_had_is_told_of_and_the_rest_is_listed(wsrouter, write):
    write("plugins/broken.py", "import nothere\n")
    code, out, err = wsrouter("handlers")

    assert code == 1
    assert err == "plugins/broken.py:1:1: importing it raised ModuleNotFoundError: No module named 'nothere'\n"
    assert "echo" in out
    assert wsrouter("handlers", "broken").err == err


def test_the_plugins_are_those_of_the_site_or_of_the_folder_that_is_named(wsrouter, write):
    write("mine/greeter.py", GREETER)
    write("site.yaml", "plugins: mine\nroutes: {/echo: echo}")

    assert "mine/greeter.py:6" in wsrouter("handlers").out
    assert "mine/greeter.py:6" in wsrouter("handlers", "-c", "mine").out
