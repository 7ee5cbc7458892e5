"""Lost, twice, out of order: told from numbers, whatever comes in whatever order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wsrouter.bench import stream
from wsrouter.bench.stream import Stream


@given(st.lists(st.integers(0, 60)), st.integers(0, 20))
def test_what_is_lost_twice_or_late_is_what_a_look_at_all_numbers_tells(numbers, not_yet):
    sent = max(numbers, default=-1) + 1 + not_yet
    followed = Stream()
    for number in numbers:
        followed.take(number)

    first_times = [number for index, number in enumerate(numbers) if number not in numbers[:index]]
    late = sum(any(earlier > number for earlier in first_times[:index]) for index, number in enumerate(first_times))
    assert followed.count_lost(sent) == sent - len(set(numbers))
    assert followed.duplicated == len(numbers) - len(set(numbers))
    assert followed.received == len(set(numbers))
    assert followed.out_of_order == late


@given(st.lists(st.integers(0, 60)))
def test_only_the_first_of_each_number_is_new(numbers):
    followed = Stream()
    assert [number not in numbers[:index] for index, number in enumerate(numbers)] == [followed.take(number) for number in numbers]


@given(st.lists(st.integers(0, 10**7), max_size=10))
def test_it_remembers_a_bounded_number_of_missing_ones_and_counts_all(numbers):
    followed = Stream()
    for number in sorted(numbers):
        followed.take(number)

    assert len(followed._missing) <= stream.MOST_MISSING
    assert followed.count_lost(10**7 + 1) == 10**7 + 1 - len(set(numbers))
