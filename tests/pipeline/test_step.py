from __future__ import annotations

import pytest

from wsrouter import Cause, Connection, Handler, Message, Reply
from wsrouter.pipeline.fence import WrongTypeError
from wsrouter.pipeline.step import Step
from wsrouter.testing import MemoryConnection

CONNECTION = MemoryConnection()


class Nothing(Handler):
    pass


class Everything(Handler):
    def on_open(self, connection: Connection) -> None: ...

    def on_message(self, connection: Connection, message: Message) -> Reply: ...

    def on_close(self, connection: Connection, cause: Cause) -> None: ...


class Inherits(Everything):
    pass


class AsyncOpen(Handler):
    async def on_open(self, connection: Connection) -> None: ...


class AsyncMessage(Handler[str]):
    async def on_message(self, connection: Connection, message: str) -> Reply:
        return message


class AsyncClose(Handler):
    async def on_close(self, connection: Connection, cause: Cause) -> None: ...


class AsyncStart(Handler):
    async def start(self, context: object) -> None: ...


def test_hooks_that_do_nothing_are_not_called():
    step = Step("nothing", Nothing())
    assert (None, None) == (step.on_open, step.on_close)
    assert "x" == step.on_message(CONNECTION, "x")


@pytest.mark.parametrize("handler", [Everything(), Inherits()], ids=["own", "inherited"])
def test_hooks_of_its_own_or_of_its_base_are_called(handler):
    step = Step("everything", handler)
    assert (handler.on_open, handler.on_close, handler.on_message) == (step.on_open, step.on_close, step.on_message)


@pytest.mark.parametrize(
    ("handler", "is_async"),
    [(Nothing(), False), (Everything(), False), (AsyncOpen(), True), (AsyncMessage(), True), (AsyncClose(), True), (AsyncStart(), False)],
    ids=lambda value: type(value).__name__,
)
def test_a_step_is_async_when_one_of_a_connections_hooks_is(handler, is_async):
    assert is_async is Step("x", handler).is_async


@pytest.mark.anyio
async def test_an_async_hook_of_one_type_is_guarded_too():
    step = Step("x", AsyncMessage())
    assert "a" == await step.on_message(CONNECTION, "a")
    with pytest.raises(WrongTypeError, match="this route takes text messages only"):
        await step.on_message(CONNECTION, b"a")
