"""Lost, duplicated and out of order, told apart by numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadtest.ledger import Seen, Stream, Streams, Trips

IN, OUT, TWICE = Seen.IN_ORDER, Seen.OUT_OF_ORDER, Seen.DUPLICATED


def seen(stream: Stream, *numbers: int) -> list[Seen]:
    return [stream.see(number) for number in numbers]


def test_an_answer_tells_since_when_its_message_was_due() -> None:
    trips = Trips()
    assert [0, 1] == [trips.sent(5.0), trips.sent(6.0)]
    assert (IN, 5.0) == trips.answered(0)
    assert 1 == len(trips)


def test_an_answer_that_overtook_another_makes_that_one_out_of_order() -> None:
    trips = Trips()
    trips.sent(1.0)
    trips.sent(2.0)
    assert [(IN, 2.0), (OUT, 1.0)] == [trips.answered(1), trips.answered(0)]


def test_a_second_answer_is_a_duplicate_and_one_to_nothing_is_unknown() -> None:
    trips = Trips()
    trips.sent(1.0)
    trips.answered(0)
    assert [(TWICE, None), (Seen.UNKNOWN, None)] == [trips.answered(0), trips.answered(7)]


def test_what_is_unanswered_is_told_once() -> None:
    trips = Trips()
    trips.sent(1.0)
    trips.sent(2.0)
    trips.answered(0)
    assert [[2.0], []] == [trips.take_unanswered(), trips.take_unanswered()]


def test_what_could_not_be_sent_is_not_waited_for() -> None:
    trips = Trips()
    trips.sent(1.0)
    trips.unsent(trips.sent(2.0))

    assert [1.0] == trips.take_unanswered()


def test_what_is_passed_over_is_missing_until_it_comes() -> None:
    stream = Stream()
    assert [IN, IN] == seen(stream, 5, 8)
    assert 2 == stream.missing()
    assert [OUT, TWICE] == seen(stream, 6, 6)
    assert 1 == stream.missing()


def test_the_end_of_a_stream_is_missing_where_its_last_number_is_known() -> None:
    stream = Stream()
    seen(stream, 0, 1)
    assert [0, 0, 3] == [stream.missing(), stream.missing(1), stream.missing(4)]


def test_what_was_on_its_way_before_somebody_was_expected_to_hear_it_is_in_order() -> None:
    stream = Stream(10)
    assert [IN, IN, IN] == seen(stream, 8, 9, 10)
    assert 0 == stream.missing()


def test_one_that_was_overtaken_by_the_first_that_was_seen_is_out_of_order() -> None:
    assert [IN, OUT] == seen(Stream(), 3, 2)


def test_all_of_a_sender_that_began_later_and_was_never_heard_is_missing() -> None:
    streams = Streams({"old": 4})
    assert IN is streams.see("old", 5)
    assert 3 == streams.missing({"old": 5, "new": 2})
    assert IN is streams.see("new", 1, is_known=True)
    assert 2 == streams.missing({"old": 5, "new": 2})


def test_of_a_stranger_only_what_follows_is_expected() -> None:
    streams = Streams()
    assert IN is streams.see("stranger", 7)
    assert 0 == streams.missing()


@given(st.permutations(range(8)), st.sets(st.integers(0, 7)))
def test_in_whatever_order_they_come_exactly_those_that_do_not_come_are_missing(order: list[int], lost: set[int]) -> None:
    stream = Stream(0)
    found = seen(stream, *(number for number in order if number not in lost))
    assert len(lost) == stream.missing(7)
    assert TWICE not in found
