from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from support.wire import ManualLoop
from wsrouter.api.topics import History, TopicSettings
from wsrouter.topics.registry import Topics

KEEPS = TopicSettings(History(messages=10, age_s=60))


class Member:
    direct = None

    def __init__(self):
        self.variant = 0
        self.heard = b""

    def deliver(self, payload, messages):
        self.heard += payload


def make():
    loop = ManualLoop()
    return loop, Topics(encode=lambda message, variant: message.encode() + b";", call_soon=loop.call_soon, call_later=loop.call_later, monotonic=loop.time)


def test_what_only_a_history_keeps_can_be_forgotten_and_what_has_members_cannot():
    loop, topics = make()
    kept, member = TopicSettings(History(messages=5)), Member()
    for name in ("left", "used"):
        topics.join(name, member, kept)
        topics.publish(name, "a")
    loop.settle()
    topics.leave(topics.find("left"), member)
    left = topics.find("left")
    assert left is not None

    for name in ("left", "used", "nowhere"):
        topics.forget(name)

    assert ["used"] == [topic.name for topic in topics]
    newcomer = Member()
    topics.join("left", newcomer, kept)
    loop.advance(3600.1)  # the timer of the one that was forgotten looks for it
    assert (b"", 1) == (newcomer.heard, topics.members("left"))


def test_topics_of_one_name_are_one_and_others_hear_nothing():
    loop, topics = make()
    one, two, other = Member(), Member(), Member()
    assert topics.join("t", one) is topics.join("t", two) is topics.find("t")
    topics.join("other", other)
    topics.publish("t", "a")
    loop.settle()
    assert (b"a;", b"a;", b"") == (one.heard, two.heard, other.heard)
    assert (2, 1, 0) == (topics.members("t"), topics.members("other"), topics.members("nowhere"))
    assert {"t", "other"} == {topic.name for topic in topics}


def test_publishing_leaves_out_who_is_excluded():
    loop, topics = make()
    one, two = Member(), Member()
    topics.join("t", one)
    topics.join("t", two)
    topics.publish("t", "a", exclude=one)
    loop.settle()
    assert (b"", b"a;") == (one.heard, two.heard)


def test_a_topic_without_history_is_freed_with_its_last_member():
    _, topics = make()
    one, two = Member(), Member()
    topic = topics.join("t", one)
    topics.join("t", two)
    topics.leave(topic, one)
    assert 1 == len(topics)
    topics.leave(topic, two)
    assert 0 == len(topics)
    assert topics.find("t") is None


def test_publishing_to_a_topic_that_nobody_can_hear_makes_none():
    _, topics = make()
    topics.publish("t", "a")
    topics.publish("t", "a", settings=TopicSettings())
    assert 0 == len(topics)


def test_publishing_makes_a_topic_that_keeps_a_history():
    _, topics = make()
    topics.publish("t", "a", settings=KEEPS)
    member = Member()
    topics.join("t", member, KEEPS)
    assert b"a;" == member.heard


def test_a_topic_without_members_is_freed_when_its_history_is_past_its_age():
    loop, topics = make()
    member = Member()
    topic = topics.join("t", member, KEEPS)
    topics.publish("t", "a")
    loop.advance(30)
    topics.publish("t", "b")
    topics.leave(topic, member)
    loop.advance(59)
    assert 1 == len(topics)
    loop.advance(2)
    assert 0 == len(topics)


def test_a_message_published_meanwhile_keeps_it_and_so_does_a_new_member():
    loop, topics = make()
    topics.publish("t", "a", settings=KEEPS)
    loop.advance(50)
    topics.publish("t", "b", settings=KEEPS)
    loop.advance(50)
    assert 1 == len(topics)
    member = Member()
    topic = topics.join("t", member, KEEPS)
    loop.advance(1000)
    assert topics.find("t") is topic
    topics.leave(topic, member)
    assert 0 == len(topics)


def test_members_that_come_and_go_leave_one_timer_behind():
    loop, topics = make()
    topics.publish("t", "a", settings=KEEPS)
    for _ in range(100):
        topics.leave(topics.join("t", member := Member(), KEEPS), member)
    assert 1 == len(loop._timers)
    loop.advance(61)
    assert 0 == len(topics)


def test_a_topic_that_was_freed_and_made_again_is_not_freed_by_the_old_ones_timer():
    loop, topics = make()
    topics.publish("t", "a", settings=KEEPS)
    old = topics.find("t")
    loop.advance(61)
    assert topics.find("t") is None
    topics.publish("t", "b", settings=KEEPS)
    topics._free_when_past(old)
    assert topics.find("t") is not None


def test_the_settings_that_a_topic_was_made_with_stay():
    _, topics = make()
    topic = topics.join("t", Member(), KEEPS)
    topics.join("t", Member(), TopicSettings())
    topics.join("t", Member())
    assert KEEPS == topic.settings


steps = st.lists(st.tuples(st.sampled_from(["join", "leave", "publish", "advance"]), st.integers(0, 3), st.sampled_from(["a", "b"])), max_size=60)


@given(steps)
def test_a_topic_is_there_exactly_while_it_has_members_or_a_history(todo):
    loop, topics = make()
    members = [Member() for _ in range(4)]
    joined, last = {"a": set(), "b": set()}, {}
    for verb, number, name in todo:
        if verb == "join":
            topics.join(name, members[number], KEEPS)
            joined[name].add(number)
        elif verb == "leave":
            if number in joined[name]:
                topics.leave(topics.find(name), members[number])
                joined[name].discard(number)
        elif verb == "publish":
            topics.publish(name, "x", settings=KEEPS)
            last[name] = loop.time()
        else:
            loop.advance(25)
        for each in ("a", "b"):
            age = loop.time() - last.get(each, -1000.0)
            assert len(joined[each]) == topics.members(each)
            if joined[each] or age < 60:
                assert topics.find(each) is not None
            elif age > 60.1:
                assert topics.find(each) is None
