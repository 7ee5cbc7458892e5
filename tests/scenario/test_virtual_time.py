"""Whatever waits in a site waits on virtual time: hooks, coroutines, sources, timers, limits, keepalive, histories."""

from __future__ import annotations

import time

import pytest


@pytest.fixture(autouse=True)
def _no_test_takes_the_time_that_it_plays():
    begun = time.perf_counter()
    yield
    assert time.perf_counter() - begun < 5, "it waited in real time"


def test_asyncio_sleep_in_a_coroutine(passes):
    plugin = """
        import asyncio

        async def sleepy(websocket):
            await websocket.send("asleep")
            await asyncio.sleep(3600)
            await websocket.send("awake")
            async with asyncio.timeout(86400):
                await websocket.send(await websocket.recv())
    """
    passes(
        "routes: {/sleepy: sleepy}",
        """
        - name: an hour
          steps:
            - {open: /sleepy, expect: asleep}
            - {expect_nothing: 59m59s}
            - {expect: awake, within: 1s}
            - {advance: 23h}
            - {send: hi, expect: hi}
            - {expect_close: 1000}
        """,
        sleepy=plugin,
    )


def test_an_uncaught_timeout_of_a_coroutine(passes):
    plugin = """
        import asyncio

        async def strict(websocket):
            try:
                await asyncio.wait_for(websocket.recv(), 60)
            except TimeoutError:
                await websocket.close(4008, "too slow")
    """
    passes(
        "routes: {/strict: strict}",
        "- {name: it, steps: [{open: /strict, expect_nothing: 59s}, {expect_close: {code: 4008, reason: too slow}}]}",
        strict=plugin,
    )


def test_sleeping_on_the_clock_of_the_context_and_its_wall_time(passes):
    plugin = """
        from wsrouter import Handler

        class Alarm(Handler):
            def start(self, context):
                self.context = context

            def on_message(self, connection, message):
                self.context.spawn(self.ring(connection, float(message)))

            async def ring(self, connection, delay_s):
                begun = self.context.clock.monotonic()
                await self.context.clock.sleep(delay_s)
                connection.send({"after": self.context.clock.monotonic() - begun, "at": self.context.clock.now().isoformat()})
    """
    passes(
        "routes: {/alarm: alarm}",
        """
        - name: a day
          steps:
            - {open: /alarm, send: "86400"}
            - {expect_nothing: 23h}
            - {expect_json: {after: 86400, at: "2024-01-02T12:00:00+00:00"}, within: 1h}
        """,
        alarm=plugin,
    )


def test_async_hooks_run_in_order_while_time_passes(passes):
    plugin = """
        import asyncio
        from wsrouter import Handler

        class Slow(Handler[str]):
            async def on_open(self, connection):
                await asyncio.sleep(10)
                connection.send("open")

            async def on_message(self, connection, message):
                await asyncio.sleep(float(message))
                return message
    """
    passes(
        "routes: {/slow: slow}",
        """
        - name: one after the other
          steps:
            - {open: /slow, send: ["30", "1"]}
            - {expect_nothing: 9s}
            - {expect: open, within: 1s}
            - {expect: "30", within: 30s}
            - {expect: "1", within: 1s}
        """,
        slow=plugin,
    )


def test_a_source_that_fails_starts_again_after_its_pauses(passes):
    plugin = """
        async def shaky(context):
            yield "up"
            await context.clock.sleep(60)
            raise OSError("gone")
    """
    passes(
        "routes: {/shaky: shaky}",
        """
        - name: it comes back
          handlers_may_fail: true
          steps:
            - {client: a, open: /shaky, expect: up}
            - {client: b, open: /shaky}
            - {client: a, expect_nothing: 60s}
            - {client: a, expect: up, within: 250ms}
            - {client: b, expect: up}
        """,
        shaky=plugin,
    )


def test_the_periodic_handler_by_interval_and_by_cron(passes):
    passes(
        """
        routes:
          /tick: {periodic: {every: 10s, message: "{n}"}}
          /noon: {periodic: {cron: "0 12 * * *", message: "{now}"}}
        """,
        """
        - name: every ten seconds
          steps:
            - {open: /tick, expect_nothing: 9s}
            - {advance: 21s}
            - {expect: ["1", "2", "3"], within: 1ms}
            - {expect_nothing: 9s}
        - name: every noon
          steps:
            - {open: /noon, expect_nothing: 23h}
            - {expect_match: "^2024-01-02T12:00:00", within: 1h}
            - {expect_match: "^2024-01-03T12:00:00", within: 24h}
        """,
    )


def test_the_limits_of_time_and_rate(passes):
    passes(
        """
        defaults: {keepalive: {ping: 0s, pong: 20s}}
        routes:
          /idle: {handler: echo, limits: {idle: 10m}}
          /age: {handler: echo, limits: {age: 1h}}
          /rate: {handler: echo, limits: {message_rate: {rate: 1/s, burst: 2}}}
          /size: {handler: echo, limits: {message_size: 10B}}
        """,
        """
        - name: idle
          steps:
            - {open: /idle, send: a, expect: a}
            - {advance: 9m59s}
            - {send: b, expect: b}
            - {expect_nothing: 9m59s}
            - {expect_close: {code: 1001, reason: idle}}
        - name: age
          steps:
            - {open: /age, expect_nothing: 53m}
            - {expect_close: {code: 1001, reason: max_age}, within: 14m}  # a tenth of spread either way
        - name: a rate is kept
          steps:
            - {open: /rate, send: [a, b], expect: [a, b]}
            - {advance: 2s}
            - {send: [c, d], expect: [c, d]}
        - name: a rate is passed
          steps:
            - {open: /rate, send: [a, b, c], expect: [a, b]}
            - {expect_close: {code: 1008, reason: rate_limit}}
        - name: size
          steps:
            - {open: /size, send: "0123456789", expect: "0123456789"}
            - {send: "0123456789a", expect_close: 1009}
        """,
    )


def test_keepalive_keeps_clients_that_answer_for_days(passes):
    passes(
        "routes: {/echo: {handler: echo, keepalive: {ping: 20s, pong: 20s}}}",
        "- {name: it, steps: [{open: /echo, expect_nothing: 2d}, {send: a, expect: a}]}",
    )


def test_the_age_of_a_history(passes):
    passes(
        "routes: {'/room/{room}': {broadcast: {history: {messages: 10, age: 1h}}}}",
        """
        - name: it
          steps:
            - {client: a, open: /room/x, send: [old], expect: old}
            - {advance: 50m}
            - {client: a, send: young, expect: young}
            - {advance: 11m}
            - {client: b, open: /room/x, expect: young}
        """,
    )


def test_a_thread_that_a_plugin_asks_takes_no_virtual_time(passes):
    plugin = """
        import asyncio
        import time

        async def threaded(websocket):
            loop = asyncio.get_running_loop()
            begun = loop.time()
            await asyncio.to_thread(time.sleep, 0.05)
            await websocket.send(str(loop.time() - begun))
    """
    passes("routes: {/threaded: threaded}", '- {name: it, steps: [{open: /threaded, expect: "0.0"}]}', threaded=plugin)


def test_a_real_socket_that_a_plugin_opens(passes):
    plugin = """
        import asyncio
        from wsrouter import Handler

        class Asking(Handler):
            async def start(self, context):
                self.server = await asyncio.start_server(self.answer, "127.0.0.1", 0)

            async def answer(self, reader, writer):
                writer.write((await reader.readline()).upper())
                writer.close()

            async def on_message(self, connection, message):
                reader, writer = await asyncio.open_connection(*self.server.sockets[0].getsockname())
                writer.write(message.encode() + b"\\n")
                answer = await reader.readline()
                writer.close()
                return answer.decode().strip()

            async def stop(self):
                self.server.close()
    """
    passes("routes: {/asking: asking}", "- {name: it, steps: [{open: /asking, send: hello, expect: HELLO}]}", asking=plugin)


def test_a_quarantine_and_its_end(passes):
    plugin = """
        from wsrouter import Handler

        class Failing(Handler):
            def on_message(self, connection, message):
                raise ValueError("no")
    """
    passes(
        """
        plugins: {folders: [plugins], failures: 1, pause: 30s}
        routes: {/failing: failing}
        """,
        """
        - name: it refuses newcomers for half a minute
          steps:
            - {client: a, open: /failing, send: x, expect_close: 1011}
            - {client: b, open: /failing, send: x, expect_close: 1011}
            - {client: c, open: /failing, expect_refused: {status: 503, reason: quarantined}}
            - {advance: 31s}
            - {client: c, open: /failing}
        """,
        failing=plugin,
    )
