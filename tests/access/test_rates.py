from __future__ import annotations

from dataclasses import dataclass

import pytest

from wsrouter.access.rates import RateMeter, TokenBucket, make_meter


@dataclass
class Rate:
    rate: float = 0.0
    burst: int = 0


def test_a_bucket_gives_its_burst_at_once_and_then_its_rate():
    bucket = TokenBucket(rate=10, burst=3, now=0.0)

    assert [bucket.take(1, 0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(1, 0.1) for _ in range(2)] == [True, False]


def test_a_bucket_never_holds_more_than_its_burst():
    bucket = TokenBucket(rate=10, burst=2, now=0.0)

    assert [bucket.take(1, 3600.0) for _ in range(3)] == [True, True, False]


def test_one_message_larger_than_the_burst_passes_and_is_paid_for_afterwards():
    bucket = TokenBucket(rate=100, burst=100, now=0.0)

    assert bucket.take(1000, 0.0)
    assert not bucket.take(1, 8.9)
    assert bucket.take(1, 9.1)


def test_a_meter_holds_messages_and_bytes_to_their_own_limits():
    by_messages = RateMeter(TokenBucket(1, 1, 0.0), None)
    by_bytes = RateMeter(None, TokenBucket(10, 10, 0.0))

    assert [by_messages.take(1, 10**9, 0.0), by_messages.take(1, 0, 0.0)] == [True, False]
    assert [by_bytes.take(10**9, 10, 0.0), by_bytes.take(0, 1, 0.0)] == [True, False]


def test_without_a_limit_there_is_no_meter():
    assert make_meter(Rate(), Rate(), 0.0) is None


@pytest.mark.parametrize(("limit", "at_once"), [(Rate(5), 10), (Rate(5, 3), 3)])
def test_a_burst_that_is_not_given_is_twice_the_rate(limit, at_once):
    meter = make_meter(limit, Rate(), 0.0)

    assert meter is not None
    assert [meter.take(1, 1, 0.0) for _ in range(at_once + 1)] == [True] * at_once + [False]
