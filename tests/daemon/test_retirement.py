"""Seeing off routes that a reload replaced or removed, and closing their connections over a time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from support.waiting import until_async
from wsrouter.api.causes import Cause
from wsrouter.config.settings import DrainTime
from wsrouter.daemon.retirement import Retirement
from wsrouter.daemon.spread import TURN, close_spread, gentle_s

pytestmark = pytest.mark.anyio


class Endpoint:
    """As much of an endpoint as retirement needs."""

    def __init__(self, connections: int) -> None:
        self.connections = connections
        self.accepts = True
        self.on_empty: Any = None
        self.quarantine = None


class Client:
    """A connection that goes as soon as it is told to."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.ended: list[tuple[Cause, float]] = []

    def end(self, cause: Cause) -> None:
        if self.ended:
            return
        self.ended.append((cause, asyncio.get_running_loop().time()))
        self.endpoint.connections -= 1
        if not self.endpoint.connections and self.endpoint.on_empty is not None:
            self.endpoint.on_empty()


class Built:
    """A route whose stop is noted."""

    def __init__(self, pattern: str, connections: int = 0) -> None:
        self.pattern = pattern
        self.endpoint = Endpoint(connections)
        self.clients = [Client(self.endpoint) for _ in range(connections)]
        self.stopped: list[float] = []

    async def stop(self, grace_s: float = 0.0) -> None:
        self.stopped.append(grace_s)


def connections_of(*routes: Built) -> Any:
    return {built.endpoint: built.clients for built in routes}


def causes(built: Built) -> list[Cause]:
    return [cause for client in built.clients for cause, _ in client.ended]


class Gone:
    def __init__(self) -> None:
        self.count = 0
        self.retirement = Retirement(20.0, self.one)

    def one(self) -> None:
        self.count += 1

    def take(self, *replaced: Built, on_change: Any = "keep", removed: tuple[Built, ...] = (), connections: tuple[Built, ...] = ()) -> None:
        self.retirement.take([(built, on_change) for built in replaced], removed, connections_of(*replaced, *removed, *connections))  # type: ignore[misc,arg-type]


async def test_one_without_connections_stops_at_once() -> None:
    gone, old = Gone(), Built("/a")
    gone.take(old)
    await until_async(lambda: gone.count == 1)
    assert [5.0] == old.stopped
    assert [] == gone.retirement.routes


async def test_one_on_keep_stops_when_its_last_connection_is_gone() -> None:
    gone, old = Gone(), Built("/a", 2)
    gone.take(old)
    await asyncio.sleep(0.02)
    assert ([], 0) == (causes(old), gone.retirement.draining)
    old.clients[0].end(Cause.CLIENT_CLOSE)
    await asyncio.sleep(0.02)
    assert [] == old.stopped
    old.clients[1].end(Cause.CLIENT_CLOSE)
    await until_async(lambda: gone.count == 1)


async def test_a_removed_route_is_closed_gently() -> None:
    gone, old = Gone(), Built("/a", 10)
    gone.take(removed=(old,))
    assert 10 == gone.retirement.draining
    await until_async(lambda: gone.count == 1)
    assert {Cause.ROUTE_REMOVED} == set(causes(old))
    moments = sorted(moment for client in old.clients for _, moment in client.ended)
    assert 0.05 < moments[-1] - moments[0] < 2


async def test_what_drains_together_shares_one_spread() -> None:
    gone, routes = Gone(), [Built(f"/{number}", 2) for number in range(10)]
    gone.take(removed=tuple(routes))
    await until_async(lambda: gone.count == 10)
    moments = sorted(moment for built in routes for client in built.clients for _, moment in client.ended)
    assert 0.15 < moments[-1] - moments[0] < 2  # 20 connections, 10 ms each; each route by itself were 20 ms


async def test_a_third_generation_drains_the_oldest_only() -> None:
    gone, first, second = Gone(), Built("/a", 2), Built("/a", 2)
    other = Built("/other", 1)
    gone.take(first, other)
    gone.take(second, connections=(first, other))
    await until_async(lambda: gone.count == 1)
    assert [Cause.ROUTE_CHANGED] * 2 == causes(first)
    assert [] == causes(second) + causes(other)
    await gone.retirement.stop()
    assert [[5.0], [0.0], [0.0]] == [built.stopped for built in (first, second, other)]


async def test_a_removed_route_takes_its_older_generations_with_it() -> None:
    gone, first, second = Gone(), Built("/a", 1), Built("/a", 1)
    gone.take(first)
    gone.take(removed=(second,), connections=(first,))
    await until_async(lambda: gone.count == 2)
    assert [Cause.ROUTE_REMOVED] * 2 == causes(first) + causes(second)


async def test_a_drain_that_goes_on_is_not_hurried_by_the_next_reload() -> None:
    gone, first = Gone(), Built("/a", 3)
    gone.take(first, on_change=DrainTime(drain=60.0))
    await until_async(lambda: len(causes(first)) == 1)
    gone.take(Built("/a"), on_change=DrainTime(drain=60.0), connections=(first,))
    await asyncio.sleep(0.05)
    assert 1 == len(causes(first))
    assert 2 == gone.retirement.draining
    await gone.retirement.stop()


async def test_a_drain_ends_with_its_last_client_though_its_time_is_not_over() -> None:
    gone, first, second = Gone(), Built("/a", 2), Built("/b", 2)
    gone.take(first, second, on_change=DrainTime(drain=3600.0))
    before = asyncio.all_tasks()
    for client in (*first.clients, *second.clients):
        client.end(Cause.CLIENT_CLOSE)
    await until_async(lambda: gone.count == 2)
    await until_async(lambda: not [task for task in before if not task.done() and task is not asyncio.current_task() and "closing" in task.get_name()])


async def test_ending_at_once_waits_for_the_connections_and_the_handlers() -> None:
    gone, older, old = Gone(), Built("/a", 1), Built("/a", 3)
    gone.take(older)
    assert 3 == await gone.retirement.end_at_once(old, connections_of(older, old))  # type: ignore[arg-type]
    assert [Cause.ROUTE_CHANGED] * 3 == causes(old)
    assert [5.0] == old.stopped
    assert not old.endpoint.accepts
    await until_async(lambda: gone.count == 1)  # the older one is drained, as by any third generation
    assert [Cause.ROUTE_CHANGED] == causes(older)


async def test_thousands_are_closed_in_turns_whatever_the_time() -> None:
    built = Built("/a", 3 * TURN)
    closing = asyncio.create_task(close_spread(built.clients, Cause.ROUTE_CHANGED, 0.0))  # type: ignore[arg-type]
    counts = []
    while not closing.done():
        await asyncio.sleep(0)
        counts.append(len(causes(built)))
    assert [TURN, 2 * TURN, 3 * TURN] == sorted(set(counts) - {0})


def test_a_handful_does_not_wait_for_the_whole_spread() -> None:
    assert (0.03, 20.0) == (gentle_s(3, 20.0), gentle_s(5000, 20.0))
