from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrouter import Cause, OptionError, Template, TopicSettings
from wsrouter.handlers.periodic import Periodic, next_cron, next_tick, parse_timezone
from wsrouter.testing import ManualClock, MemoryContext

PARIS = ZoneInfo("Europe/Paris")


class Station:
    """A started handler, with what a site would do for its clients; `async with` stops it."""

    def __init__(self, *, start=datetime(2024, 1, 1, 12, 0, tzinfo=UTC), message="{n}", **options):
        self.clock = ManualClock(start)
        self.context = MemoryContext("/clock", clock=self.clock)
        self.handler = Periodic(message=[Template(item) for item in message] if isinstance(message, list) else Template(message), **options)
        self.handler.check()
        self.handler.start(self.context)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        await self.context.__aexit__(None, None, None)
        if error[0] is None:
            assert self.context.failures == []

    def listen(self, path="/clock", **facts):
        connection = self.context.connection(path, **facts)
        self.handler.on_open(connection)
        return connection

    async def leave(self, connection):
        connection.close()
        self.handler.on_close(connection, Cause.CLIENT_CLOSE)
        await self.clock.settle()


def run(scenario):
    asyncio.run(scenario())


# every


def test_a_message_comes_each_time_and_not_before():
    async def scenario():
        async with Station(every=2.0) as station:
            listener = station.listen()
            await station.clock.advance(1.9)
            assert listener.sent == []
            await station.clock.advance(0.1)
            assert listener.sent == ["1"]
            await station.clock.advance(4)
            assert listener.sent == ["1", "2", "3"]

    run(scenario)


def test_listeners_share_one_production_and_its_count():
    async def scenario():
        async with Station(every=1.0) as station:
            first = station.listen()
            await station.clock.advance(2.5)
            second = station.listen()
            await station.clock.advance(1)

            assert [first.sent, second.sent] == [["1", "2", "3"], ["3"]]
            assert station.context.tasks == ["periodic:/clock"]

    run(scenario)


def test_a_production_ends_with_its_last_listener_and_begins_anew_with_the_next():
    async def scenario():
        async with Station(every=1.0) as station:
            first, second = station.listen(), station.listen()
            await station.clock.advance(1)
            await station.leave(first)
            assert station.context.tasks == ["periodic:/clock"]
            await station.clock.advance(1)
            assert second.sent == ["1", "2"]
            await station.leave(second)
            assert (station.context.tasks, station.clock.sleeping) == ([], 0)

            third = station.listen()
            await station.clock.advance(1)
            assert third.sent == ["1"]

    run(scenario)


def test_a_listener_that_leaves_in_the_turn_it_came_leaves_no_task():
    async def scenario():
        async with Station(every=1.0) as station:
            await station.leave(station.listen())

            assert station.context.tasks == []

    run(scenario)


def test_distinct_paths_have_productions_of_their_own():
    async def scenario():
        async with Station(every=1.0, message="{city} {n}") as station:
            paris = station.listen("/weather/paris", params={"city": "paris"})
            await station.clock.advance(1)
            rome = station.listen("/weather/rome", params={"city": "rome"})
            await station.clock.advance(1)

            assert [paris.sent, rome.sent] == [["paris 1", "paris 2"], ["rome 1"]]

    run(scenario)


@pytest.mark.parametrize(
    "message, facts",
    [
        ("{user}", [{"user": "ann"}, {"user": "bob"}]),
        ("{query.x}", [{"query": {"x": "ann"}}, {"query": {"x": "bob"}}]),
        ("{claims.org.name}", [{"claims": {"org": {"name": "ann"}}}, {"claims": {"org": {"name": "bob"}}}]),
        ([{"to": "x"}, {"to": "{user}"}], [{"user": "ann"}, {"user": "bob"}]),
    ],
)
def test_nobody_gets_a_message_that_was_filled_for_another(message, facts):
    async def scenario():
        async with Station(every=1.0, message=message) as station:
            ann, bob, also_bob = (station.listen(**fact) for fact in [*facts, facts[1]])
            await station.clock.advance(2)

            assert len(station.context.tasks) == 2
            assert "ann" in ann.sent[-1]
            assert "bob" in bob.sent[-1]
            assert also_bob.sent == bob.sent

    run(scenario)


def test_what_a_production_says_outlives_the_listener_that_started_it():
    async def scenario():
        async with Station(every=1.0, message="{user} {n}") as station:
            first, second = station.listen(user="ann"), station.listen(user="ann")
            await station.leave(first)
            first.user = None
            await station.clock.advance(1)

            assert second.sent == ["ann 1"]

    run(scenario)


def test_an_own_topic_is_shared_by_all_paths_that_expand_to_it():
    async def scenario():
        async with Station(every=1.0, topic=Template("ticks/{kind}")) as station:
            first, second = station.listen("/a", params={"kind": "x"}), station.listen("/b", params={"kind": "x"})
            await station.clock.advance(1)

            assert [first.sent, second.sent] == [["1"], ["1"]]
            assert station.context.tasks == ["ticks/x"]

    run(scenario)


def test_times_that_passed_while_the_process_stood_still_are_skipped():
    async def scenario():
        async with Station(every=1.0) as station:
            listener = station.listen()
            await station.clock.advance(2)
            await station.clock.jump(30.5)
            assert listener.sent == ["1", "2", "3"]
            await station.clock.advance(0.49)
            assert listener.sent == ["1", "2", "3"]
            await station.clock.advance(0.01)
            assert listener.sent == ["1", "2", "3", "4"]

    run(scenario)


def test_there_is_no_drift_over_hours_of_an_awkward_interval():
    async def scenario():
        async with Station(every=0.7, message="{now:unix_ms}") as station:
            listener = station.listen()
            for _ in range(200):  # held up for a moment now and then
                await station.clock.advance(30)
                await station.clock.jump(0.35)
            await station.clock.advance(1.4)

            started_ms = int(datetime(2024, 1, 1, 12, 0, tzinfo=UTC).timestamp() * 1000)
            last_ms = int(listener.sent[-1]) - started_ms
            assert last_ms > 6_000_000
            assert last_ms % 700 in (0, 699)  # on the grid, to the millisecond that is cut off

    run(scenario)


def test_setting_the_wall_clock_does_not_disturb_every():
    async def scenario():
        async with Station(every=1.0) as station:
            listener = station.listen()
            await station.clock.advance(1)
            station.clock.set_wall(datetime(2030, 1, 1, tzinfo=UTC))
            await station.clock.advance(1)
            station.clock.set_wall(datetime(2020, 1, 1, tzinfo=UTC))
            await station.clock.advance(1)

            assert listener.sent == ["1", "2", "3"]

    run(scenario)


@given(k=st.integers(0, 10**9), every_s=st.floats(0.001, 1e6), late=st.floats(0, 1e4))
def test_the_next_tick_is_later_than_the_last_and_not_past(k, every_s, late):
    elapsed_s = (k + late) * every_s

    following = next_tick(k, elapsed_s, every_s)

    assert following > k
    assert following * every_s >= elapsed_s - every_s * 1e-6
    assert following == k + 1 or (following - 1) * every_s <= elapsed_s * (1 + 1e-9)


# messages


def test_a_structure_is_sent_as_json_with_its_types():
    async def scenario():
        async with Station(every=1.0, message={"type": "tick", "n": "{n}", "at": "{now}", "here": "{connections}"}) as station:
            listener = station.listen()
            await station.clock.advance(1)

            assert json.loads(listener.sent[0]) == {"type": "tick", "n": 1, "at": "2024-01-01T12:00:01.000Z", "here": 1}

    run(scenario)


def test_a_list_is_taken_in_turn():
    async def scenario():
        async with Station(every=1.0, message=["red {n}", {"light": "green"}, "off"]) as station:
            listener = station.listen()
            await station.clock.advance(4)

            assert listener.sent == ["red 1", '{"light":"green"}', "off", "red 4"]

    run(scenario)


def test_what_clients_send_is_dropped_and_counted():
    async def scenario():
        async with Station(every=1.0) as station:
            listener = station.listen()

            assert station.handler.on_message(listener, "hello") is None
            assert station.handler.ignored == 1

    run(scenario)


def test_a_value_that_cannot_be_sent_ends_that_connection_and_no_production():
    async def scenario():
        async with Station(every=1.0, message={"id": "{id}"}) as station:
            other = station.listen("/x/1", params={"id": 1})
            refused = station.context.connection("/x/2", params={"id": 2**70})
            with pytest.raises(TypeError):
                station.handler.on_open(refused)
            station.handler.on_close(refused, Cause.HANDLER_ERROR)
            await station.clock.advance(1)

            assert other.sent == ['{"id":1}']
            assert station.context.tasks == ["periodic:/x/1"]

    run(scenario)


# at_open


def test_at_open_gives_a_newcomer_one_message_at_once():
    async def scenario():
        async with Station(every=10.0, at_open=True, message="{n} {now:unix}") as station:
            first = station.listen()
            start = int(station.clock.now().timestamp())
            assert first.sent == [f"1 {start}"]
            await station.clock.advance(15)
            second = station.listen()
            assert first.sent == [f"1 {start}", f"2 {start + 10}"]
            assert second.sent == [f"2 {start + 15}"]
            await station.clock.advance(5)
            assert first.sent[2:] == second.sent[1:] == [f"3 {start + 20}"]

    run(scenario)


def test_at_open_of_a_list_gives_the_item_that_is_its_turn():
    async def scenario():
        async with Station(every=1.0, at_open=True, message=["a", "b", "c"]) as station:
            first = station.listen()
            await station.clock.advance(1)
            second = station.listen()
            await station.clock.advance(1)

            assert [first.sent, second.sent] == [["a", "b", "c"], ["b", "c"]]

    run(scenario)


# cron


def local_times(expression, start, number, zone=PARIS):
    found, now = [], start
    for _ in range(number):
        now = next_cron(expression, now, zone)
        found.append(now.astimezone(zone).strftime("%m-%d %H:%M:%S%z"))
    return found


def test_a_daily_time_keeps_to_the_local_clock_across_daylight_saving():
    spring = local_times("0 8 * * *", datetime(2024, 3, 30, 0, tzinfo=UTC), 3)
    autumn = local_times("0 8 * * *", datetime(2024, 10, 26, 0, tzinfo=UTC), 3)

    assert spring == ["03-30 08:00:00+0100", "03-31 08:00:00+0200", "04-01 08:00:00+0200"]
    assert autumn == ["10-26 08:00:00+0200", "10-27 08:00:00+0100", "10-28 08:00:00+0100"]


def test_a_daily_time_in_the_missing_hour_comes_right_after_it():
    assert local_times("30 2 * * *", datetime(2024, 3, 30, 12, tzinfo=UTC), 2) == ["03-31 03:00:00+0200", "04-01 02:30:00+0200"]


@pytest.mark.parametrize("now", [datetime(2024, 10, 27, 0, 30, tzinfo=UTC), datetime(2024, 10, 27, 1, 10, tzinfo=UTC)])
def test_a_daily_time_in_the_repeated_hour_comes_once(now):
    assert local_times("30 2 * * *", now, 1) == ["10-28 02:30:00+0100"]


def test_every_half_hour_goes_on_through_the_repeated_hour():
    expected = ["10-27 02:00:00+0200", "10-27 02:30:00+0200", "10-27 02:00:00+0100", "10-27 02:30:00+0100", "10-27 03:00:00+0100"]
    assert local_times("*/30 * * * *", datetime(2024, 10, 26, 23, 45, tzinfo=UTC), 5) == expected


@pytest.mark.parametrize(
    "expression, expected",
    [
        ("*/15 * * * * *", "01-01 00:00:15"),
        ("@hourly", "01-01 01:00:00"),
        ("@Daily", "01-02 00:00:00"),
        ("@midnight", "01-02 00:00:00"),
        ("@weekly", "01-07 00:00:00"),
        ("@monthly", "02-01 00:00:00"),
        (" 0 12 * * MON ", "01-01 12:00:00"),
        ("0 0 29 2 *", "02-29 00:00:00"),
    ],
)
def test_expressions_have_five_fields_or_six_or_a_name(expression, expected):
    assert next_cron(expression, datetime(2024, 1, 1, tzinfo=UTC), UTC).strftime("%m-%d %H:%M:%S") == expected


@pytest.mark.parametrize("name", ["@yearly", "@annually"])
def test_a_year_has_two_names(name):
    assert next_cron(name, datetime(2024, 1, 1, tzinfo=UTC), UTC) == datetime(2025, 1, 1, tzinfo=UTC)


@given(st.text(st.sampled_from("0123456789*/,-L#W @adhilorwy"), max_size=20))
def test_any_text_is_a_cron_expression_or_refused(expression):
    try:
        due = next_cron(expression, datetime(2024, 1, 1, tzinfo=UTC), PARIS)
    except ValueError:
        return
    assert due is None or due > datetime(2024, 1, 1, tzinfo=UTC)


def test_cron_sends_at_local_times_across_the_night_of_the_change():
    async def scenario():
        start = datetime(2024, 10, 26, 23, 10, tzinfo=UTC)  # 01:10 in Paris
        async with Station(start=start, cron="30 * * * *", timezone="Europe/Paris", message="{now}") as station:
            listener = station.listen()
            await station.clock.advance(4 * 3600)

            assert [text[11:16] for text in listener.sent] == ["23:30", "00:30", "01:30", "02:30"]

    run(scenario)


def test_cron_makes_up_for_nothing_after_the_process_stood_still():
    async def scenario():
        async with Station(cron="* * * * *") as station:
            listener = station.listen()
            await station.clock.advance(60)
            await station.clock.jump(3600 + 30)
            assert listener.sent == ["1", "2"]
            await station.clock.advance(30)
            assert listener.sent == ["1", "2", "3"]

    run(scenario)


def test_cron_follows_a_wall_clock_that_is_set_forward_within_a_minute():
    async def scenario():
        async with Station(cron="0 18 * * *") as station:
            listener = station.listen()
            await station.clock.advance(10)
            station.clock.set_wall(datetime(2024, 1, 1, 17, 59, 30, tzinfo=UTC))
            await station.clock.advance(60)

            assert listener.sent == ["1"]

    run(scenario)


def test_cron_sends_no_time_twice_when_the_wall_clock_is_set_back():
    async def scenario():
        async with Station(cron="0 13 * * *") as station:
            listener = station.listen()
            await station.clock.advance(3600)
            station.clock.set_wall(datetime(2024, 1, 1, 12, 58, 30, tzinfo=UTC))
            await station.clock.advance(120)
            assert listener.sent == ["1"]
            await station.clock.advance(24 * 3600)
            assert listener.sent == ["1", "2"]

    run(scenario)


# check


@pytest.mark.parametrize("name", ["Europe/Paris", "UTC"])
def test_a_time_zone_is_found_by_its_name(name):
    assert str(parse_timezone(name)) == name


@pytest.mark.parametrize("name", ["Europe", "europe/paris", "../x", "/etc/passwd", "", "\0", "CEST+1"])
def test_an_unknown_time_zone_is_refused(name):
    with pytest.raises(ValueError, match="IANA"):
        parse_timezone(name)


@pytest.mark.parametrize(
    "options, option, text",
    [
        ({}, None, "needs every or cron"),
        ({"every": 1.0, "cron": "@daily"}, "cron", "exclude each other"),
        ({"every": 1.0, "timezone": "Europe/Paris"}, "timezone", "goes with cron"),
        ({"cron": "61 * * * *"}, "cron", "bad minute"),
        ({"cron": "@nope"}, "cron", "is no cron expression"),
        ({"cron": "0 0 30 2 *"}, "cron", "is no cron expression"),
        ({"cron": "@daily", "timezone": "Europe"}, "timezone", "no time zone 'Europe'"),
        ({"every": 1.0, "message": []}, "message", "at least one"),
        ({"every": 1.0, "topic": Template("{n}")}, "topic", "{n} changes"),
        ({"every": 1.0, "topic": Template("x"), "message": Template("{user}")}, "topic", "differs by {user}"),
        ({"every": 1.0, "topic": Template("x"), "message": Template("{room}")}, "topic", "differs by {room}"),
        ({"every": 1.0, "topic": Template("{path}"), "message": Template("{query.x}")}, "topic", "differs by {query.x}"),
    ],
)
def test_options_that_cannot_work_are_refused_with_their_name(options, option, text):
    with pytest.raises(OptionError, match=text.replace("{", r"\{")) as caught:
        Periodic(**{"message": Template("tick"), **options}).check()

    assert caught.value.option == option


@pytest.mark.parametrize("topic, message", [("{path}", "{room}"), ("x/{room}", "{room} {n}"), ("{user}", "{user} {now}")])
def test_a_topic_that_tells_apart_what_the_message_does_is_taken(topic, message):
    Periodic(every=1.0, topic=Template(topic), message=Template(message)).check()


def test_the_handler_tells_the_topic_that_it_may_share():
    assert Periodic(every=1.0, message=Template("x")).topics() == {}
    assert Periodic(every=1.0, message=Template("x"), topic=Template("a/{b}")).topics() == {"a/{b}": TopicSettings()}
