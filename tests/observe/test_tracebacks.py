import asyncio
import json
import linecache
from pathlib import Path

import pytest

from wsrouter import handlers
from wsrouter.observe.tracebacks import trace
from wsrouter.testing.clock import ManualClock

PLUGIN = """\
import json

def on_message(message):
    return deeper(message)

def deeper(message):
    return json.loads(message)

def fail(message):
    raise ValueError(message)

def chained(message):
    try:
        deeper(message)
    except ValueError as error:
        raise RuntimeError("outer") from error

def grouped(message):
    raise ExceptionGroup("several", [ValueError("inner")])

def endless(message):
    return endless(message)

def without_text(message):
    raise KeyboardInterrupt
"""


@pytest.fixture
def plugin(tmp_path):
    """The functions of a plugin file, as a loader runs it."""
    path = tmp_path / "plugins" / "hello.py"
    path.parent.mkdir()
    path.write_text(PLUGIN)
    names = {}
    exec(compile(PLUGIN, str(path), "exec"), names)
    yield lambda name: names[name], str(path)
    linecache.clearcache()


def caught(function, *arguments):
    try:
        function(*arguments)
    except BaseException as error:
        return error.with_traceback(error.__traceback__.tb_next)  # without this file's own frame
    raise AssertionError("it did not fail")


def test_an_error_is_told_with_its_place_in_the_plugin(plugin):
    get, path = plugin
    told = trace(caught(get("fail"), "no\nway"))
    assert told.error == "ValueError: no\nway"
    assert told.at == f"{path}:10"
    assert told.text.startswith("Traceback (most recent call last):\n")
    assert "raise ValueError(message)" in told.text


def test_the_place_is_the_plugins_own_line_and_not_that_of_a_library_it_called(plugin):
    get, path = plugin
    told = trace(caught(get("on_message"), "{"))
    assert told.at == f"{path}:7"
    assert json.decoder.__file__ in told.text


def test_frames_of_the_machinery_are_cut(plugin):
    get, path = plugin

    async def run():
        await asyncio.wait_for(asyncio.to_thread(get("fail"), "x"), 5)

    told = trace(caught(asyncio.run, run()))
    assert f"{Path(asyncio.__file__).parent}/" not in told.text
    assert path in told.text


def test_causes_are_cut_too(plugin):
    get, path = plugin
    told = trace(caught(get("chained"), "{"))
    assert told.error == "RuntimeError: outer"
    assert told.at == f"{path}:16"
    assert "JSONDecodeError" in told.text
    assert "The above exception was the direct cause" in told.text


def test_a_group_tells_what_it_holds(plugin):
    get, _ = plugin
    assert "ValueError: inner" in trace(caught(get("grouped"), "")).text


def test_endless_recursion_is_told_shortly(plugin):
    get, path = plugin
    told = trace(caught(get("endless"), ""))
    assert told.error.startswith("RecursionError")
    assert told.at == f"{path}:22"
    assert len(told.text.splitlines()) < 30


def test_an_error_without_text_is_its_type(plugin):
    get, _ = plugin
    assert trace(caught(get("without_text"), "")).error == "KeyboardInterrupt"


def test_frames_of_built_in_handlers_stay(tmp_path):
    path = f"{next(iter(handlers.__path__))}/made_up.py"
    names = {}
    exec(compile("def on_message():\n    raise ValueError", path, "exec"), names)
    told = trace(caught(names["on_message"]))
    assert told.at == f"{path}:2"


def test_a_failure_of_wsrouter_itself_keeps_its_frames():
    told = trace(caught(ManualClock, "no datetime"))
    assert "wsrouter/testing/clock.py" in told.text
    assert "clock.py:" in told.at


def test_an_error_that_was_never_raised_has_no_place():
    assert trace(ValueError("x")) == ("ValueError: x", "", "ValueError: x")


class HostileError(Exception):
    def __str__(self):
        raise RuntimeError("no text of mine")


def test_an_error_that_cannot_be_told_is_named():
    assert trace(HostileError()).error == "HostileError"
