"""Restarts under a stream of clients: nobody is refused by the two ways that promise it, and the count would show who was."""

from __future__ import annotations

import asyncio

import pytest

from loadtest.restart import RATE, measure

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("way", ["socket", "reuse_port"])
def test_nobody_is_refused_over_restarts(way: str) -> None:
    result = asyncio.run(measure(way, 2))
    assert result.outcomes.total() > RATE
    assert result.outcomes == {"open": result.outcomes.total()}


def test_without_either_of_them_some_are() -> None:
    assert asyncio.run(measure("plain", 1)).outcomes["ConnectionRefusedError"] > 0
