from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from support.pipeline import Chain, MemoryClient
from wsrouter import Cause, Connection, Handler, Message, Reply
from wsrouter.pipeline.queue import HIGH, LOW
from wsrouter.testing.clock import TURNS

pytestmark = pytest.mark.anyio


async def settle() -> None:
    """Lets tasks run until they wait."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


class Slow(Handler):
    """Notes the begin and the end of each hook, which waits for `gate` in between."""

    name: str
    notes: Any
    gate: Any = None

    async def on_open(self, connection: Connection) -> None:
        await self._wait("open")

    async def on_message(self, connection: Connection, message: Message) -> Reply:
        await self._wait(str(message))
        return f"{message}{self.name}"

    async def on_close(self, connection: Connection, cause: Cause) -> None:
        await self._wait(f"close {cause}")

    async def _wait(self, what: str) -> None:
        self.notes.append(f"{self.name} begins {what}")
        await (self.gate.wait() if self.gate is not None else asyncio.sleep(0))
        self.notes.append(f"{self.name} ends {what}")


class Plain(Handler):
    """A plain step among async ones."""

    name: str
    notes: Any

    def on_open(self, connection: Connection) -> None:
        self.notes.append(f"{self.name} open")

    def on_message(self, connection: Connection, message: Message) -> Reply:
        return f"{message}{self.name}"

    def on_close(self, connection: Connection, cause: Cause) -> None:
        self.notes.append(f"{self.name} close {cause}")


class Async(Handler):
    """Does in `on_message` what the test says; notes what it got."""

    do: Any
    seen: Any = []
    closed: Any = []

    async def on_message(self, connection: Connection, message: Message) -> Reply:
        self.seen.append(message)
        answer = self.do(connection, message)
        return await answer if asyncio.iscoroutine(answer) else answer

    async def on_close(self, connection: Connection, cause: Cause) -> None:
        self.closed.append(cause)


async def test_hooks_of_a_connection_run_one_at_a_time_and_in_order():
    notes: list[str] = []
    chain = Chain(Slow(name="a", notes=notes))
    client = chain.open()
    chain.read(client, "1", "2")
    chain.read(client, "3")
    chain.lose(client)
    await settle()
    whats = ["open", "1", "2", "3", "close client_close"]
    assert [f"a {word} {what}" for what in whats for word in ("begins", "ends")] == notes
    assert ["1a", "2a", "3a"] == client.sent
    assert 0 == len(chain.tasks)


async def test_messages_wait_for_an_async_on_open():
    notes: list[str] = []
    gate = asyncio.Event()
    chain = Chain(Slow(name="a", notes=notes, gate=gate))
    client = chain.open()
    chain.read(client, "1")
    await settle()
    assert ["a begins open"] == notes
    gate.set()
    await settle()
    assert ["a begins open", "a ends open", "a begins 1", "a ends 1"] == notes
    chain.lose(client)
    await settle()


async def test_connections_do_not_wait_for_each_other():
    gate = asyncio.Event()
    wait_for = {"slow": gate}

    async def do(connection: Connection, message: Message) -> Reply:
        if message in wait_for:
            await gate.wait()
        return message

    chain = Chain(Async(do=do))
    slow, quick = chain.open(), chain.open()
    chain.read(slow, "slow")
    chain.read(quick, "quick")
    await settle()
    assert ([], ["quick"]) == (slow.sent, quick.sent)
    gate.set()
    chain.lose(slow)
    chain.lose(quick)
    await settle()
    assert ["slow"] == slow.sent


async def test_plain_and_async_steps_stand_in_one_chain():
    notes: list[str] = []
    chain = Chain(Plain(name="p", notes=notes), Slow(name="a", notes=notes), Plain(name="q", notes=notes))
    client = chain.open()
    chain.read(client, "1")
    await settle()
    assert ["1paq"] == client.sent
    chain.lose(client)
    await settle()
    opened = ["p open", "a begins open", "a ends open", "q open"]
    closed = ["q close client_close", "a begins close client_close", "a ends close client_close", "p close client_close"]
    assert [*opened, "a begins 1p", "a ends 1p", *closed] == notes


async def test_none_a_list_and_a_dict_are_what_they_are_for_plain_hooks():
    replies: dict[Any, Any] = {"none": None, "list": ["a", {"b": 1}], "dict": {"c": 1}, "bytes": bytearray(b"d")}
    seen: list[Any] = []
    chain = Chain(Async(do=lambda connection, message: replies[message]), Async(do=lambda connection, message: message, seen=seen))
    client = chain.open()
    chain.read(client, *replies)
    await settle()
    assert ["a", '{"b":1}', '{"c":1}', b"d"] == seen == client.sent
    chain.lose(client)
    await settle()


async def test_what_a_plain_on_open_or_on_close_returns_means_nothing():
    class Plain(Handler):
        def on_open(self, connection: Connection) -> object:
            return 1

        def on_close(self, connection: Connection, cause: Cause) -> object:
            return 1

    chain = Chain(Plain(), Slow(name="a", notes=[], gate=None))
    client = chain.open()
    await settle()
    chain.lose(client)
    await settle()
    assert [] == chain.failures


async def test_only_steps_that_were_opened_are_closed():
    class Refuses(Handler):
        async def on_open(self, connection: Connection) -> None:
            raise LookupError

    notes: list[str] = []
    chain = Chain(Plain(name="p", notes=notes), Refuses(), Plain(name="q", notes=notes))
    client = chain.open()
    chain.read(client, "1")
    await settle()
    chain.read(client, "2")
    chain.lose(client)
    await settle()
    assert ["p open", "p close handler_error"] == notes
    assert [] == client.sent
    assert (1011, "") == client.closed
    assert [("Refuses", "on_open", LookupError)] == chain.failures


def fail(error: BaseException) -> Any:
    def do(connection: Connection, message: Message) -> Reply:
        raise error

    return do


@pytest.mark.parametrize("error", [LookupError(), SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError()], ids=lambda error: type(error).__name__)
async def test_a_failing_hook_is_told_once_and_what_waits_behind_it_is_dropped(error):
    seen: list[Any] = []
    closed: list[Any] = []
    chain = Chain(Async(do=fail(error), seen=seen, closed=closed))
    client, other = chain.open(), chain.open()
    chain.read(client, "1", "2", "3")
    await settle()
    chain.read(client, "4")
    await settle()
    assert (["1"], []) == (seen, closed)
    assert [("Async", "on_message", type(error))] == chain.failures
    assert (1011, "") == client.closed
    assert not other.closing
    chain.lose(client)
    chain.lose(other)
    await settle()
    assert [Cause.HANDLER_ERROR, Cause.CLIENT_CLOSE] == closed
    assert [] == chain.task_failures


async def test_a_failing_hook_is_told_once_also_when_the_client_has_left():
    seen: list[Any] = []
    chain = Chain(Async(do=fail(LookupError()), seen=seen))
    client = chain.open()
    chain.read(client, "1", "2")
    chain.lose(client)
    await settle()
    assert (["1"], 1) == (seen, len(chain.failures))


async def test_sys_exit_in_an_async_hook_does_not_end_the_loop():
    chain = Chain(Async(do=lambda connection, message: sys.exit(3)))
    client = chain.open()
    chain.read(client, "1")
    await settle()
    assert [("Async", "on_message", SystemExit)] == chain.failures
    chain.lose(client)
    await settle()


async def test_a_failing_on_close_is_told_and_the_others_are_closed():
    class Fails(Handler):
        async def on_close(self, connection: Connection, cause: Cause) -> None:
            raise LookupError

    notes: list[str] = []
    chain = Chain(Plain(name="p", notes=notes), Fails())
    client = chain.open()
    chain.lose(client)
    await settle()
    assert ["p open", "p close client_close"] == notes
    assert [("Fails", "on_close", LookupError)] == chain.failures


async def test_what_waits_is_handed_on_when_the_client_has_closed():
    gate = asyncio.Event()
    notes: list[str] = []
    chain = Chain(Slow(name="a", notes=notes, gate=gate))
    client = chain.open()
    chain.read(client, "1", "2")
    client.leave_as_client()
    await settle()
    chain.lose(client)
    gate.set()
    await settle()
    assert ["a ends open", "a ends 1", "a ends 2", "a ends close client_close"] == [note for note in notes if "ends" in note]


@pytest.mark.parametrize("when", ["before it is lost", "after it is lost"])
async def test_what_waits_is_dropped_when_this_side_has_closed(when):
    gate = asyncio.Event()
    notes: list[str] = []
    chain = Chain(Slow(name="a", notes=notes, gate=gate))
    client = chain.open()
    chain.read(client, "1", "2")
    await settle()
    client.end(Cause.SHUTDOWN)
    if when == "after it is lost":
        chain.lose(client)
    gate.set()
    await settle()
    if when == "before it is lost":
        chain.lose(client)
        await settle()
    assert ["a ends open", "a ends close shutdown"] == [note for note in notes if "ends" in note]


async def test_nothing_goes_to_a_later_step_after_one_has_closed():
    seen: list[Any] = []

    def do(connection: Connection, message: Message) -> Reply:
        connection.close(4000)
        return message

    chain = Chain(Async(do=do), Async(do=lambda connection, message: None, seen=seen))
    client = chain.open()
    chain.read(client, "1", "2")
    await settle()
    assert [] == seen
    chain.lose(client)
    await settle()


async def test_reading_pauses_while_hooks_are_behind():
    gate = asyncio.Event()
    chain = Chain(Slow(name="a", notes=[], gate=gate))
    client = chain.open()
    chain.read(client, *map(str, range(HIGH)))
    assert [] == client.calls
    chain.read(client, "one too many")
    assert ["pause"] == client.calls
    gate.set()
    for _ in range(20):
        await settle()
    assert ["pause", "resume"] == client.calls
    assert HIGH + 1 == len(client.sent)
    assert LOW < HIGH
    chain.lose(client)
    await settle()


async def test_replies_wait_for_a_client_that_is_behind_and_so_does_its_reading():
    chain = Chain(Slow(name="a", notes=[], gate=None))
    client = chain.open()
    client.room.clear()
    chain.read(client, *map(str, range(HIGH + 2)))
    for _ in range(HIGH + 2):
        await settle()
    assert (1, ["pause"]) == (len(client.sent), client.calls)
    client.room.set()
    for _ in range(20):
        await settle()
    assert (HIGH + 2, ["pause", "resume"]) == (len(client.sent), client.calls)
    chain.lose(client)
    await settle()


async def test_the_wrong_type_closes_with_1003_and_is_no_failure():
    class OnlyText(Handler[str]):
        async def on_message(self, connection: Connection, message: str) -> str:
            return message

    chain = Chain(OnlyText())
    client = chain.open()
    chain.read(client, "a", b"b", "c")
    await settle()
    assert ["a"] == client.sent
    assert (1003, "this route takes text messages only") == client.closed
    assert [] == chain.failures
    chain.lose(client)
    await settle()


async def test_the_end_of_the_generation_closes_what_is_open_and_runs_on_close():
    notes: list[str] = []
    gate = asyncio.Event()
    chain = Chain(Plain(name="p", notes=notes), Slow(name="a", notes=notes, gate=gate))
    client = chain.open()
    await settle()  # on_open of the second step waits
    await chain.tasks.cancel()
    assert ["p open", "a begins open", "p close shutdown"] == notes
    assert Cause.SHUTDOWN is client.ending.cause
    chain.lose(client)


async def test_a_connection_that_was_just_closed_has_its_on_close_when_the_generation_ends():
    notes: list[str] = []
    chain = Chain(Slow(name="a", notes=notes))
    client = chain.open()
    await settle()
    client.end(Cause.SHUTDOWN)
    chain.lose(client)
    await chain.tasks.cancel()  # before the task had a turn
    assert ["a begins close shutdown", "a ends close shutdown"] == notes[-2:]


async def test_an_on_close_that_hangs_does_not_keep_the_others_from_theirs():
    notes: list[str] = []

    class Hangs(Handler):
        async def on_close(self, connection: Connection, cause: Cause) -> None:
            await asyncio.get_running_loop().create_future()

    chain = Chain(Plain(name="p", notes=notes), Hangs())
    client = chain.open()
    chain.lose(client)
    await settle()
    assert ["p open"] == notes
    await chain.tasks.cancel()
    assert ["p open", "p close client_close"] == notes


async def test_text_that_no_websocket_can_carry_is_the_failure_of_the_last_step():
    class Strict(MemoryClient):
        def send(self, message: Any) -> None:
            message.encode()

    chain = Chain(Async(do=lambda connection, message: "\ud800"))
    client = chain.open(Strict())
    chain.read(client, "1")
    await settle()
    assert [("Async", "on_message", UnicodeEncodeError)] == chain.failures
    assert (1011, "") == client.closed
    chain.lose(client)
    await settle()
