from __future__ import annotations

import asyncio

from wsrouter import Clock, Context, Handler, Log
from wsrouter.testing import ManualClock, MemoryContext, MemoryLog


def test_it_has_all_that_the_interfaces_name():
    for interface, stand_in in ((Context, MemoryContext()), (Clock, ManualClock()), (Log, MemoryLog())):
        members = {name for name in vars(interface) if not name.startswith("_")}
        assert members
        assert [name for name in sorted(members) if not hasattr(stand_in, name)] == []


def test_what_is_published_reaches_members_and_spares_the_sender_if_asked():
    context = MemoryContext()
    alice, bob, carol = (context.connection() for _ in range(3))
    alice.join("room")
    bob.join("room")

    context.publish("room", "1", sender=alice)
    context.publish("room", {"n": 2}, sender=alice, to_sender=False)

    assert [alice.sent, bob.sent, carol.sent] == [["1"], ["1", '{"n":2}'], []]
    assert (context.members("room"), context.members("other")) == (2, 0)


def test_connections_counts_those_that_are_open():
    context = MemoryContext("/a")
    first, _ = context.connection(), context.connection("/b")
    first.close()

    assert (context.connections(), first.route, first.path) == (1, "/a", "/a")


def test_the_log_remembers():
    context = MemoryContext()
    context.log.warning("room.full", members=5)

    assert context.log.records == [("warning", "room.full", {"members": 5})]


def test_tasks_end_with_the_context():
    async def scenario():
        ended = []

        async def work(context):
            try:
                await context.clock.sleep(10)
            finally:
                ended.append("ended")

        async with MemoryContext() as context:
            context.spawn(work(context), "work")
            assert context.tasks == ["work"]
            await context.clock.settle()
        assert context.tasks == []
        return ended

    assert asyncio.run(scenario()) == ["ended"]


def test_a_task_cancelled_before_it_began_leaves_no_warning():
    async def scenario():
        async with MemoryContext() as context:
            context.spawn(context.clock.sleep(1)).cancel()

    asyncio.run(scenario())


def test_the_failure_of_a_task_is_kept():
    async def scenario():
        async def fail():
            raise RuntimeError("broken")

        async with MemoryContext() as context:
            context.spawn(fail())
            await context.clock.settle()
        return [str(error) for error in context.failures]

    assert asyncio.run(scenario()) == ["broken"]


class Ticker(Handler):
    """The handler of the example in the package's docstring."""

    every: float = 1.0

    def start(self, context):
        self.context = context
        context.spawn(self.tick(), "tick")

    def on_open(self, connection):
        connection.join("ticks")

    async def tick(self):
        while True:
            await self.context.clock.sleep(self.every)
            self.context.publish("ticks", "tick")


def test_the_example_of_the_documentation_works():
    async def scenario():
        clock = ManualClock()
        async with MemoryContext(clock=clock) as context:
            handler = Ticker(every=1.0)
            handler.start(context)
            alice = context.connection("/clock")
            handler.on_open(alice)
            await clock.advance(3)
            assert alice.sent == ["tick", "tick", "tick"]

    asyncio.run(scenario())
