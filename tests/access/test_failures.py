"""Ten wrong credentials a minute from one address."""

from __future__ import annotations

from wsrouter.access.failures import MAX_ADDRESSES, MOST, WINDOW_S, Failures


def test_ten_are_allowed_then_the_address_waits_until_its_minute_is_over() -> None:
    failures = Failures()
    for number in range(MOST):
        assert 0 == failures.wait_s("a", 100.0 + number)
        failures.add("a", 100.0 + number)
    assert 51 == failures.wait_s("a", 109.0)
    assert 0 == failures.wait_s("b", 109.0)
    assert 1 == failures.wait_s("a", 100.0 + WINDOW_S - 0.5)
    assert 0 == failures.wait_s("a", 100.0 + WINDOW_S)


def test_failures_while_it_waits_do_not_make_it_wait_longer() -> None:
    failures = Failures()
    for _ in range(100):
        failures.add("a", 100.0)
    assert 60 == failures.wait_s("a", 100.0)
    failures.add("a", 161.0)
    assert 0 == failures.wait_s("a", 161.0)


def test_the_table_is_bounded_and_forgets_what_is_over() -> None:
    failures = Failures()
    for number in range(MAX_ADDRESSES + 500):
        failures.add(str(number), 100.0)
    assert MAX_ADDRESSES == len(failures)
    failures.add("later", 200.0)
    assert 1 == len(failures)
