from __future__ import annotations

import asyncio
import gc
import sys

import pytest

from wsrouter.pipeline.tasks import Tasks, is_cancelled

pytestmark = pytest.mark.anyio


class Owner:
    """An owner of tasks that notes their failures."""

    def __init__(self) -> None:
        self.failures: list[tuple[str, BaseException]] = []
        self.tasks = Tasks("/route", lambda name, error: self.failures.append((name, error)))


async def wait_for_ever() -> None:
    await asyncio.get_running_loop().create_future()


async def test_a_task_has_the_name_of_its_owner_and_its_own_while_it_runs():
    tasks = Owner().tasks
    named, unnamed = tasks.spawn(wait_for_ever(), "refresh"), tasks.spawn(wait_for_ever())
    assert ["/route refresh", "/route wait_for_ever"] == tasks.names()
    assert 2 == len(tasks)
    await tasks.cancel()
    assert (True, True, 0) == (named.cancelled(), unnamed.cancelled(), len(tasks))


async def test_a_task_that_ends_is_forgotten():
    owner = Owner()

    async def short() -> None:
        await asyncio.sleep(0)

    await owner.tasks.spawn(short())
    await asyncio.sleep(0)
    assert (0, []) == (len(owner.tasks), owner.failures)


async def test_a_failure_is_told_once_with_the_tasks_name():
    owner = Owner()
    error = LookupError("of the task")

    async def failing() -> None:
        raise error

    await owner.tasks.spawn(failing(), "refresh")
    assert [("/route refresh", error)] == owner.failures


async def test_sys_exit_in_a_task_does_not_end_the_loop():
    owner = Owner()

    async def leaving() -> None:
        await asyncio.sleep(0)
        sys.exit(3)

    await owner.tasks.spawn(leaving(), "leave")
    assert [SystemExit] == [type(error) for _, error in owner.failures]


async def test_cancelling_is_no_failure_and_waits_for_the_cleaning_up():
    owner = Owner()
    steps = []

    async def careful() -> None:
        try:
            await wait_for_ever()
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")

    owner.tasks.spawn(careful())
    await asyncio.sleep(0)
    await owner.tasks.cancel()
    assert (["cleaned up"], []) == (steps, owner.failures)


async def test_a_failure_while_cleaning_up_is_told():
    owner = Owner()

    async def careless() -> None:
        try:
            await wait_for_ever()
        finally:
            raise LookupError

    owner.tasks.spawn(careless(), "careless")
    await asyncio.sleep(0)
    await owner.tasks.cancel()
    assert ["/route careless"] == [name for name, _ in owner.failures]


async def test_a_task_that_is_cancelled_before_it_began_leaves_no_warning(recwarn):
    owner = Owner()
    owner.tasks.spawn(wait_for_ever())
    await owner.tasks.cancel()
    gc.collect()
    assert [] == [str(warning.message) for warning in recwarn]


async def test_cancelling_nothing_is_done_at_once():
    await Owner().tasks.cancel()


async def test_a_cancelled_error_that_a_task_came_upon_itself_is_its_failure():
    owner = Owner()

    async def waits_for_a_cancelled_one() -> None:
        other = asyncio.create_task(wait_for_ever())
        await asyncio.sleep(0)
        other.cancel()
        await other

    await owner.tasks.spawn(waits_for_a_cancelled_one(), "parent")
    assert [("/route parent", asyncio.CancelledError)] == [(name, type(error)) for name, error in owner.failures]


async def test_only_the_cancelling_of_the_running_task_counts_as_cancelled():
    assert not is_cancelled(asyncio.CancelledError())
    assert not is_cancelled(LookupError())
