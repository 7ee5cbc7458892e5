from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wsrouter import History, TopicSettings
from wsrouter.testing import MemoryConnection, MemoryTopics


class Time:
    """A monotonic clock that the test sets."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


def keeping(**bounds):
    return TopicSettings(History(**bounds))


def test_joining_twice_is_joining_once():
    topics, member = MemoryTopics(Time()), MemoryConnection()
    topics.publish("t", "old", settings=keeping(messages=5))
    topics.join("t", member)
    topics.join("t", member)
    topics.publish("t", "new")

    assert (member.sent, topics.members("t")) == (["old", "new"], 1)


def test_a_topic_that_nobody_joined_is_made_only_to_keep_a_history():
    topics = MemoryTopics(Time())
    topics.publish("plain", "x", settings=TopicSettings())
    topics.publish("none", "x")
    topics.publish("kept", "x", settings=keeping(messages=1))

    assert topics.names() == ["kept"]


def test_a_topic_is_forgotten_after_its_last_member_and_the_age_of_its_history():
    time = Time()
    topics, member = MemoryTopics(time), MemoryConnection()
    topics.join("t", member, keeping(messages=5, age_s=10))
    topics.publish("t", "x")
    topics.leave("t", member)

    assert topics.names() == ["t"]
    time.now_s = 10
    assert topics.names() == []


@given(st.lists(st.text(max_size=4), max_size=10), st.integers(1, 5), st.integers(1, 12))
def test_a_history_is_the_longest_end_within_its_bounds(messages, most, most_bytes):
    topics = MemoryTopics(Time())
    for message in messages:
        topics.publish("t", message, settings=keeping(messages=most, size_bytes=most_bytes))

    kept = topics.history("t")

    assert kept == messages[len(messages) - len(kept) :]
    assert len(kept) <= most
    assert sum(len(message.encode()) for message in kept) <= most_bytes
