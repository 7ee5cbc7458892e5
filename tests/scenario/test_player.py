"""What each step does, and what is said when it does not go as written."""

from __future__ import annotations

SITE = """\
defaults: {keepalive: {ping: 0s, pong: 20s}}
routes:
  /echo: echo
  /room/{room}: {broadcast: {history: 5}}
  /tick: {periodic: {every: 1s, message: tick}}
  /chat: {handler: echo, subprotocols: [chat.v2, chat.v1]}
  /pages: {handler: echo, origins: ["https://a.example"]}
"""

FAILING = """
    from wsrouter import Handler

    class Failing(Handler):
        def on_message(self, connection, message):
            if message == "late":
                connection.close(4000, "as you wish")
                return None
            raise ValueError("no")
"""
WITH_FAILING = "routes: {/failing: failing, /echo: echo}\n"


def test_the_example_of_the_format_passes(passes):
    passes(
        SITE,
        """
        - name: a late joiner gets the history
          steps:
            - {client: a, open: /room/red}
            - {client: a, send: hi, expect: hi}
            - {advance: 10s}
            - {client: b, open: /room/red, expect: hi}
            - {client: a, expect_nothing: 1s}
            - {client: b, close: 1000}
        """,
    )


def test_a_failing_step_is_told_with_its_place_its_scenario_its_client_and_what_came(fails):
    steps = """
        - {client: a, open: /room/red}
        - {client: a, send: ho}
        - {client: b, open: /room/red,
           expect: hi}
    """

    assert fails(SITE, steps) == 't.yaml:5:7: it: client b expected "hi", got "ho"'


def test_the_client_of_a_scenario_with_one_needs_no_name(passes, fails):
    passes(SITE, "- {name: it, steps: [{open: /echo}, {send: a, expect: a}, {close: 1000}]}")

    assert fails(SITE, "- {open: /echo, send: a, expect: b}") == 't.yaml:3:7: it: the client expected "b", got "a"'


def test_every_form_of_sending_and_expecting(passes):
    passes(
        SITE,
        r"""
        - name: it
          steps:
            - {open: /echo, send: "", expect: ""}
            - {send: [one, two], expect: [one, two]}
            - {send_json: {a: [1, 2.5, true, null, "é"]}, expect: '{"a":[1,2.5,true,null,"é"]}'}
            - {send_json: [1, {b: 2, c: 3}], expect_json: [1, {b: 2}]}
            - {send: hello world, expect_match: 'o\s+w'}
            - {send: [abc, def], expect_match: [^a, f$]}
            - {binary: 00 ff 10, expect_binary: 00FF10}
            - {binary: [00, ff], expect_binary: [00, ff]}
            - {binary: "", expect_binary: ""}
        """,
    )


def test_messages_that_nobody_took_are_no_error_but_are_in_the_way_of_what_is_expected_next(passes, fails):
    passes(SITE, "- {name: it, steps: [{open: /echo, send: [a, b]}]}")

    assert fails(SITE, "- {open: /echo, send: [a, b], expect: b}").endswith('expected "b", got "a"')


def test_skip_passes_over_others(passes, fails):
    passes(
        SITE,
        """
        - name: it
          steps:
            - {open: /echo, send: [a, b, c], expect: c, skip: true}
            - {send: [a, b, c], expect: [b, c], skip: true}
            - {send: x}
            - {close: 1000, expect_close: 1000, skip: true}
        """,
    )

    assert fails(SITE, "- {open: /tick, expect: tack, within: 3s, skip: true}").endswith('expected "tack", but nothing like it came within 3s')


def test_an_expectation_waits_five_seconds_or_as_long_as_it_says(passes, fails):
    site = "routes: {/slow: {periodic: {every: 30s, message: tick}}}"
    passes(site, "- {name: it, steps: [{open: /slow, expect: tick, within: 30s}, {expect: tick, within: 30s}]}")

    assert fails(site, "- {open: /slow, expect: tick}").endswith('expected "tick", but nothing came within 5s')
    assert fails(site, "- {open: /slow, expect: tick, within: 29s}").endswith("nothing came within 29s")


def test_nothing_is_expected_up_to_and_including_the_last_moment(passes, fails):
    passes(SITE, "- {name: it, steps: [{open: /tick, expect_nothing: 999ms}, {expect: tick, within: 1ms}]}")

    assert fails(SITE, "- {open: /tick, expect_nothing: 1s}").endswith('expected nothing for 1s, got "tick" after 1s')
    assert fails(SITE, "- [{open: /echo}]\n".replace("[", "").replace("]", "") + "- {send: a}\n- {expect_nothing: 1s}").endswith(
        'expected nothing for 1s, got "a"'
    )


def test_nothing_comes_to_a_client_that_is_closed_and_time_passes_all_the_same(passes):
    passes(
        SITE,
        """
        - name: it
          steps:
            - {client: a, open: /echo}
            - {client: b, open: /tick}
            - {client: a, close: 1000, expect_close: 1000}
            - {client: a, expect_nothing: 3s}
            - {client: b, expect: [tick, tick, tick], within: 1ms}
        """,
    )


def test_a_connection_that_ends_while_nothing_is_expected_is_something(fails):
    site = "routes: {/echo: {handler: echo, limits: {idle: 10s}}}"

    assert "expected nothing for 20s, was closed 1001 idle after 1" in fails(site, "- {open: /echo, expect_nothing: 20s}")


def test_closes_with_code_and_reason(passes, fails):
    passes(
        WITH_FAILING,
        """
        - name: by the handler
          steps: [{open: /failing, send: late, expect_close: {code: 4000, reason: as you wish}}]
        - name: any
          steps: [{open: /failing, send: late, expect_close: true}]
        - name: by the client
          steps: [{open: /echo}, {close: {code: 4001, reason: bye}, expect_close: 4001}]
        - name: without a code
          steps: [{open: /echo}, {close: 1005, expect_close: 1005}]
        - name: without a close frame
          steps: [{open: /echo}, {close: 1006, expect_close: 1006}]
        """,
        failing=FAILING,
    )

    late = "- {open: /failing, send: late, expect_close: 1000}"
    assert fails(WITH_FAILING, late, failing=FAILING).endswith('expected to be closed 1000, but was closed 4000 handler_close "as you wish"')
    assert fails(SITE, "- {open: /echo, expect_close: 1000}").endswith("expected to be closed 1000, but is still open after 5s")
    assert fails(SITE, "- {open: /echo, send: a, expect_close: true}").endswith('expected to be closed, got "a"')


def test_a_handler_that_fails_is_told_with_its_line(fails):
    told = fails(WITH_FAILING, "- {open: /failing, send: x, expect: y}", failing=FAILING)

    assert 'expected "y", but was closed 1011 handler_error: failing on_message: ValueError: no (' in told
    assert told.endswith("plugins/failing.py:9)")


def test_a_failure_that_is_expected_passes_and_one_that_is_not_fails_at_the_end(play):
    expected, unexpected, allowed = play(
        WITH_FAILING,
        """
        - name: expected
          steps: [{open: /failing, send: x, expect_close: 1011}]
        - name: unexpected
          steps: [{open: /failing, send: x}]
        - name: allowed
          handlers_may_fail: true
          steps: [{open: /failing, send: x}]
        """,
        failing=FAILING,
    )

    assert expected.passed
    assert expected.handler_failures == ()
    assert "every step passed, but a handler failed: failing on_message: ValueError: no (" in unexpected.message
    assert str(unexpected).startswith("t.yaml:4:3: unexpected: ")
    assert 'raise ValueError("no")' in unexpected.handler_failures[0], "the traceback is not there"
    assert allowed.passed


def test_the_failure_of_another_clients_handler_is_shown_with_the_failing_step(play):
    steps = "[{client: a, open: /failing, send: x}, {client: b, open: /echo, expect: y}]"
    (outcome,) = play(WITH_FAILING, f"- {{name: it, steps: {steps}}}", failing=FAILING)

    assert outcome.message == 'client b expected "y", but nothing came within 5s'
    assert [text.partition(" (")[0] for text in outcome.handler_failures] == ["failing on_message: ValueError: no"]


def test_a_failure_in_a_task_of_a_plugins_own_counts_as_one(play):
    plugin = """
        import asyncio

        async def own(websocket):
            task = asyncio.create_task(fail())
            await asyncio.wait({task})
            del task
            await websocket.send("hi")

        async def fail():
            raise ValueError("nobody looks at it")
    """
    (outcome,) = play("routes: {/own: own}", "- {name: it, steps: [{open: /own, expect: hi}]}", own=plugin)

    assert "a task or callback of its own: ValueError: nobody looks at it" in outcome.message


def test_refusals(passes, fails):
    passes(
        SITE,
        """
        - name: no route
          steps: [{open: /nowhere, expect_refused: 404}]
        - name: any
          steps: [{open: /nowhere, expect_refused: true}]
        - name: a reason
          steps: [{open: /pages, origin: "https://b.example", expect_refused: {status: 403, reason: origin}}]
        - name: the right origin
          steps: [{open: /pages, origin: "https://a.example", send: hi, expect: hi}]
        - name: again after a refusal
          steps: [{open: /nowhere, expect_refused: 404}, {open: /echo, send: hi, expect: hi}]
        """,
    )

    assert fails(SITE, "- {open: /eco}").endswith("the client was refused 404 no_route (no route serves this path), fix: the nearest route is /echo")
    assert fails(SITE, "- {open: /echo, expect_refused: 404}").endswith("expected to be refused 404, but was accepted")
    origin = fails(SITE, "- {open: /pages, origin: 'https://b.example', expect_refused: 404}")
    assert "expected to be refused 404, but was refused 403 origin" in origin
    assert origin.endswith("fix: origins: [https://a.example, https://b.example]")


def test_headers_subprotocols_and_queries_reach_the_handler(passes):
    plugin = """
        from wsrouter import Handler

        class Seen(Handler):
            def on_open(self, connection):
                connection.send({"x": connection.headers.get("X-Tenant"), "host": connection.headers["Host"], "query": dict(connection.query),
                                 "path": connection.path, "sub": connection.subprotocol})
    """
    passes(
        "server: {hosts: [a.example, x.b.example]}\nroutes: {'/seen/{name}': {seen: {}, subprotocols: [v2, v1]}}",
        """
        - name: given
          steps:
            - {open: /seen/é?q=1, headers: {X-Tenant: t}, subprotocol: [v1, v2]}
            - {expect_json: {x: t, host: a.example, query: {q: "1"}, path: /seen/é, sub: v2}}
        - name: not given
          steps:
            - {open: /seen/a, expect_json: {x: null, host: a.example, sub: null}}
        - name: another host
          steps:
            - {open: /seen/a, headers: {Host: x.b.example}, expect_json: {host: x.b.example}}
        - name: an unknown host
          steps:
            - {open: /seen/a, headers: {Host: c.example}, expect_refused: {status: 421, reason: host}}
        """,
        seen=plugin,
    )


def test_what_cannot_be_done_is_told(fails):
    twice = "- {open: /echo}\n- {open: /echo}"
    assert fails(SITE, twice) == "t.yaml:4:7: it: the client is open already: close it first, or name another client"
    after = "- {client: a, open: /echo}\n- {client: a, close: 1000}\n- {client: a, send: x}"
    assert fails(SITE, after) == "t.yaml:5:7: it: client a cannot send: it was closed by itself"


def test_every_scenario_has_fresh_handlers_topics_and_time(passes):
    plugin = """
        from wsrouter import Handler

        class Counter(Handler):
            def start(self, context):
                self.clock, self.count = context.clock, 0

            def on_message(self, connection, message):
                self.count += 1
                return {"count": self.count, "now": self.clock.now().isoformat()}
    """
    scenario = """
        - name: the first and the second time
          steps:
            - {client: a, open: /counter, send: x, expect_json: {count: 1, now: "2024-01-01T12:00:00+00:00"}}
            - {advance: 1h}
            - {client: a, send: x, expect_json: {count: 2, now: "2024-01-01T13:00:00+00:00"}}
            - {client: b, open: /room/red, expect_nothing: 1s}
            - {client: b, send: something, expect: something}
    """

    passes("routes: {/counter: counter, '/room/{room}': {broadcast: {history: 5}}}", scenario + scenario, counter=plugin)


def test_handlers_are_started_and_stopped_for_each_scenario(play, tmp_path):
    plugin = f"""
        from pathlib import Path
        from wsrouter import Handler

        class Noted(Handler):
            def note(self, what):
                with Path({str(tmp_path / "notes")!r}).open("a") as file:
                    file.write(what)

            def start(self, context):
                self.note("start ")

            def on_close(self, connection, cause):
                self.note(f"close {{cause}} ")

            def stop(self):
                self.note("stop ")
    """
    play("routes: {/noted: noted}", 2 * "- {name: it, steps: [{open: /noted}]}\n", noted=plugin)

    assert (tmp_path / "notes").read_text() == 2 * "start close client_abort stop "


def test_a_handler_that_refuses_to_start_fails_the_scenario(fails):
    plugin = """
        from wsrouter import Handler, HandlerError

        class Refusing(Handler):
            def start(self, context):
                raise HandlerError("no disk")
    """
    told = fails("routes: {/refusing: refusing}", "- {open: /refusing}", refusing=plugin)

    assert told.startswith("t.yaml:1:3: it: the site did not start: ")
    assert told.endswith("refusing refused to start: no disk")


def test_what_is_printed_and_logged_is_kept_for_a_failing_scenario(play, capfd):
    plugin = """
        import logging
        from wsrouter import Handler

        class Talking(Handler):
            def start(self, context):
                self.log = context.log

            def on_message(self, connection, message):
                print("printed", message)
                logging.getLogger("library").warning("a warning")
                self.log.info("noted.quietly")
                self.log.warning("disk.filled", left=3)
    """
    (outcome,) = play("routes: {/talking: talking}", "- {name: it, steps: [{open: /talking, send: x, expect: y}]}", talking=plugin)

    assert outcome.output == "printed x\nWARNING library: a warning\n"
    assert "disk.filled" in outcome.records
    assert "left=3" in outcome.records
    assert "noted.quietly" not in outcome.records
    assert capfd.readouterr() == ("", "")


def test_a_plugin_that_blocks_is_named(play):
    plugin = """
        from wsrouter import Handler

        class Blocking(Handler):
            def on_message(self, connection, message):
                while True:
                    pass
    """
    scenarios = "- {name: it, steps: [{open: /blocking, send: x, expect: y}]}"
    (outcome,) = play("routes: {/blocking: blocking}", scenarios, limit_s=0.2, blocking=plugin)

    assert "was closed 1011 handler_error: blocking on_message: StuckError: it took over 0.2 s of real time" in outcome.message
    assert "plugins/blocking.py:" in outcome.message


def test_chance_goes_the_same_way_in_every_scenario(play):
    plugin = """
        import random

        async def dice(websocket):
            await websocket.send(str(random.random()))
    """
    scenario = "- {name: it, steps: [{open: /dice, expect: never}]}\n"
    one, other = play("routes: {/dice: dice}", 2 * scenario, dice=plugin)

    assert "got" in one.message
    assert one.message == other.message
