"""A room under load in the real daemon: who gets what, in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest
from websockets.asyncio.client import ClientConnection, connect

MEMBERS, SENDERS, NEWCOMERS = 180, 20, 30
EACH = 20
HISTORY = 50
END = "end"
SITE = f"routes: {{/room/{{room}}: {{broadcast: {{history: {HISTORY}}}}}}}"


async def enter(url: str) -> ClientConnection:
    return await connect(url, proxy=None, compression=None, max_queue=None, ping_interval=None)


async def read_until_end(client: ClientConnection) -> list[str]:
    """All messages up to the last one, and nothing comes behind it."""
    got = []
    while (message := await client.recv()) != END:
        got.append(message)
    await client.close()
    return got


async def together(*awaitables: Awaitable) -> list:
    """All at once; whoever fails ends the others."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in awaitables]
    return [task.result() for task in tasks]


async def speak(client: ClientConnection, name: str, spoken: asyncio.Event) -> None:
    for number in range(EACH):
        await client.send(f"{name}:{number}")
        if number == EACH // 2:
            spoken.set()


async def come_and_read(url: str, spoken: asyncio.Event) -> list[str]:
    """Comes while the room is loud."""
    await spoken.wait()
    return await read_until_end(await enter(url))


@pytest.mark.anyio
@pytest.mark.slow
async def test_two_hundred_members_hear_everything_once_in_one_order_and_newcomers_hear_on_from_the_history(daemon):
    running = await asyncio.to_thread(daemon, SITE)
    url = running.url("/room/a")
    async with asyncio.timeout(30):
        members = await together(*(enter(url) for _ in range(MEMBERS)))
        senders = await together(*(enter(url) for _ in range(SENDERS)))
        other_room = await enter(running.url("/room/b"))

        readers = asyncio.gather(*(read_until_end(client) for client in [*members, *senders[1:]]))
        spoken = [asyncio.Event() for _ in senders]
        newcomers = asyncio.gather(*(come_and_read(url, spoken[number % SENDERS]) for number in range(NEWCOMERS)))
        await together(*(speak(client, f"s{number}", spoken[number]) for number, client in enumerate(senders)))

        first: list[str] = []
        while len(first) < SENDERS * EACH:  # the sender that is left hears all, and then says that this was all
            first.append(await senders[0].recv())
        await senders[0].send(END)
        heard, heard_late = await readers, await newcomers
        assert END == await senders[0].recv()
        await senders[0].close()
        await other_room.send(END)
        assert [] == await read_until_end(other_room)

    assert len(set(first)) == len(first) == SENDERS * EACH
    for number in range(SENDERS):
        assert [f"s{number}:{each}" for each in range(EACH)] == [message for message in first if message.startswith(f"s{number}:")]
    assert all(first == each for each in heard)
    for each in heard_late:
        assert first[len(first) - len(each) :] == each, "a gap or a duplicate"
    assert all(len(each) >= HISTORY for each in heard_late)
