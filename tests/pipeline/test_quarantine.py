"""When a route is closed to newcomers, and when it is opened again: on a clock that the test moves."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.pipeline import MemoryClient
from support.wire import Notes
from wsrouter.api.ports import Failure
from wsrouter.config.settings import Plugins
from wsrouter.pipeline.fence import Fence, WrongTypeError
from wsrouter.pipeline.quarantine import TRIAL_S, WINDOW_S, FailureCount, Quarantine

PAUSE_S = 30.0
MOST = 3
"""So many failures a minute are not too many."""


class Timer:
    def __init__(self, function: Callable[[], None]) -> None:
        self.function = function
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Route:
    """A route whose failures and whose time are the test's."""

    def __init__(self, failures: int = MOST, pause: float = PAUSE_S) -> None:
        self.now = 1000.0
        self.notes = Notes()
        self.settings = Plugins(failures=failures, pause=pause)
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = count()
        self.quarantine = Quarantine(settings=lambda: self.settings, observer=self.notes, monotonic=lambda: self.now, call_later=self._call_later)

    def fail(self, *connections: str | None) -> None:
        """One failure of each of these connections, now."""
        for connection in connections:
            self.quarantine.failed(Failure("/route", "fails", "on_message", ValueError("x"), connection))

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self._timers and self._timers[0][0] <= end:
            self.now, _, timer = heapq.heappop(self._timers)
            if not timer.is_cancelled:
                timer.function()
        self.now = end

    @property
    def begun(self) -> list[tuple[int, int]]:
        """(failures, connections) of each quarantine that was told."""
        return [(each.failures, each.connections) for each in self.notes.quarantines]

    def _call_later(self, delay_s: float, function: Callable[[], None]) -> Timer:
        timer = Timer(function)
        heapq.heappush(self._timers, (self.now + delay_s, next(self._numbers), timer))
        return timer


def test_one_failure_more_than_allowed_closes_the_route_and_is_told_once():
    route = Route()
    route.fail("a", "b", "c")
    assert not route.quarantine.is_on
    route.fail("d")
    assert route.quarantine.is_on
    route.fail("e", "f", "g", "h", "i")
    assert [(4, 4)] == route.begun
    told = route.notes.quarantines[0]
    assert ("/route", "fails", "d", PAUSE_S) == (told.failure.route, told.failure.handler, told.failure.connection_id, told.pause_s)


def test_one_connection_alone_never_closes_it():
    route = Route()
    route.fail(*["a"] * 100)
    assert not route.quarantine.is_on
    route.fail("b")
    assert [(4, 2)] == route.begun


def test_failures_without_a_connection_count_as_failures_and_not_as_a_connection():
    route = Route()
    route.fail(*[None] * 100, "a", *[None] * 100)
    assert not route.quarantine.is_on
    route.fail("b")
    assert [(4, 2)] == route.begun


def test_connections_are_counted_though_failures_without_one_came_after_them():
    route = Route()
    route.fail("a", "b", *[None] * 10)
    assert [(4, 2)] == route.begun


def test_failures_over_a_minute_ago_do_not_count():
    route = Route()
    route.fail("a", "b", "c")
    route.advance(WINDOW_S)
    route.fail("d")
    assert not route.quarantine.is_on


def test_failures_within_a_minute_do():
    route = Route()
    for name in "abcd":
        route.fail(name)
        route.advance(WINDOW_S / 3 - 0.01)
    assert [(4, 4)] == route.begun


def test_the_pause_ends_by_itself_and_is_told_once():
    route = Route()
    route.fail(*"abcd")
    route.advance(PAUSE_S - 0.01)
    assert (True, []) == (route.quarantine.is_on, route.notes.releases)
    route.advance(0.01)
    assert (False, [("/route", "fails")]) == (route.quarantine.is_on, route.notes.releases)
    route.advance(1000)
    assert 1 == len(route.notes.releases)


def test_failures_during_the_pause_count_for_nothing():
    route = Route()
    route.fail(*"abcd")
    route.fail(*"efghijkl")
    route.advance(PAUSE_S + TRIAL_S)
    route.fail(*"mno")
    assert 1 == len(route.begun)


def test_on_trial_two_connections_are_enough_and_one_is_not():
    route = Route()
    route.fail(*"abcd")
    route.advance(PAUSE_S)
    route.fail("e", None, "e")
    assert not route.quarantine.is_on
    route.fail("f")
    assert [(4, 4), (4, 2)] == route.begun
    route.advance(PAUSE_S)
    route.fail("g", "h")
    assert 3 == len(route.begun)
    assert 2 == len(route.notes.releases)


def test_after_the_trial_all_is_as_before():
    route = Route()
    route.fail(*"abcd")
    route.advance(PAUSE_S + TRIAL_S)
    route.fail("e", "f", "g")
    assert not route.quarantine.is_on
    route.fail("h")
    assert route.quarantine.is_on


def test_no_failures_allowed_at_all_is_never():
    route = Route(failures=0)
    route.fail(*map(str, range(1000)))
    assert not route.quarantine.is_on


def test_settings_of_a_reload_count_at_once():
    route = Route()
    route.fail("a", "b")
    route.settings = Plugins(failures=1, pause=5.0)
    route.fail("c")
    assert [5.0] == [each.pause_s for each in route.notes.quarantines]
    route.advance(5.0)
    assert not route.quarantine.is_on


def test_a_route_that_is_replaced_tells_nothing_more():
    route = Route()
    route.fail(*"abcd")
    route.quarantine.retire()
    route.advance(PAUSE_S)
    route.fail(*"efghijkl")
    assert (1, []) == (len(route.begun), route.notes.releases)
    assert not route.quarantine.is_on


def test_clients_are_asked_to_come_back_after_the_release_and_not_all_at_once():
    route = Route()
    route.fail(*"abcd")
    asked = {route.quarantine.retry_after_s() for _ in range(1000)}
    assert PAUSE_S <= min(asked)
    assert max(asked) <= 1.5 * PAUSE_S + 1
    assert 10 < len(asked)
    route.advance(PAUSE_S - 0.5)
    assert min(route.quarantine.retry_after_s() for _ in range(1000)) >= 1


def test_the_clients_fault_is_no_failure():
    route = Route(failures=1)
    fence = Fence("/route", route.notes, route.quarantine)
    for _ in range(10):
        fence.failed(MemoryClient(), "fails", "on_message", WrongTypeError("text only"))
    assert ([], []) == (route.notes.failures, route.begun)


def test_the_fence_counts_what_it_tells():
    route = Route(failures=1)
    fence = Fence("/route", route.notes, route.quarantine)
    first, second = MemoryClient(), MemoryClient()
    fence.failed(first, "fails", "on_message", ValueError("x"))
    fence.failed(first, "fails", "on_close", ValueError("x"))
    fence.failed(None, "fails", "source", ValueError("x"))
    assert not route.quarantine.is_on
    fence.failed(second, "fails", "coroutine", ValueError("x"))
    assert [(2, 2)] == route.begun
    assert 4 == len(route.notes.failures)


@pytest.mark.parametrize("most", [1, 2, 5])
@given(events=st.lists(st.tuples(st.floats(0, 40), st.sampled_from([None, "a", "b", "c"])), max_size=60))
def test_the_bounded_count_decides_as_one_that_keeps_everything(most, events):
    now, kept, bounded = 0.0, [], FailureCount()
    for pause_s, connection in events:
        now += pause_s
        kept.append((now, connection))
        bounded.add(now, connection, most)
        recent = [each for at, each in kept if at > now - WINDOW_S]
        assert min(len(recent), most) == bounded.failures
        assert min(len(set(recent) - {None}), most) == bounded.connections
