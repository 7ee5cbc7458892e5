"""Reloads of a whole site in this process: what stays, what changes, what is refused. The process with its signals is in test_reload_process."""

from __future__ import annotations

import asyncio
import gc
import re
import socket
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.reloading import run_site
from support.waiting import until_async

pytestmark = pytest.mark.anyio

ECHO = (
    "from wsrouter import Handler\n\nclass Say(Handler):\n    word: str = 'old'\n\n    def on_message(self, connection, message):\n        return self.word\n"
)


def say(word: str, more: str = "") -> str:
    return f"routes:\n  /say:\n    say: {{word: {word}}}\n{more}  /echo: echo\n"


async def ask(client: Any, message: str = "?") -> str:
    await client.send(message)
    return str(await asyncio.wait_for(client.recv(), 5))


async def _read_on(client: Any) -> None:
    while True:
        await client.recv()


async def code_of(client: Any, within: float = 5) -> tuple[int, str]:
    """The close that a client gets, whatever messages come before it."""
    with pytest.raises(ConnectionClosed) as closed:
        await asyncio.wait_for(_read_on(client), within)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


async def test_an_unchanged_route_keeps_its_handler_and_connections_wherever_it_moved(tmp_path: Path) -> None:
    async with run_site(tmp_path, "routes:\n  /say: say\n  /echo: echo\n", {"say.py": ECHO}) as site, site.connect("/say") as client:
        handler, built = site.handler("/say"), site.built("/say")
        outcome = await site.reload("# moved\nroutes:\n  /new: echo\n\n  /echo: echo\n  /say:   {say: {word: old}}\n")

        assert outcome.ok
        assert handler is site.handler("/say")
        assert built is site.built("/say")
        assert [] == site.retiring
        assert await ask(client) == "old"
        async with site.connect("/say") as late:
            assert await ask(late) == "old"
            assert 2 == built.endpoint.connections
        assert 6 == built.route.entry.place.line


async def test_the_answer_counts_routes_and_connections(tmp_path: Path) -> None:
    before = "routes:\n  /a: {say: {word: a}}\n  /b: echo\n  /c: echo\n  /d: echo\n"
    after = "routes:\n  /a: {say: {word: aa}}\n  /b: {echo: {}, limits: {idle: 1h}}\n  /d: echo\n  /e: echo\n  /f: echo\n"
    async with run_site(tmp_path, before, {"say.py": ECHO}) as site:
        clients = [await site.connect(path) for path in ("/a", "/a", "/b", "/c", "/c", "/c", "/d")]
        outcome = await site.reload(after)
        assert "routes: 2 changed, 2 added, 1 removed, 1 unchanged; connections: 4 kept, 3 draining" == outcome.summary
        facts = {"changed": 2, "added": 2, "removed": 1, "unchanged": 1, "kept": 4, "draining": 3, "restart_needed": []}
        assert facts == {name: outcome.facts[name] for name in facts}
        for client in clients[3:6]:
            assert (1001, "route_removed") == await code_of(client)
        for client in (*clients[:3], clients[6]):
            await client.close()
        await site.emptied()


async def test_on_change_keep_leaves_connections_with_the_old_handler_until_they_end(tmp_path: Path) -> None:
    async with run_site(tmp_path, say("old"), {"say.py": ECHO}) as site:
        async with site.connect("/say") as kept:
            assert (await site.reload(say("new"))).summary.endswith("connections: 1 kept, 0 draining")
            async with site.connect("/say") as late:
                assert (await ask(kept), await ask(late)) == ("old", "new")
            assert ["/say"] == site.retiring
        await site.emptied()


async def test_on_change_drain_closes_with_1012_over_the_time_it_says(tmp_path: Path) -> None:
    async with run_site(tmp_path, say("old"), {"say.py": ECHO}) as site:
        loop = asyncio.get_running_loop()
        clients = [await site.connect("/say") for _ in range(5)]
        outcome = await site.reload(say("new", "    on_change: {drain: 500ms}\n"))
        begun = loop.time()
        assert outcome.summary.endswith("connections: 0 kept, 5 draining")

        async def ended(client: Any) -> float:
            assert (1012, "route_changed") == await code_of(client)
            return loop.time() - begun

        moments = sorted(await asyncio.gather(*map(ended, clients)))
        assert moments[0] < 0.3
        assert 0.3 < moments[-1] < 1.5  # the last but one ends after three fifths of it, and the last after four
        await site.emptied()


async def test_on_change_close_ends_the_old_handler_before_the_new_one_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    plugin = f"""
        import socket
        from wsrouter import Handler

        class Port(Handler):
            word: str

            def start(self, context):
                self.server = socket.create_server(("127.0.0.1", {port}))

            def on_message(self, connection, message):
                return self.word

            def stop(self):
                if hasattr(self, "server"):
                    self.server.close()
        """
    text = "routes: {/port: {port: {word: WORD}, on_change: HOW}}"
    async with run_site(tmp_path, text.replace("WORD", "old").replace("HOW", "keep"), {"port.py": plugin}) as site:
        async with site.connect("/port") as client:
            refused = await site.reload(text.replace("WORD", "new").replace("HOW", "keep"))
            assert not refused.ok
            assert "port refused to start" in refused.problems[0]
            assert await ask(client) == "old"

            outcome = await site.reload(text.replace("WORD", "new").replace("HOW", "close"))
            assert outcome.summary == "routes: 1 changed, 0 added, 0 removed, 0 unchanged; connections: 0 kept, 1 draining"
            assert (1012, "route_changed") == await code_of(client)
        async with site.connect("/port") as client:
            assert await ask(client) == "new"
        assert [] == site.notes.failures


async def test_many_routes_on_close_are_closed_together(tmp_path: Path) -> None:
    """One whose client does not answer its close holds up the others' successors no longer than its own."""
    text = "defaults: {on_change: close}\nroutes: {/a: {say: {word: WORD}}, /b: {say: {word: WORD}}, /c: {say: {word: WORD}}}"
    async with run_site(tmp_path, text.replace("WORD", "old"), {"say.py": ECHO}) as site:
        clients = [await site.connect(path) for path in ("/a", "/b", "/c")]
        for client in clients:
            client.transport.pause_reading()
        reload = asyncio.create_task(site.reload(text.replace("WORD", "new")))
        await until_async(lambda: 3 == sum(connection.closing for connection in site.running.hub.connections))
        for client in clients:
            client.transport.resume_reading()
        assert (await reload).summary == "routes: 3 changed, 0 added, 0 removed, 0 unchanged; connections: 0 kept, 3 draining"


PICKY = """
    from wsrouter import Handler, HandlerError

    class Picky(Handler):
        word: str

        def start(self, context):
            if self.word == "refused":
                raise HandlerError("no, thank you")
            if getattr(Handler, "LOST", False):  # set by the test
                raise HandlerError("nor this one")

        def on_message(self, connection, message):
            return self.word
    """
PICKY_SITE = "routes: {/picky: {picky: {word: WORD}, on_change: close}, /echo: echo}"


async def test_a_start_that_fails_after_the_old_handler_was_stopped_brings_the_old_one_back(tmp_path: Path) -> None:
    async with run_site(tmp_path, PICKY_SITE.replace("WORD", "old"), {"picky.py": PICKY}) as site, site.connect("/echo") as other:
        outcome = await site.reload(PICKY_SITE.replace("WORD", "refused"))
        assert not outcome.ok
        assert ["site.yaml:1:19: picky refused to start: no, thank you"] == [problem.rpartition("/")[2] for problem in outcome.problems]
        async with site.connect("/picky") as client:
            assert await ask(client) == "old"
        assert await ask(other) == "?"
        assert (await site.reload(PICKY_SITE.replace("WORD", "old"))).summary.startswith("routes: 0 changed, 0 added, 0 removed, 2 unchanged")


async def test_a_route_that_could_not_be_brought_back_refuses_until_the_next_reload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wsrouter import Handler

    async with run_site(tmp_path, PICKY_SITE.replace("WORD", "old"), {"picky.py": PICKY}) as site:
        monkeypatch.setattr(Handler, "LOST", True, raising=False)
        assert not (await site.reload(PICKY_SITE.replace("WORD", "new"))).ok
        with pytest.raises(InvalidStatus) as refused:
            await site.connect("/picky")
        assert 503 == refused.value.response.status_code
        monkeypatch.undo()
        assert (await site.reload(PICKY_SITE.replace("WORD", "old"))).ok
        async with site.connect("/picky") as client:
            assert await ask(client) == "old"


STUBBORN = """while True:
            try:
                await asyncio.sleep(0.4)
                return
            except BaseException:
                pass"""


@pytest.mark.parametrize(
    ("start", "why"),
    [
        ("raise ValueError('nope')", "refused to start: ValueError: nope"),
        ("import sys; sys.exit(3)", "refused to start: SystemExit: 3"),
        ("await asyncio.sleep(60)", "refused to start: TimeoutError: not done within 0.2 s"),
        (
            STUBBORN,
            "refused to start: TimeoutError: not done within 0.2 s",
        ),
    ],
    ids=["raises", "exits", "hangs", "hangs and ignores its cancelling"],
)
async def test_a_start_that_fails_or_hangs_leaves_everything_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str, why: str) -> None:
    monkeypatch.setattr("wsrouter.daemon.reload.START_S", 0.2)
    monkeypatch.setattr("wsrouter.site.generation.CLEAN_UP_S", 0.1)
    plugin = f"import asyncio\nfrom wsrouter import Handler\n\nclass Slow(Handler):\n    async def start(self, context):\n        {start}\n"
    async with run_site(tmp_path, say("old"), {"say.py": ECHO}) as site, site.connect("/say") as client:
        handler = site.handler("/say")
        outcome = await site.reload(say("new") + "  /slow: slow\n", {"slow.py": plugin})
        assert not outcome.ok
        assert outcome.problems[-1].endswith(why)
        assert "site.yaml:5:10" in outcome.problems[-1]
        assert float(str(outcome.facts["took_ms"])) < 500
        assert await ask(client) == "old"
        assert handler is site.handler("/say")
        assert (await site.reload(say("new"))).ok


async def test_a_handler_adopts_the_state_of_the_one_before(tmp_path: Path) -> None:
    plugin = """
        from wsrouter import Handler

        class Count(Handler):
            by: int = 1

            def start(self, context):
                self.total = 0
                self.events = ["start"]

            def adopt(self, previous):
                self.events.append("adopt")
                self.total = previous.total

            def on_open(self, connection):
                self.events.append("open")

            def on_message(self, connection, message):
                self.total += self.by
                return str(self.total)
        """
    async with run_site(tmp_path, "routes: {/n: {count: {by: 1}}}", {"count.py": plugin}) as site:
        async with site.connect("/n") as client:
            assert [await ask(client), await ask(client)] == ["1", "2"]
        await site.reload("routes: {/n: {count: {by: 10}}}")
        async with site.connect("/n") as client:
            assert await ask(client) == "12"
        assert ["start", "adopt", "open"] == site.handler("/n").events
        await site.reload(plugins={"count.py": plugin.replace("str(self.total)", "f'now {self.total}'")})
        async with site.connect("/n") as client:
            assert await ask(client) == "now 22"


async def test_an_adopt_that_raises_calls_the_reload_off(tmp_path: Path) -> None:
    plugin = ECHO + "\n    def adopt(self, previous):\n        raise KeyError('total')\n"
    async with run_site(tmp_path, say("old"), {"say.py": plugin}) as site, site.connect("/say") as client:
        outcome = await site.reload(say("new"))
        assert not outcome.ok
        assert outcome.problems[0].endswith("say cannot adopt the state of the one before: KeyError: 'total'")
        assert await ask(client) == "old"
        async with site.connect("/say") as late:
            assert await ask(late) == "old"
        assert [] == site.retiring


async def test_a_third_generation_drains_the_oldest(tmp_path: Path) -> None:
    async with run_site(tmp_path, say("one"), {"say.py": ECHO}) as site:
        first = await site.connect("/say")
        await site.reload(say("two"))
        second = await site.connect("/say")
        outcome = await site.reload(say("three"))
        assert outcome.summary.endswith("connections: 1 kept, 1 draining")
        assert (1012, "route_changed") == await code_of(first)
        assert await ask(second) == "two"
        await until_async(lambda: site.retiring == ["/say"])
        await second.close()
        await site.emptied()


async def test_a_reload_while_a_drain_goes_on_counts_and_leaves_it(tmp_path: Path) -> None:
    drain = "    on_change: {drain: 60s}\n"
    async with run_site(tmp_path, say("one"), {"say.py": ECHO}) as site:
        clients = [await site.connect("/say") for _ in range(3)]
        assert (await site.reload(say("two", drain))).summary.endswith("0 kept, 3 draining")
        await until_async(lambda: len(site.running.hub.connections) == 2)  # one goes at once, the next after 20 s
        assert (await site.reload(say("two", drain) + "  /more: echo\n")).summary.endswith("0 kept, 2 draining")
        closed = [client for client in clients if client.close_code is not None]
        assert [1012] == [client.close_code for client in closed]
        for client in clients:
            await client.close()
        await site.emptied()


async def test_a_route_that_went_and_comes_again_is_new(tmp_path: Path) -> None:
    async with run_site(tmp_path, say("old"), {"say.py": ECHO}) as site:
        await site.reload("routes: {/echo: echo}")
        with pytest.raises(InvalidStatus) as refused:
            await site.connect("/say")
        assert 404 == refused.value.response.status_code
        assert (await site.reload(say("old"))).summary.startswith("routes: 0 changed, 1 added")
        async with site.connect("/say") as client:
            assert await ask(client) == "old"


async def test_what_needs_a_restart_is_named(tmp_path: Path) -> None:
    async with run_site(tmp_path, "routes: {/a: echo}") as site:
        outcome = await site.reload("log: {level: warning, format: json}\nadmin: 127.0.0.1:9999\nroutes: {/a: echo}")
        assert outcome.ok
        assert outcome.summary.endswith("; log.level and log.format and admin will change at the next restart")
        assert ["log.level", "log.format", "admin"] == outcome.facts["restart_needed"]


BAD = {
    "a mistake": ("routes: {/say: {say: {wrd: x}}}", r"site.yaml:1:\d+: .*wrd"),
    "no YAML": ("routes: {/a: echo", r"site.yaml:1:\d+: "),
    "empty": ("\n", "the file is empty"),
    "a plugin that is not there": ("routes: {/a: sya}", "there is no handler 'sya'; did you mean"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_site_leaves_the_old_one_serving_with_the_problems_of_check(tmp_path: Path, name: str) -> None:
    text, expected = BAD[name]
    async with run_site(tmp_path, say("old"), {"say.py": ECHO}) as site, site.connect("/say") as client:
        outcome = await site.reload(text)
        assert not outcome.ok
        assert outcome.summary == "not reloaded: 1 problem; what was loaded before goes on serving"
        assert re.search(expected, outcome.problems[0]), outcome.problems
        assert await ask(client) == "old"
        async with site.connect("/say") as late:
            assert await ask(late) == "old"


async def test_topics_outlive_generations(tmp_path: Path) -> None:
    def room(history: int, suffix: str) -> str:
        return f"routes: {{/room: [{{say: {{word: {suffix}}}}}, {{broadcast: {{topic: room, history: {history}}}}}]}}"

    plugin = ECHO.replace("return self.word", "return message + self.word")
    async with run_site(tmp_path, room(3, "a"), {"say.py": plugin}) as site, site.connect("/room") as old:
        for number in "123":
            assert await ask(old, number) == f"{number}a"
        await site.reload(room(2, "b"))
        async with site.connect("/room") as new:
            assert ["2a", "3a"] == [await new.recv(), await new.recv()]  # what was kept, as much as is kept now
            await new.send("4")
            assert ("4b", "4b") == (await old.recv(), await new.recv())
            await old.send("5")  # its own handler is the old one still
            assert ("5a", "5a") == (await old.recv(), await new.recv())
            async with site.connect("/room") as last:
                assert ["4b", "5a"] == [await last.recv(), await last.recv()]


async def test_a_ticker_that_changed_serves_old_and_new_listeners_each_their_own(tmp_path: Path) -> None:
    async with run_site(tmp_path, "routes: {/t: {periodic: {every: 50ms, message: 'old {n}'}}}") as site, site.connect("/t") as old:
        first = str(await old.recv())
        await site.reload("routes: {/t: {periodic: {every: 50ms, message: 'new {n}'}}}")
        async with site.connect("/t") as new:
            seen = [[str(await client.recv()) for _ in range(5)] for client in (old, new)]
        begin = int(first.split()[1]) + 1
        assert [f"old {number}" for number in range(begin, begin + 5)] == seen[0]
        assert [f"new {number}" for number in range(1, 6)] == seen[1]


async def test_a_coroutine_of_a_retired_route_may_end_in_its_own_time(tmp_path: Path) -> None:
    plugin = """
        import asyncio

        ENDED = []

        async def talk(websocket, *, version: int = 1):
            try:
                async for message in websocket:
                    await websocket.send(f"{version}")
            finally:
                await asyncio.sleep(0.1)
                ENDED.append(version)
        """
    async with run_site(tmp_path, "routes: {/t: {talk: {version: 1}}}", {"talk.py": plugin}) as site:
        ended = site.running.generation.site.library.loaded()[0].module.ENDED
        client = await site.connect("/t")
        await site.reload("routes: {/t: {talk: {version: 2}, on_change: {drain: 10ms}}}")
        assert (1012, "route_changed") == await code_of(client)
        await site.emptied()
        assert [1] == ended


async def test_a_coroutine_that_will_not_end_is_cancelled_and_tasks_do_not_leak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsrouter.daemon.retirement.LAST_WORDS_S", 0.05)
    plugin = "import asyncio\n\nasync def stuck(websocket, *, version: int = 1):\n    await asyncio.Event().wait()\n"
    async with run_site(tmp_path, "routes: {/s: {stuck: {version: 0}}}", {"stuck.py": plugin}) as site:
        before = len(asyncio.all_tasks())
        for version in range(1, 4):
            client = await site.connect("/s")
            await site.reload(f"routes: {{/s: {{stuck: {{version: {version}}}, on_change: {{drain: 10ms}}}}}}")
            assert 1012 == (await code_of(client))[0]
            await site.emptied()
        await until_async(lambda: len(asyncio.all_tasks()) <= before)


async def test_async_hooks_of_a_retired_route_are_waited_for(tmp_path: Path) -> None:
    plugin = """
        import asyncio
        from wsrouter import Handler

        EVENTS = []

        class Slow(Handler):
            version: int

            async def on_close(self, connection, cause):
                await asyncio.sleep(0.1)
                EVENTS.append(cause.value)

            def stop(self):
                EVENTS.append("stop")
        """
    async with run_site(tmp_path, "routes: {/s: {slow: {version: 1}}}", {"slow.py": plugin}) as site:
        events = site.running.generation.site.library.loaded()[0].module.EVENTS
        client = await site.connect("/s")
        await site.reload("routes: {/s: {slow: {version: 2}, on_change: {drain: 10ms}}}")
        await code_of(client)
        await site.emptied()
        assert ["route_changed", "stop"] == events


async def test_thirty_reloads_leave_nothing_behind(tmp_path: Path) -> None:
    def modules() -> int:
        return sum(name.startswith("wsrouter_plugins_") for name in sys.modules)

    async with run_site(tmp_path, say("old"), {"say.py": ECHO}) as site:
        handler = weakref.ref(site.handler("/say"))
        before = modules(), len(asyncio.all_tasks())
        for number in range(30):
            async with site.connect("/say"):
                assert (await site.reload(plugins={"say.py": f"{ECHO}# {number}\n"})).ok
        await site.emptied()
        await until_async(lambda: (modules(), len(asyncio.all_tasks())) == before)
        site.notes.opened_connections.clear()
        gc.collect()
        assert handler() is None


async def test_whoever_asks_while_a_reload_runs_shares_the_next(tmp_path: Path) -> None:
    async with run_site(tmp_path, "routes: {/a: echo}") as site:
        first = asyncio.create_task(site.reloader.reload())
        await site.is_loading()
        outcomes = await asyncio.gather(*(site.reloader.reload() for _ in range(20)))
        assert 3 == outcomes[0].facts["generation"]
        assert 1 == len({id(outcome) for outcome in outcomes})
        assert 2 == (await first).facts["generation"]


async def test_whoever_stops_waiting_does_not_stop_the_reload(tmp_path: Path) -> None:
    async with run_site(tmp_path, "routes: {/a: echo}") as site:
        site.write("routes: {/a: echo, /b: echo}")
        waiting = asyncio.create_task(site.reloader.reload())
        await site.is_loading()
        waiting.cancel()
        await until_async(lambda: site.reloader.last is not None)
        assert 2 == len(site.running.generation.routes)


async def test_a_daemon_that_stops_begins_no_reload_and_breaks_off_the_one_that_runs(tmp_path: Path) -> None:
    plugin = """
        import asyncio
        from pathlib import Path
        from wsrouter import Handler

        class Slow(Handler):
            async def start(self, context):
                Path(__file__).with_name("started").touch()
                await asyncio.sleep(60)
        """
    async with run_site(tmp_path, "routes: {/a: echo}") as site, site.connect("/a") as client:
        site.write("routes: {/a: echo, /slow: slow}", {"slow.py": plugin})
        reload = asyncio.create_task(site.reloader.reload())
        await until_async((tmp_path / "plugins" / "started").exists)
        await site.reloader.stop()
        with pytest.raises(asyncio.CancelledError):
            await reload
        assert (await site.reloader.reload()).summary == "not reloaded: the daemon is stopping"
        assert await ask(client) == "?"
        assert 1 == len(site.running.generation.routes)


async def test_a_fault_of_wsrouter_itself_is_told_and_the_next_reload_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with run_site(tmp_path, "routes: {/a: echo}") as site:
        with monkeypatch.context() as patch:
            patch.setattr(type(site.running.listeners), "prepare", lambda *_: 1 / 0)
            outcome = await site.reload()
        assert not outcome.ok
        assert outcome.summary.startswith("not reloaded: ZeroDivisionError: division by zero; ")
        assert ["reload"] == [failure.hook for failure in site.notes.failures]
        assert (await site.reload()).ok
