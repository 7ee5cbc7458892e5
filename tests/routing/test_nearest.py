import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrouter.routing.nearest import distance


@pytest.mark.parametrize(
    ("first", "second", "mistakes"),
    [
        ("echo", "echo", 0),
        ("echo", "ehco", 1),
        ("echo", "ech", 1),
        ("echo", "echos", 1),
        ("echo", "exho", 1),
        ("echo", "hceo", 2),
        ("", "ab", 2),
        ("ab", "", 2),
    ],
)
def test_mistakes_are_counted_with_swapped_neighbours_as_one(first, second, mistakes):
    assert distance(first, second, 9) == mistakes


def test_counting_stops_at_the_limit():
    assert distance("abcdefgh", "stuvwxyz", 3) == 3


TEXT = st.text(alphabet="abc", max_size=8)


@given(TEXT, TEXT, st.integers(1, 9))
def test_mistakes_are_the_same_in_both_directions_and_never_over_the_limit(first, second, limit):
    assert distance(first, second, limit) == distance(second, first, limit) == min(limit, distance(first, second, 99))


@given(TEXT, st.integers(0, 7), st.sampled_from("xyz"))
def test_one_letter_more_is_one_mistake(text, at, letter):
    assert distance(text, text[:at] + letter + text[at:], 9) == 1
