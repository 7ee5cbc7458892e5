from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrouter.api.topics import History
from wsrouter.topics.history import Kept


class Time:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def keep(bounds, *messages):
    time = Time()
    kept = Kept(bounds, time)
    for message in messages:
        kept.append(message)
    return kept, time


def test_the_latest_messages_are_kept_oldest_first():
    kept, _ = keep(History(messages=2), "a", b"b", "c")
    assert [b"b", "c"] == kept.messages()


def test_a_bound_of_no_messages_keeps_none():
    kept, _ = keep(History(messages=0), "a")
    assert [] == kept.messages()
    assert 0.0 == kept.expires_in_s()


@pytest.mark.parametrize("size, left", [(5, ["bb", "ccc"]), (4, ["ccc"]), (3, ["ccc"]), (2, []), (100, ["a", "bb", "ccc"])])
def test_the_oldest_go_until_the_rest_is_within_the_size(size, left):
    kept, _ = keep(History(size_bytes=size), "a", "bb", "ccc")
    assert left == kept.messages()


def test_the_size_of_text_is_that_of_its_utf_8():
    kept, _ = keep(History(size_bytes=3), "é", "é")
    assert ["é"] == kept.messages()


def test_a_message_is_gone_once_it_is_past_the_age():
    kept, time = keep(History(messages=10, age_s=60), "a")
    time.now += 59
    kept.append("b")
    assert ["a", "b"] == kept.messages()
    time.now += 1
    assert ["b"] == kept.messages()
    time.now += 59
    assert [] == kept.messages()


def test_it_tells_in_how_many_seconds_nothing_will_be_left():
    kept, time = keep(History(messages=10, age_s=60))
    assert 0.0 == kept.expires_in_s()
    kept.append("a")
    time.now += 10
    kept.append("b")
    time.now += 20
    assert 40.0 == kept.expires_in_s()
    time.now += 40
    assert 0.0 == kept.expires_in_s()


@given(
    st.builds(History, messages=st.none() | st.integers(0, 5), size_bytes=st.none() | st.integers(0, 20), age_s=st.integers(1, 10)),
    st.lists(st.tuples(st.integers(0, 4), st.text(max_size=4) | st.binary(max_size=4)), max_size=30),
)
def test_what_is_kept_is_the_longest_end_of_the_stream_that_is_within_every_bound(bounds, stream):
    kept, time = keep(bounds)
    all_messages = []
    for seconds, message in stream:
        time.now += seconds
        all_messages.append((time.now, message))
        kept.append(message)

        expected = [each for moment, each in all_messages if time.now - moment < bounds.age_s]
        if bounds.messages is not None:
            expected = expected[max(0, len(expected) - bounds.messages) :]
        while bounds.size_bytes is not None and sum(size(each) for each in expected) > bounds.size_bytes:
            del expected[0]
        # What one bound once dropped stays dropped, though another may have had room for it later.
        got = kept.messages()
        assert expected[len(expected) - len(got) :] == got
        assert len(got) == len(expected)


def size(message):
    return len(message) if isinstance(message, bytes) else len(message.encode())
