from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrouter import Cause, History, OptionError, Template, TopicSettings
from wsrouter.handlers.broadcast import Broadcast, HistoryOption, to_history
from wsrouter.testing import ManualClock, MemoryContext


class Room:
    """A started handler, with what a site would do for its clients."""

    def __init__(self, route="/room/{room}", **options):
        self.clock = ManualClock()
        self.context = MemoryContext(route, clock=self.clock)
        self.handler = Broadcast(**options)
        self.handler.check()
        self.handler.start(self.context)

    def enter(self, path="/room/a", **facts):
        connection = self.context.connection(path, **facts)
        self.handler.on_open(connection)
        return connection

    def say(self, connection, message):
        assert self.handler.on_message(connection, message) is None

    def exit(self, connection):
        connection.close()
        self.handler.on_close(connection, Cause.CLIENT_CLOSE)


def test_clients_of_one_path_hear_each_other_and_no_other_path():
    room = Room()
    alice, bob, carol = room.enter(), room.enter(), room.enter("/room/b")

    room.say(alice, "hi")
    room.say(bob, b"\x01")

    assert [alice.sent, bob.sent, carol.sent] == [["hi", b"\x01"], ["hi", b"\x01"], []]


def test_a_topic_with_placeholders_joins_paths_and_parts_users():
    room = Room(topic=Template("{kind}/{user}"))
    first = room.enter("/a/x", params={"kind": "x"}, user="ann")
    second = room.enter("/b/x", params={"kind": "x"}, user="ann")
    other = room.enter("/b/x", params={"kind": "x"}, user="bob")

    room.say(first, "hi")

    assert [first.sent, second.sent, other.sent] == [["hi"], ["hi"], []]
    assert room.context.members("x/ann") == 2


def test_to_sender_false_leaves_the_sender_out_but_not_out_of_the_history():
    room = Room(to_sender=False, history=10)
    alice, bob = room.enter(), room.enter()

    room.say(alice, "hi")

    assert [alice.sent, bob.sent, room.enter().sent] == [[], ["hi"], ["hi"]]


def test_publish_false_drops_what_listeners_send_and_counts_it():
    room = Room(publish=False, history=10)
    alice, bob = room.enter(), room.enter()

    room.say(alice, "hi")
    room.say(bob, "ho")

    assert [alice.sent, bob.sent, room.enter().sent] == [[], [], []]
    assert room.handler.ignored == 2


def test_the_count_of_what_was_dropped_is_not_shared_between_handlers():
    first, second = Room(publish=False), Room(publish=False)

    first.say(first.enter(), "hi")

    assert (first.handler.ignored, second.handler.ignored) == (1, 0)


def test_subscribe_false_only_sends():
    room = Room(subscribe=False, history=10)
    backend = room.enter()

    room.say(backend, "price")

    assert backend.sent == []
    assert room.context.members("/room/a") == 0
    assert room.context.topics.history("/room/a") == ["price"]


def test_a_newcomer_gets_the_history_and_then_what_is_live():
    room = Room(history=2)
    alice = room.enter()
    for message in ("1", "2", "3"):
        room.say(alice, message)

    bob = room.enter()
    room.say(alice, "4")

    assert bob.sent == ["2", "3", "4"]


def test_a_history_is_bounded_by_age_and_by_size():
    aged = Room(history=HistoryOption(messages=10, age=5.0))
    sized = Room(history=HistoryOption(size=4))
    alice, bob = aged.enter(), sized.enter()
    for message in ("abc", "de", "fg"):
        aged.say(alice, message)
        sized.say(bob, message)

    assert sized.enter().sent == ["de", "fg"]
    assert aged.enter().sent == ["abc", "de", "fg"]
    asyncio.run(aged.clock.jump(5))
    assert aged.enter().sent == []


@given(st.lists(st.sampled_from(["enter", "exit", "say", "say"]), max_size=40), st.integers(1, 5))
def test_each_member_sees_the_end_of_the_past_and_all_of_the_present_once_and_in_order(steps, kept):
    room = Room(history=kept)
    speaker = room.enter()
    said, expected = 0, {}
    for step in steps:
        if step == "enter":
            expected[room.enter()] = list(range(max(0, said - kept), said))
        elif step == "exit" and expected:
            leaver = next(iter(expected))
            room.exit(leaver)
            assert leaver.sent == [str(n) for n in expected.pop(leaver)]
        elif step == "say":
            room.say(speaker, str(said))
            for seen in expected.values():
                seen.append(said)
            said += 1

    assert [member.sent for member in expected] == [[str(n) for n in seen] for seen in expected.values()]
    assert speaker.sent == [str(n) for n in range(said)]


def test_a_client_whose_topic_is_one_too_many_is_closed_with_1013():
    room = Room(topics_=2)
    first, second, third = room.enter("/room/1"), room.enter("/room/2"), room.enter("/room/3")
    again = room.enter("/room/1")

    assert third.closed == (1013, "too many topics")
    assert [first.closed, second.closed, again.closed] == [None, None, None]


@pytest.mark.parametrize("topic", [Template("{path}"), Template("{room}")])
def test_a_refused_client_publishes_nothing_and_leaves_the_count_alone(topic):
    room = Room(topic=topic, topics_=1, history=10)
    room.enter("/room/1", params={"room": "/room/1"})
    refused = room.enter("/room/2", params={"room": "/room/2"})

    room.say(refused, "hi")
    room.handler.on_close(refused, Cause.HANDLER_CLOSE)

    assert room.context.topics.history("/room/2") == []
    assert room.enter("/room/1", params={"room": "/room/1"}).closed is None
    assert room.enter("/room/2", params={"room": "/room/2"}).closed == (1013, "too many topics")


@pytest.mark.parametrize("topic", [Template("{path}"), Template("{room}")])
def test_a_topic_without_history_makes_room_when_its_last_member_leaves(topic):
    room = Room(topic=topic, topics_=1)
    first = room.enter("/room/1", params={"room": "1"})
    second = room.enter("/room/1", params={"room": "1"})

    room.exit(first)
    assert room.enter("/room/2", params={"room": "2"}).closed is not None
    room.exit(second)
    assert room.enter("/room/2", params={"room": "2"}).closed is None


def test_the_topic_that_was_left_first_makes_room_with_its_history_and_those_in_use_do_not():
    room = Room(topics_=3, history=5)
    members = [room.enter(f"/room/{number}") for number in range(3)]
    for member in members:
        room.say(member, "hi")
    room.exit(members[1])
    room.exit(members[0])

    newcomer = room.enter("/room/new")

    assert newcomer.closed is None
    assert [["hi"], [], ["hi"]] == [room.context.topics.history(f"/room/{number}") for number in range(3)]
    assert [("topic.forgotten", "/room/1")] == [(event, facts["topic"]) for _, event, facts in room.context.log.records]
    assert (None, (1013, "too many topics")) == (room.enter("/room/newer").closed, room.enter("/room/newest").closed)
    assert [] == room.context.topics.history("/room/0")


def test_a_history_that_is_past_its_age_makes_room_without_a_word():
    room = Room(topics_=1, history=HistoryOption(messages=1, age=60.0))
    room.exit(room.enter("/room/1"))
    asyncio.run(room.clock.jump(60))

    assert room.enter("/room/2").closed is None
    assert [] == room.context.log.records


def test_a_topic_that_only_its_history_keeps_may_be_entered_again():
    room = Room(topics_=1, history=5)
    first = room.enter("/room/1")
    room.say(first, "hi")
    room.exit(first)

    assert ["hi"] == room.enter("/room/1").sent
    assert room.enter("/room/2").closed is not None


def test_the_handler_tells_its_topic_and_settings():
    assert Broadcast().topics() == {"{path}": TopicSettings()}
    assert Broadcast(topic=Template("room/{room}"), history=50).topics() == {"room/{room}": TopicSettings(History(messages=50))}


@pytest.mark.parametrize(
    "option, history",
    [
        (None, None),
        (50, History(messages=50)),
        (HistoryOption(messages=5, age=60.0, size=1024), History(5, 60.0, 1024)),
        (HistoryOption(size=1024), History(None, 3600.0, 1024)),
    ],
)
def test_a_history_is_a_number_or_bounds(option, history):
    assert to_history(option) == history


@pytest.mark.parametrize("bad", [{"messages": 0}, {"age": 0.0}, {"size": 0}, {"count": 5}])
def test_bounds_of_a_history_are_checked(bad):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(bad, HistoryOption)


@pytest.mark.parametrize(
    "options, option, offset",
    [
        ({"publish": False, "subscribe": False}, "subscribe", None),
        ({"topic": Template("day/{now}")}, "topic", 4),
        ({"topic": Template("{connections}")}, "topic", 0),
        ({"history": HistoryOption(age=60.0)}, "history", None),
    ],
)
def test_options_that_cannot_work_are_refused_with_their_name(options, option, offset):
    with pytest.raises(OptionError) as caught:
        Broadcast(**options).check()

    assert (caught.value.option, caught.value.offset) == (option, offset)
