"""What a reload changes for connections that are open, without another handler: limits, outbox, keepalive, access."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.reloading import RunningSite, run_site
from support.waiting import until_async

pytestmark = pytest.mark.anyio

TAG = "from wsrouter import Handler\n\nclass Tag(Handler):\n    word: str\n\n    def on_message(self, connection, message):\n        return self.word\n"


def site_with(settings: str = "", word: str = "old") -> str:
    return f"routes:\n  /a:\n    tag: {{word: {word}}}\n    {settings}\n  /other: echo\n"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[RunningSite]:
    async with run_site(tmp_path, site_with(), {"tag.py": TAG}) as running:
        yield running


async def answer(client: Any, message: str = "?") -> str:
    await client.send(message)
    return str(await asyncio.wait_for(client.recv(), 5))


def connections(site: RunningSite) -> list[Any]:
    """wire's own, that are open."""
    return list(site.running.hub.connections)


async def _read_on(client: Any) -> None:
    while True:
        await client.recv()


async def ending(client: Any) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as closed:
        await asyncio.wait_for(_read_on(client), 5)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


@pytest.mark.parametrize("word", ["old", "new"], ids=["a route that stays", "connections left with an old handler"])
async def test_a_smaller_message_size_counts_at_once(site: RunningSite, word: str) -> None:
    async with site.connect("/a") as client, site.connect("/other") as other:
        handler = site.handler("/a")
        assert "old" == await answer(client, "x" * 100)
        assert (await site.reload(site_with("limits: {message_size: 50B}", word))).ok
        assert "old" == await answer(client, "x" * 50)
        await client.send("x" * 51)
        assert 1009 == (await ending(client))[0]
        assert (handler is site.handler("/a")) is (word == "old")
        assert "x" * 100 == await answer(other, "x" * 100)


async def test_a_larger_message_size_counts_at_once(tmp_path: Path) -> None:
    async with run_site(tmp_path, site_with("limits: {message_size: 50B}"), {"tag.py": TAG}) as site, site.connect("/a") as client:
        await site.reload(site_with("limits: {message_size: 50KiB}"))
        assert "old" == await answer(client, "x" * 40_000)


async def test_a_message_in_the_middle_of_its_fragments_may_be_as_long_as_when_it_began(site: RunningSite) -> None:
    async with site.connect("/a") as client:

        async def fragments() -> AsyncIterator[str]:
            yield "x" * 40
            await site.reload(site_with("limits: {message_size: 50B}"))
            yield "x" * 40

        await client.send(fragments())
        assert "old" == await asyncio.wait_for(client.recv(), 5)
        await client.send("x" * 51)
        assert 1009 == (await ending(client))[0]


@pytest.mark.parametrize("word", ["old", "new"])
async def test_a_message_rate_counts_at_once(site: RunningSite, word: str) -> None:
    async with site.connect("/a") as client:
        await site.reload(site_with("limits: {message_rate: {rate: 1/m, burst: 2}}", word))
        assert ["old", "old"] == [await answer(client), await answer(client)]
        await client.send("once too often")
        assert (1008, "rate_limit") == await ending(client)


async def test_a_rate_that_is_lifted_counts_no_more(tmp_path: Path) -> None:
    async with run_site(tmp_path, site_with("limits: {message_rate: {rate: 1/m, burst: 2}}"), {"tag.py": TAG}) as site, site.connect("/a") as client:
        await answer(client)
        await site.reload(site_with())
        assert ["old"] * 5 == [await answer(client) for _ in range(5)]


async def test_a_rate_that_stays_is_not_forgiven_what_was_used(tmp_path: Path) -> None:
    rate = "limits: {message_rate: {rate: 1/m, burst: 2}}"
    async with run_site(tmp_path, site_with(rate), {"tag.py": TAG}) as site, site.connect("/a") as client:
        assert ["old", "old"] == [await answer(client), await answer(client)]
        await site.reload(site_with(rate.replace("}}", "}, message_size: 1KiB}")))
        await client.send("once too often")
        assert (1008, "rate_limit") == await ending(client)


@pytest.mark.parametrize("word", ["old", "new"])
async def test_an_idle_limit_counts_from_the_reload(site: RunningSite, word: str) -> None:
    async with site.connect("/a") as client, site.connect("/other") as other:
        await answer(client)
        await site.reload(site_with("limits: {idle: 600ms}", word))
        begun = asyncio.get_running_loop().time()
        assert (1001, "idle") == await ending(client)
        assert 0.5 < asyncio.get_running_loop().time() - begun < 1.1  # what was said before the reload gives no second term
        assert "?" == await answer(other)


async def test_a_keepalive_counts_at_once(site: RunningSite) -> None:
    async with site.connect("/a", ping_interval=None) as client:
        client.transport.pause_reading()  # it answers no ping
        await site.reload(site_with("keepalive: {ping: 100ms, pong: 100ms}"))
        await until_async(lambda: connections(site)[0].ending is not None)
        assert "ping_timeout" == connections(site)[0].ending.cause.value
        client.transport.abort()


async def test_an_outbox_counts_at_once(tmp_path: Path) -> None:
    text = """
        routes:
          /room: {broadcast: {topic: t, to_sender: false}, outbox: {size: SIZE}, limits: {message_size: 1MiB}}
        """
    async with run_site(tmp_path, text.replace("SIZE", "64MiB")) as site, site.connect("/room") as slow, site.connect("/room") as publisher:
        slow.transport.pause_reading()
        await until_async(lambda: site.running.hub.topics.members("t") == 2)
        for _ in range(20):
            await publisher.send("x" * 1_000_000)
        await until_async(lambda: any(connection.messages_in == 20 for connection in connections(site)))
        assert (await site.reload(text.replace("SIZE", "1MiB"))).ok
        assert not any(connection.closing for connection in connections(site))
        await publisher.send("the last drop")
        await until_async(lambda: any(connection.closing for connection in connections(site)))
        slow.transport.resume_reading()
        assert (1013, "outbox full") == await ending(slow)


async def test_an_age_counts_from_the_opening(site: RunningSite) -> None:
    async with site.connect("/a") as client:
        await asyncio.sleep(1.0)
        begun = asyncio.get_running_loop().time()
        await site.reload(site_with("limits: {age: 1s}"))
        assert (1001, "max_age") == await ending(client)
        assert asyncio.get_running_loop().time() - begun < 0.7  # it is past already: within a tenth of the age, and the timer's tenth of a second


@pytest.mark.parametrize("word", ["old", "new"])
async def test_whose_origin_is_no_longer_allowed_is_closed(site: RunningSite, word: str) -> None:
    await site.reload(site_with("origins: [http://a.example, http://b.example]"))
    async with (
        site.connect("/a", origin="http://a.example") as a,
        site.connect("/a", origin="http://b.example") as b,
        site.connect("/a") as none,
    ):
        outcome = await site.reload(site_with("origins: [http://b.example]", word))
        assert outcome.summary.endswith("2 kept, 1 draining")
        assert (1008, "access_revoked") == await ending(a)
        assert ["old", "old"] == [await answer(b), await answer(none)]
        with pytest.raises(InvalidStatus):
            await site.connect("/a", origin="http://a.example")


async def test_who_came_by_a_host_that_is_no_longer_served_is_closed(site: RunningSite) -> None:
    url = site.running.listeners.urls[0].replace("127.0.0.1", "localhost")
    async with site.connect("/a") as by_address, connect(f"{url}/a", proxy=None) as by_name, connect(f"{url}/other", proxy=None) as other:
        await site.reload("server: {hosts: [127.0.0.1]}\n" + site_with())
        assert (1008, "access_revoked") == await ending(by_name)
        assert (1008, "access_revoked") == await ending(other)
        assert "old" == await answer(by_address)


async def test_access_that_is_widened_closes_nobody(site: RunningSite) -> None:
    async with site.connect("/a") as client:
        outcome = await site.reload("server: {hosts: [127.0.0.1, localhost]}\n" + site_with("origins: ['*']"))
        assert outcome.summary.endswith("1 kept, 0 draining")
        assert "old" == await answer(client)


async def test_limits_of_the_server_count_for_newcomers_only(site: RunningSite) -> None:
    async with site.connect("/a") as one, site.connect("/a") as two:
        await site.reload("server: {limits: {connections_per_address: 2}}\n" + site_with())
        with pytest.raises(InvalidStatus) as refused:
            await site.connect("/a")
        assert 429 == refused.value.response.status_code
        assert ["old", "old"] == [await answer(one), await answer(two)]
        await site.reload("server: {limits: {connections: 2}}\n" + site_with())
        with pytest.raises(InvalidStatus) as refused:
            await site.connect("/a")
        assert 503 == refused.value.response.status_code
        await site.reload(site_with())
        async with site.connect("/a") as three:
            assert "old" == await answer(three)


async def test_a_client_that_does_not_read_is_still_found_after_a_change_of_settings(tmp_path: Path) -> None:
    plugin = (
        "from wsrouter import Handler\n\nclass Flood(Handler):\n    def on_message(self, connection, message):\n        connection.send(bytes(20_000_000))\n"
    )
    text = "routes: {/f: {flood: {}, outbox: {size: 64MiB, stalled: 1s}, limits: {idle: IDLE}}}"
    async with run_site(tmp_path, text.replace("IDLE", "0s"), {"flood.py": plugin}) as site, site.connect("/f") as client:
        client.transport.pause_reading()
        await client.send("go")
        await until_async(lambda: connections(site)[0].messages_in)
        await site.reload(text.replace("IDLE", "1h"))
        await until_async(lambda: connections(site)[0].closing, within=4)
        client.transport.abort()


@pytest.mark.parametrize("word", ["old", "new"])
async def test_what_happens_over_a_rate_counts_at_once(site: RunningSite, word: str) -> None:
    rate = "limits: {message_rate: {rate: 1/m, burst: 1}, on_exceed: HOW}"
    async with site.connect("/a") as client:
        await site.reload(site_with(rate.replace("HOW", "drop"), word))
        assert "old" == await answer(client)
        await client.send("too much")
        await client.ping()
        await until_async(lambda: connections(site)[0].losses is not None)
        await site.reload(site_with(rate.replace("HOW", "pause"), word))
        await client.send("too much")
        await until_async(lambda: connections(site)[0].is_held)
        await site.reload(site_with(rate.replace("HOW", "close, close_code: 4429"), word))
        assert (4429, "rate_limit") == await ending(client)


async def test_what_happens_to_a_full_outbox_counts_at_once(tmp_path: Path) -> None:
    text = "routes: {/room: {broadcast: {to_sender: false}, outbox: {size: 64KiB, on_full: HOW}, limits: {message_size: 1MiB}}}"
    async with run_site(tmp_path, text.replace("HOW", "drop_newest")) as site, site.connect("/room", max_queue=1) as slow, site.connect("/room") as publisher:
        slow.transport.pause_reading()
        await until_async(lambda: site.running.hub.topics.members("/room") == 2)
        for _ in range(20):
            await publisher.send("x" * 1_000_000)
        await until_async(lambda: any(connection.losses is not None for connection in connections(site)))
        assert not any(connection.closing for connection in connections(site))
        assert (await site.reload(text.replace("HOW", "close"))).ok
        await publisher.send("the last drop")
        await until_async(lambda: any(connection.closing for connection in connections(site)))
        slow.transport.abort()


async def test_a_number_of_connections_of_a_route_counts_for_newcomers_also_with_another_handler(site: RunningSite) -> None:
    async with site.connect("/a") as one, site.connect("/a") as two:
        for word in ("old", "new"):
            await site.reload(site_with("limits: {connections: 2}", word))
            with pytest.raises(InvalidStatus) as refused:
                await site.connect("/a")
            assert 503 == refused.value.response.status_code
        assert ["old", "old"] == [await answer(one), await answer(two)]
        await site.reload(site_with("limits: {connections: 3}", "new"))
        async with site.connect("/a") as three:
            assert "new" == await answer(three)
