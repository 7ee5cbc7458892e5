"""Each change is made in a process of its own: what it changes is one for the whole process."""

import subprocess
import sys

import pytest

from wsrouter.plugins.library import HandlerLibrary
from wsrouter.plugins.process_state import settle_changes, take_state

PROGRAM = """
import asyncio, gc, logging, os, signal, sys, threading, warnings
import structlog
structlog.configure(processors=[])
from wsrouter.plugins.process_state import settle_changes, take_state
before = take_state()
{change}
print(settle_changes(before), settle_changes(take_state()), {after})
"""


def run(change, after="None"):
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(change=change, after=after)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("pass", ""),
        ("logging.basicConfig(level=logging.DEBUG)", '"the root logger\'s handlers", "the root logger\'s level"'),
        ("logging.disable(logging.CRITICAL)", "'logging.disable'"),
        ("sys.excepthook = print", "'sys.excepthook'"),
        ("threading.excepthook = print", "'threading.excepthook'"),
        ("asyncio.get_event_loop_policy()", ""),
        ("asyncio.set_event_loop_policy(type('P', (asyncio.DefaultEventLoopPolicy,), {})())", "'the event-loop policy'"),
        ("gc.disable()", "'gc settings'"),
        ("gc.set_threshold(1)", "'gc settings'"),
        ("warnings.simplefilter('ignore')", "'warnings filters'"),
        ("warnings.filterwarnings('ignore', message='my own')", ""),
        ("sys.path.insert(0, '/srv')", "'sys.path'"),
        ("os.chdir('/')", "'the working folder'"),
        ("sys.setrecursionlimit(99999)", "'the recursion limit'"),
        ("signal.signal(signal.SIGUSR1, print)", "'the handler of SIGUSR1'"),
    ],
)
def test_a_change_is_named(change, told):
    assert f"[{told}] [] None" == run(change)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGPIPE"])
def test_the_signals_of_the_daemon_are_put_back(name):
    assert f"['the handler of {name} (put back)'] [] False" == run(f"signal.signal(signal.{name}, print)", f"signal.getsignal(signal.{name}) is print")


def test_structlogs_configuration_is_put_back():
    change = "structlog.configure(processors=[print], cache_logger_on_first_use=True)"
    assert '["structlog\'s configuration (put back)"] [] []' == run(change, "structlog.get_config()['processors']")


def test_looking_changes_nothing():
    assert [] == settle_changes(take_state())


def test_a_library_tells_what_the_import_of_a_handler_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "odd.py").write_text("import sys\nsys.path.append('/srv/odd')\nasync def odd(websocket):\n    pass\n")
    (tmp_path / "plain.py").write_text("async def plain(websocket):\n    pass\n")
    library = HandlerLibrary([tmp_path])
    library.find("plain")
    library.find("odd")
    library.find("odd")
    assert [("odd", ["sys.path"])] == library.changes
