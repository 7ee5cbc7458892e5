"""The shipped plugins load, and have the options that their README promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from wsrouter.config.annotations import form_of
from wsrouter.plugins.library import HandlerLibrary
from wsrouter.plugins.spec import HandlerSpec

FOLDER = Path(__file__).parents[2] / "plugins"


@pytest.fixture
def library() -> Iterator[HandlerLibrary]:
    made = HandlerLibrary([FOLDER])
    yield made
    made.close()


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("hello", "coroutine", {"greeting": "Message bien reçu"}),
        ("shout", "class", {"suffix": "!"}),
        ("prices", "source", {"every": 1.0, "symbols": ("ACME", "GLOBEX", "INITECH"), "seed": None}),
        ("conversation", "coroutine", {"every": 5.0, "question": "Are you still there?"}),
    ],
)
def test_each_example_loads_with_its_options(library: HandlerLibrary, name: str, kind: str, options: dict[str, object]) -> None:
    spec = library.find(name)
    assert (kind, options) == (spec.kind, {field.name: field.default for field in spec.fields})
    assert spec.summary


def test_nothing_else_is_in_the_folder(library: HandlerLibrary) -> None:
    plugins = library.all_specs()[: len(library.plugin_names())]
    assert ["conversation", "hello", "prices", "shout"] == [entry.name for entry in plugins if isinstance(entry, HandlerSpec)]


def test_shout_upper_cases(library: HandlerLibrary) -> None:
    shout = library.find("shout").target(suffix="?")
    assert "HI?" == shout.on_message(None, "hi")  # type: ignore[attr-defined]


def test_prices_are_the_same_for_the_same_seed_and_wait_between_rounds(library: HandlerLibrary) -> None:
    assert rounds(library, seed=1) == rounds(library, seed=1) != rounds(library, seed=2)
    first = rounds(library, seed=1)
    assert ["ACME", "GLOBEX", "INITECH", 2.5, "ACME"] == [entry if isinstance(entry, float) else entry["symbol"] for entry in first[:5]]


def test_times_are_durations(library: HandlerLibrary) -> None:
    every = [field.annotation for name in ("prices", "conversation") for field in library.find(name).fields if field.name == "every"]
    assert ["duration", "duration"] == [form_of(annotation).unit for annotation in every]


def rounds(library: HandlerLibrary, seed: int) -> list[dict[str, object] | float]:
    """What two rounds yield, and how long they wait."""
    heard: list[dict[str, object] | float] = []

    async def sleep(delay_s: float) -> None:
        heard.append(delay_s)

    context = SimpleNamespace(clock=SimpleNamespace(sleep=sleep, monotonic=lambda: 0.0, now=lambda: datetime.now(UTC)))

    async def listen(source: AsyncIterator[dict[str, object]]) -> None:
        async for message in source:
            heard.append(message)
            if len(heard) >= 7:
                break
        await source.aclose()  # type: ignore[attr-defined]

    asyncio.run(listen(library.find("prices").target(context, every=2.5, seed=seed)))  # type: ignore[arg-type]
    return heard
