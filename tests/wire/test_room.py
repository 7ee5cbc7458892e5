"""A room under load in the real daemon: who gets what, in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest
from websockets.asyncio.client import ClientConnection, connect

from support.client import connect as sync_connect
from support.raw import raw_client
from support.wire import TEXT, frame

MEMBERS, SENDERS, NEWCOMERS = 180, 20, 30
EACH = 40
HISTORY = 50
END = "end"
SITE = f"""
routes:
  /room/{{room}}:
    broadcast: {{history: {HISTORY}}}
"""


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


class Crowd:
    """Senders and newcomers: half of the newcomers come while the senders are in their first half, half in their second."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.begun = asyncio.Event()
        self.first_arrived = asyncio.Event()
        self.second_begun = asyncio.Event()
        self.arrived = 0

    async def speak(self, client: ClientConnection, name: str) -> None:
        for number in range(EACH):
            if number == EACH // 4:
                self.begun.set()
            if number == EACH // 2:
                await self.first_arrived.wait()
            if number == EACH * 3 // 4:
                self.second_begun.set()
            await client.send(f"{name}:{number}")
            await asyncio.sleep(0)  # so that all speak at the same time

    async def come_and_read(self, number: int) -> list[str]:
        is_early = number < NEWCOMERS // 2
        await (self.begun if is_early else self.second_begun).wait()
        client = await enter(self.url)
        self.arrived += 1
        if self.arrived == NEWCOMERS // 2:
            self.first_arrived.set()
        return await read_until_end(client)


@pytest.mark.anyio
@pytest.mark.slow
async def test_two_hundred_members_hear_everything_once_in_one_order_and_newcomers_hear_on_from_the_history(daemon):
    running = await asyncio.to_thread(daemon, SITE)
    url = running.url("/room/a")
    async with asyncio.timeout(30):
        members = await together(*(enter(url) for _ in range(MEMBERS)))
        senders = await together(*(enter(url) for _ in range(SENDERS)))
        other_room = await enter(running.url("/room/b"))

        crowd = Crowd(url)
        readers = asyncio.gather(*(read_until_end(client) for client in [*members, *senders[1:]]))
        newcomers = asyncio.gather(*(crowd.come_and_read(number) for number in range(NEWCOMERS)))
        first, *_ = await together(hear_all(senders[0]), *(crowd.speak(client, f"s{number}") for number, client in enumerate(senders)))
        await senders[0].send(END)
        heard, heard_late = await readers, await newcomers
        assert [] == await read_until_end(senders[0])
        await other_room.send(END)
        assert [] == await read_until_end(other_room)

    assert len(set(first)) == len(first) == SENDERS * EACH
    for number in range(SENDERS):
        assert [f"s{number}:{each}" for each in range(EACH)] == [message for message in first if message.startswith(f"s{number}:")]
    assert all(first == each for each in heard)
    for each in heard_late:
        assert first[len(first) - len(each) :] == each, "a gap or a duplicate"
    lengths = sorted(len(each) for each in heard_late)
    assert lengths[0] >= HISTORY - 1, "less than the history, of which the last one may be the end"
    assert lengths[NEWCOMERS // 2] >= HISTORY + len(first) // 2, "an early newcomer missed some of the second half"


async def hear_all(client: ClientConnection) -> list[str]:
    """As many messages as are spoken in all."""
    return [str(await client.recv()) for _ in range(SENDERS * EACH)]


@pytest.mark.anyio
@pytest.mark.slow
async def test_members_that_are_torn_away_under_load_disturb_nobody(daemon):
    running = await asyncio.to_thread(daemon, SITE)
    url = running.url("/room/a")
    async with asyncio.timeout(30):
        members = await together(*(enter(url) for _ in range(60)))
        torn = await together(*(enter(url) for _ in range(60)))
        speaker = await enter(url)
        readers = asyncio.gather(*(read_until_end(client) for client in members))
        for number in range(600):
            await speaker.send(f"{number}:" + "x" * 2000)
            if number % 10 == 0:
                torn.pop().transport.abort()
            if number % 20 == 0:
                await speaker.recv()
        await speaker.send(END)
        heard = await readers
        speaker.transport.abort()
    assert all([f"{number}:" + "x" * 2000 for number in range(600)] == each for each in heard)
    await asyncio.to_thread(running.wait_for, "connection.closed", count=121)
    assert 61 == len(running.find_records("connection.closed", cause="client_abort"))


@pytest.mark.slow
def test_a_member_that_reads_slowly_gets_every_byte_in_order(daemon):
    running = daemon(SITE + "    outbox: {size: 64MiB}\n")
    messages = [f"{number}:" + chr(97 + number % 26) * (number * 400 % 65_000) for number in range(300)]
    with raw_client(running.port, 4096) as slow, sync_connect(running.url("/room/a"), max_size=None) as speaker:
        slow.upgrade("/room/a")
        for message in messages:
            speaker.send(message)
            assert message == speaker.recv(timeout=5)
        expected = b"".join(frame(TEXT, message.encode()) for message in messages)
        assert expected == slow.read_exactly(len(expected))
        slow.assert_nothing_more()
