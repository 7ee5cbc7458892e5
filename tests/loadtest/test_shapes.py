"""How many users there are when."""

from __future__ import annotations

import pytest

from loadtest.shapes import SHAPES, count_users


@pytest.mark.parametrize(
    ("shape", "users"),
    [
        ("steady", {0.0: 100, 30.0: 100, 59.0: 100}),
        ("ramp", {0.0: 2, 14.0: 25, 29.0: 50, 59.0: 100}),
        ("spike", {0.0: 10, 19.9: 10, 20.0: 100, 39.9: 100, 40.0: 10, 59.0: 10}),
        ("soak", {0.0: 17, 2.0: 50, 5.0: 100, 59.0: 100}),
    ],
)
def test_each_shape_has_its_users_at_its_times(shape: str, users: dict[float, int]) -> None:
    assert users == {now_s: count_users(shape, now_s, 60.0, 100) for now_s in users}


@pytest.mark.parametrize("shape", SHAPES)
def test_there_is_always_a_user_and_never_more_than_were_asked_for(shape: str) -> None:
    for users in (1, 7, 1000):
        assert all(1 <= count_users(shape, now_s / 2, 45.0, users) <= users for now_s in range(100))
        assert users == max(count_users(shape, now_s / 2, 45.0, users) for now_s in range(100))
