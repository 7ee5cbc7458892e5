"""Twenty and more edits of a plugin file, one after the other: every connection of every route stays alive."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from support.mutations import MUTATIONS, restore
from support.reloading import run_site
from wsrouter.daemon import loader

pytestmark = pytest.mark.anyio

SITE = "routes: {/loud: loud, /echo: echo, /room: broadcast, /tick: {periodic: {every: 1h, message: x, at_open: true}}}"
PATHS = ("/echo", "/room", "/loud", "/tick")
BY_CHANGE = {"a comment", "another answer", "another helper"}
"""Edits that load. The others that do are harmless, too."""


async def ask(client: Any) -> str:
    await client.send("x")
    return str(await asyncio.wait_for(client.recv(), 5))


@pytest.mark.parametrize("name", MUTATIONS)
async def test_a_mutation_of_a_plugin_file_leaves_every_connection_alive(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "LOAD_S", 2.0)
    plugins = tmp_path / "plugins"
    restore(plugins)
    async with run_site(tmp_path, SITE) as site:
        clients = [await site.connect(path) for path in PATHS]
        MUTATIONS[name](plugins)
        outcome = await site.reload()
        assert outcome.ok or outcome.problems
        assert outcome.ok or name not in BY_CHANGE
        assert ["x", "x", "x!"] == [await ask(client) for client in clients[:3]]
        async with site.connect("/loud") as late:
            assert outcome.ok or await ask(late) == "x!"
        assert all(client.close_code is None for client in clients)

        restore(plugins)
        assert (await site.reload()).ok
        # Where the edit was loaded, this is the third generation of /loud: the client of the first is drained, as at any edit.
        staying = clients[:2] if outcome.facts.get("changed") else clients[:3]
        assert ["x", "x", "x!"][: len(staying)] == [await ask(client) for client in staying]
        async with site.connect("/loud") as late:
            assert "x!" == await ask(late)
        assert clients[3].close_code is None


async def test_all_mutations_one_after_the_other_end_nobody_on_another_route(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    restore(plugins)
    async with run_site(tmp_path, SITE) as site:
        clients = [await site.connect(path) for path in PATHS if path != "/loud"]
        for name, mutate in MUTATIONS.items():
            mutate(plugins)
            await site.reload()
            assert ["x", "x"] == [await ask(client) for client in clients[:2]], name
            restore(plugins)
            assert (await site.reload()).ok, name
            async with site.connect("/loud") as late:
                assert "x!" == await ask(late), name
        assert 3 == len([client for client in clients if client.close_code is None])
