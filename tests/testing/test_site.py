"""`SiteTest`: a site or a handler, its clients and its clock, in plain test functions."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wsrouter import Accept, Connection, Context, Handler, HandlerError, HandshakeRequest, Refuse
from wsrouter.testing import Closed, HandlerFailedError, RefusedError, SiteProblemError, SiteTest

ROOT = Path(__file__).parent.parent.parent


class Shout(Handler[str]):
    suffix: str = "!"

    def on_message(self, connection: Connection, message: str) -> str:
        if message == "crash":
            raise ValueError("no")
        return message.upper() + self.suffix


async def hello(websocket, *, greeting="hi"):
    await websocket.send(f"{greeting} {await websocket.recv()}")


async def ticker(context: Context, *, every: float = 1.0):
    while True:
        yield "tick"
        await context.clock.sleep(every)


@pytest.fixture
def rooms(tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text(
        "routes: {'/room/{room}': {broadcast: {history: 3}}, /echo: echo, /own: {handler: echo, origins: ['https://a.example'], subprotocols: [v1]}}"
    )
    with SiteTest(path) as site:
        yield site


def test_a_site_with_two_clients_and_time(rooms):
    alice, bob = rooms.open("/room/red"), rooms.open("/room/red")
    alice.send("hi")

    assert bob.receive() == "hi"
    assert alice.receive() == "hi"
    assert rooms.members("/room/red") == 2
    rooms.advance(600)
    assert bob.is_open
    assert rooms.open("/room/red").receive_all() == ["hi"]


def test_messages_of_every_kind(rooms):
    client = rooms.open("/echo")
    client.send("text")
    client.send(b"\x00\xff")
    client.send({"a": [1, None]})

    assert client.receive() == "text"
    assert client.receive() == b"\x00\xff"
    assert client.receive_json() == {"a": [1, None]}
    client.send("no json")
    with pytest.raises(AssertionError, match='JSON was expected, but "no json" came'):
        client.receive_json()


def test_publishing_from_the_test(rooms):
    client = rooms.open("/room/red")
    rooms.publish("/room/red", {"from": "outside"})

    assert client.receive_json() == {"from": "outside"}


def test_a_message_that_does_not_come_fails_after_virtual_seconds(rooms):
    client, begun, before = rooms.open("/echo"), time.perf_counter(), rooms.monotonic()

    with pytest.raises(AssertionError, match="a message was expected, but nothing came within 60 s"):
        client.receive(within_s=60)
    assert rooms.monotonic() - before == 60
    assert time.perf_counter() - begun < 5


def test_nothing_is_expected(rooms):
    client = rooms.open("/echo")
    client.expect_nothing(30)
    client.send("a")

    with pytest.raises(AssertionError, match='nothing was expected for 1 s, but "a" came'):
        client.expect_nothing()


def test_closing_from_either_side(rooms):
    one, other = rooms.open("/echo"), rooms.open("/room/red")
    one.close(4000, "bye")

    assert not one.is_open
    assert one.expect_closed(4000) == Closed(4000, "bye", "client_close")
    with pytest.raises(AssertionError, match="the client cannot send: it was closed by itself"):
        one.send("x")
    other.hang_up()
    assert rooms.members("/room/red") == 0
    with pytest.raises(AssertionError, match="a close was expected, but it is still open after 5 s"):
        rooms.open("/echo").expect_closed()


def test_refusals_have_status_and_reason(rooms):
    with pytest.raises(RefusedError, match=r"the client was refused 404 no_route .*, fix: the nearest route is /echo") as caught:
        rooms.open("/ecko")
    assert (caught.value.status, caught.value.reason) == (404, "no_route")
    with pytest.raises(RefusedError) as caught:
        rooms.open("/own", origin="https://b.example")
    assert (caught.value.status, caught.value.reason) == (403, "origin")
    assert rooms.open("/own", origin="https://a.example", subprotocols=["v0", "v1"]).subprotocol == "v1"


def test_a_handler_class_with_options_and_a_route_of_its_own():
    with SiteTest(Shout, route="/shout/{room}", options={"suffix": "?"}, settings={"limits": {"message_size": "5B"}}) as site:
        client = site.open("/shout/lobby")
        client.send("hey")

        assert client.receive() == "HEY?"
        client.send("too long")
        assert client.expect_closed(1009).cause == "too_big"


def test_a_coroutine_and_a_source():
    with SiteTest(hello, options={"greeting": "salut"}) as site:
        client = site.open()
        client.send("bob")
        assert client.receive() == "salut bob"
        assert client.expect_closed() == Closed(1000, "", "handler_close")
    with SiteTest(ticker, options={"every": 2.5}) as site:
        client = site.open()
        site.advance(10)
        assert client.receive_all() == ["tick"] * 5
        assert site.now().isoformat() == "2024-01-01T12:00:10+00:00"


def test_a_plugin_file(tmp_path):
    (tmp_path / "twice.py").write_text(
        "from wsrouter import Handler\nclass Twice(Handler[str]):\n    def on_message(self, connection, message):\n        return [message, message]\n"
    )

    with SiteTest(tmp_path / "twice.py") as site:
        client = site.open("/twice")
        client.send("a")
        assert client.receive_all() == ["a", "a"]


def test_the_option_that_is_wrong_is_told():
    with pytest.raises(SiteProblemError, match=r"sufix.*suffix"):
        SiteTest(Shout, options={"sufix": "?"})
    with pytest.raises(SiteProblemError, match="no such file"):
        SiteTest("nowhere/site.yaml")
    with pytest.raises(SiteProblemError, match="is no handler: give a Handler class"):
        SiteTest(object)


def test_a_handler_failure_that_nothing_expects_fails_the_test():
    with pytest.raises(HandlerFailedError, match=r"Shout on_message: ValueError: no \(.*test_site.py:\d+\)"):  # noqa: SIM117 -- the end of the inner one raises
        with SiteTest(Shout) as site:
            site.open().send("crash")


def test_a_handler_failure_that_is_expected_does_not():
    with SiteTest(Shout) as site:
        client = site.open()
        client.send("crash")
        assert client.expect_closed(1011) == Closed(1011, "handler_error", "handler_error")
    with SiteTest(Shout, handlers_may_fail=True) as site:
        site.open().send("crash")
        assert ["ValueError: no" in failure for failure in site.failures] == [True]


def test_the_failure_of_the_test_itself_comes_first():
    with pytest.raises(ZeroDivisionError), SiteTest(Shout) as site:  # noqa: PT012 -- the end of the inner one must not raise
        site.open().send("crash")
        raise ZeroDivisionError


def test_a_handler_that_refuses_to_start_fails_the_start():
    class Refusing(Handler):
        def start(self, context: Context) -> None:
            raise HandlerError("no disk")

    with pytest.raises(Exception, match="refused to start: no disk"), SiteTest(Refusing):
        pytest.fail("it started")


def test_a_client_that_hangs_is_closed_when_its_outbox_is_full(tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text("routes: {/room: {broadcast: {}, outbox: {size: 100KiB}}}")
    with SiteTest(path) as site:
        hanging, reading = site.open("/room"), site.open("/room")
        hanging.pause_reading()
        for _ in range(20):
            site.publish("/room", "x" * 10_000)
        hanging.resume_reading()

        assert hanging.expect_closed(1013).cause == "slow_consumer"
        assert len(reading.receive_all()) == 20


def test_a_client_that_hangs_for_a_moment_loses_nothing(rooms):
    client = rooms.open("/room/red")
    client.pause_reading()
    for _ in range(20):
        rooms.publish("/room/red", "x" * 10_000)
    assert client.receive_all() == []
    client.resume_reading()

    assert len(client.receive_all()) == 20


def test_a_client_that_does_not_answer_is_cut_off_by_keepalive():
    with SiteTest(Shout, settings={"keepalive": {"ping": "20s", "pong": "10s"}}) as site:
        dead, alive = site.open(answers=False), site.open()
        dead.expect_nothing(29)
        assert dead.expect_closed(within_s=20).cause == "ping_timeout"
        assert alive.is_open


def test_compression_is_agreed_on_as_with_browsers():
    with SiteTest(Shout, settings={"compression": True}) as site:
        client = site.open()
        client.send("a" * 1000)
        assert client.receive() == "A" * 1000 + "!"
        assert client.wire_client.response.headers["Sec-WebSocket-Extensions"].startswith("permessage-deflate")


def test_a_coroutine_of_the_tests_own_runs_on_the_sites_time():
    async def wait():
        await asyncio.sleep(86400)
        return "done"

    with SiteTest(Shout) as site:
        assert site.run(wait()) == "done"
        assert site.monotonic() == 86400


def test_in_an_async_test_it_says_what_to_do():
    async def test():
        with SiteTest(Shout):
            pass

    with pytest.raises(RuntimeError, match="use it in a plain def test_"):
        asyncio.run(test())


def test_one_that_is_never_started_leaves_nothing_open():
    SiteTest(Shout)  # warnings are errors here: a loop that is not closed would be one


def test_settings_are_not_for_a_site(tmp_path):
    with pytest.raises(TypeError, match="stand in its file"):
        SiteTest(tmp_path / "site.yaml", options={})


TEST_FILE = """
from collections.abc import Callable
from pathlib import Path

import pytest

from wsrouter import Connection, Handler
from wsrouter.testing import SiteTest


class Upper(Handler[str]):
    def on_message(self, connection: Connection, message: str) -> str:
        return message.upper()


@pytest.fixture
def site(wsrouter_site: Callable[..., SiteTest]) -> SiteTest:
    return wsrouter_site(Path(__file__).parent / "site.yaml")


def test_x(site: SiteTest) -> None:
    a = site.open("/room/red")
    a.send("hi")
    assert a.receive() == "hi"
    site.advance(10)


def test_y(wsrouter_site: Callable[..., SiteTest]) -> None:
    b = wsrouter_site(Upper).open()
    b.send("hi")
    assert b.receive() == "HI"
"""


def test_the_fixture_of_the_plugin_starts_and_ends_sites(tmp_path):
    (tmp_path / "test_mine.py").write_text(TEST_FILE)
    (tmp_path / "site.yaml").write_text("routes: {'/room/{room}': broadcast}\n")
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-p", "wsrouter.testing.pytest_plugin"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # where wsrouter is installed, its entry point has it already

    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)

    assert "2 passed" in done.stdout, done.stdout


def test_it_is_typed_for_those_who_use_it(tmp_path):
    (tmp_path / "test_mine.py").write_text(TEST_FILE)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.devnull, "--follow-imports=silent", "test_mine.py"]

    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "MYPYPATH": str(ROOT)}, capture_output=True, text=True, check=False)

    assert done.stdout == "Success: no issues found in 1 source file\n"


def test_the_plugin_imports_no_site_before_it_is_asked_to():
    code = "import sys, wsrouter.testing.pytest_plugin; print([name for name in sys.modules if name.startswith(('websockets', 'wsrouter.wire', 'wsrouter.scenario'))])"

    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_the_daemon_does_not_need_pytest():
    code = "import sys; sys.modules['pytest'] = None; import wsrouter.cli.test, wsrouter.scenario.runner, wsrouter.testing.site"

    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)


class Members(Handler[str]):
    waits: bool = False

    def start(self, context: Context) -> None:
        self._context = context

    async def on_handshake(self, request: HandshakeRequest) -> Accept | Refuse:
        if self.waits:
            await self._context.clock.sleep(60)
        return Accept(headers={"X-Name": request.query["name"]}) if "name" in request.query else Refuse(404, "nobody has no name")


def test_what_on_handshake_refuses_is_refused_in_memory_too():
    with SiteTest(Members) as site:
        with pytest.raises(RefusedError) as refused:
            site.open("/")
        assert (404, "refused") == (refused.value.status, refused.value.reason)
        assert "nobody has no name" in str(refused.value)
        client = site.open("/?name=ada")
        assert "ada" == client.wire_client.response.headers["X-Name"]


def test_an_on_handshake_that_does_not_answer_is_refused_on_virtual_time():
    with SiteTest(Members, options={"waits": True}) as site, pytest.raises(RefusedError) as refused:
        site.open("/?name=ada")
    assert (503, "undecided") == (refused.value.status, refused.value.reason)
