"""What is asked again with the same key is done once, for ten minutes, and not without end."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from wsrouter.admin.repeats import KEEP_S, MOST_KEYS, Repeats


@pytest.fixture
def time():
    return SimpleNamespace(now=1000.0)


@pytest.fixture
def repeats(time):
    return Repeats(lambda: time.now)


def test_the_same_request_has_the_same_answer_and_another_one_with_its_key_is_an_error(repeats):
    assert repeats.find("key", b"digest") is None
    repeats.add("key", b"digest", "answer")
    assert repeats.find("key", b"digest") == "answer"
    assert repeats.find("other", b"digest") is None
    with pytest.raises(ValueError, match="key"):
        repeats.find("key", b"another")


def test_a_key_is_good_for_anything_again_after_its_time(repeats, time):
    repeats.add("key", b"digest", "answer")
    time.now += KEEP_S - 1
    assert repeats.find("key", b"digest") == "answer"
    time.now += 1
    assert repeats.find("key", b"another") is None
    repeats.add("key", b"another", "anew")
    assert repeats.find("key", b"another") == "anew"


def test_what_is_kept_is_bounded_and_the_oldest_goes_first(repeats, time):
    for number in range(MOST_KEYS + 1):
        repeats.add(str(number), b"", number)
    assert [None, 1, MOST_KEYS] == [repeats.find(str(number), b"") for number in (0, 1, MOST_KEYS)]
    repeats.add("1", b"", 1)  # the latest now
    repeats.add("one more", b"", 0)
    assert [1, None] == [repeats.find(str(number), b"") for number in (1, 2)]
    time.now += KEEP_S
    repeats.add("after all that", b"", 0)
    assert len(repeats._given) == 1
