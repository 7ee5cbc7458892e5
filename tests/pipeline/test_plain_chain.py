from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from support.pipeline import Chain, MemoryClient
from wsrouter import Cause, Connection, Handler, HandlerError, Message, Reply


class Add(Handler):
    """Adds a letter to what comes through, and notes its life."""

    letter: str
    notes: Any = None

    def on_open(self, connection: Connection) -> None:
        self._note("open")

    def on_message(self, connection: Connection, message: Message) -> Reply:
        return f"{message}{self.letter}"

    def on_close(self, connection: Connection, cause: Cause) -> None:
        self._note(f"close {cause}")

    def _note(self, text: str) -> None:
        if self.notes is not None:
            self.notes.append(f"{self.letter} {text}")


class Returns(Handler):
    """Returns what it was told to, or raises it."""

    reply: Any = None

    def on_message(self, connection: Connection, message: Message) -> Reply:
        if isinstance(self.reply, BaseException):
            raise self.reply
        if self.reply == "exit":
            sys.exit(3)
        return self.reply


class Seen(Handler):
    """Notes what reaches it, and ends it."""

    seen: Any = None

    def on_message(self, connection: Connection, message: Message) -> None:
        self.seen.append(message)


class Fails(Handler):
    """Raises in one of its hooks."""

    hook: str

    def on_open(self, connection: Connection) -> None:
        self._fail("on_open")

    def on_message(self, connection: Connection, message: Message) -> Reply:
        self._fail("on_message")
        return message

    def on_close(self, connection: Connection, cause: Cause) -> None:
        self._fail("on_close")

    def _fail(self, hook: str) -> None:
        if hook == self.hook:
            raise LookupError(hook)


def test_what_a_step_returns_goes_to_the_next_and_from_the_last_to_the_client():
    chain = Chain(Add(letter="a"), Add(letter="b"), Add(letter="c"))
    client = chain.open()
    chain.read(client, "1", "2")
    assert ["1abc", "2abc"] == client.sent


def test_a_handler_without_on_message_passes_through():
    class Nothing(Handler):
        pass

    for handlers in ([Nothing()], [Nothing(), Add(letter="a")]):
        chain = Chain(*handlers)
        client = chain.open()
        chain.read(client, "1", b"2")
        assert (["1", b"2"] if len(handlers) == 1 else ["1a", "b'2'a"]) == client.sent


@pytest.mark.parametrize("after", [[], [Add(letter="a")]], ids=["single", "chain"])
def test_none_ends_it(after):
    chain = Chain(Returns(reply=None), *after)
    client = chain.open()
    chain.read(client, "1")
    assert [] == client.sent
    assert not client.closing


@pytest.mark.parametrize("letters", ["", "x"], ids=["single", "chain"])
def test_a_list_is_that_many_messages(letters):
    chain = Chain(Returns(reply=["a", "b", "c"]), *(Add(letter=letter) for letter in letters))
    client = chain.open()
    chain.read(client, "1")
    assert [f"{each}{letters}" for each in "abc"] == client.sent


def test_an_empty_list_is_none_and_an_empty_text_is_a_message():
    for reply, sent in (([], []), ("", [""])):
        chain = Chain(Returns(reply=reply))
        client = chain.open()
        chain.read(client, "1")
        assert sent == client.sent


def test_a_dict_is_json_between_steps_and_to_the_client():
    seen: list[Any] = []
    for handlers in ([Returns(reply={"a": [1]}), Seen(seen=seen)], [Returns(reply=[{"a": [1]}, (1, 2)]), Seen(seen=seen)]):
        chain = Chain(*handlers)
        chain.read(chain.open(), "1")
    assert ['{"a":[1]}', '{"a":[1]}', "[1,2]"] == seen
    chain = Chain(Returns(reply=[{"a": 1}, [2]]))
    client = chain.open()
    chain.read(client, "1")
    assert [{"a": 1}, [2]] == [json.loads(text) for text in client.sent]


def test_byte_likes_are_binary_between_steps():
    seen: list[Any] = []
    chain = Chain(Returns(reply=bytearray(b"ab")), Seen(seen=seen))
    chain.read(chain.open(), "1")
    assert [b"ab"] == seen


def test_opening_is_first_to_last_and_closing_last_to_first():
    notes: list[str] = []
    chain = Chain(Add(letter="a", notes=notes), Seen(seen=[]), Add(letter="b", notes=notes))
    client = chain.open()
    chain.lose(client)
    assert ["a open", "b open", "b close client_close", "a close client_close"] == notes


def test_only_steps_that_were_opened_are_closed():
    notes: list[str] = []
    chain = Chain(Add(letter="a", notes=notes), Fails(hook="on_open"), Add(letter="b", notes=notes))
    client = chain.open()
    chain.read(client, "1")
    chain.lose(client)
    assert ["a open", "a close handler_error"] == notes
    assert [] == client.sent
    assert (1011, "") == client.closed
    assert [("Fails", "on_open", LookupError)] == chain.failures


def test_a_failing_on_message_is_told_once_and_costs_its_own_connection():
    chain = Chain(Fails(hook="on_message"))
    client, other = chain.open(), chain.open()
    chain.read(client, "1", "2", "3")
    assert [("Fails", "on_message", LookupError)] == chain.failures
    assert ("/route", client.id) == (chain.notes.failures[0].route, chain.notes.failures[0].connection_id)
    assert Cause.HANDLER_ERROR is client.ending.cause
    assert not other.closing


def test_a_later_step_that_fails_on_one_of_many_messages_is_told_once():
    chain = Chain(Returns(reply=["a", "b"]), Fails(hook="on_message"))
    client = chain.open()
    chain.read(client, "1", "2")
    assert [("Fails", "on_message", LookupError)] == chain.failures
    assert Cause.HANDLER_ERROR is client.ending.cause


def test_a_failing_on_close_is_told_and_the_others_are_closed():
    notes: list[str] = []
    chain = Chain(Add(letter="a", notes=notes), Fails(hook="on_close"))
    client = chain.open()
    chain.lose(client)
    assert [("Fails", "on_close", LookupError)] == chain.failures
    assert ["a open", "a close client_close"] == notes
    assert client.id == chain.notes.failures[0].connection_id


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit()], ids=lambda error: type(error).__name__)
def test_what_is_no_ordinary_exception_is_fenced_too(error):
    for more in ([], [Add(letter="a")]):
        chain = Chain(Returns(reply=error), *more)
        client = chain.open()
        chain.read(client, "1")
        assert [("Returns", "on_message", type(error))] == chain.failures
        assert (1011, "") == client.closed


def test_sys_exit_costs_its_own_connection():
    chain = Chain(Returns(reply="exit"))
    client = chain.open()
    chain.read(client, "1")
    assert [("Returns", "on_message", SystemExit)] == chain.failures
    assert (1011, "") == client.closed


@pytest.mark.parametrize("more", [[], [Add(letter="a")]], ids=["single", "chain"])
def test_what_cannot_be_sent_is_the_failure_of_the_step_that_returned_it(more):
    chain = Chain(*more, Returns(reply={1, 2}))
    client = chain.open()
    chain.read(client, "1")
    assert [("Returns", "on_message", TypeError)] == chain.failures


def test_text_that_no_websocket_can_carry_is_the_failure_of_the_last_step():
    class Strict(MemoryClient):
        def send(self, message: Any) -> None:
            message.encode()

    for handlers in ([Returns(reply="\ud800")], [Returns(reply="x"), Returns(reply="\ud800")]):
        chain = Chain(*handlers)
        client = chain.open(Strict())
        chain.read(client, "1")
        assert [("Returns", "on_message", UnicodeEncodeError)] == chain.failures
        assert Cause.HANDLER_ERROR is client.ending.cause


def test_nothing_is_handed_on_after_a_step_has_closed():
    class Closes(Handler):
        def on_message(self, connection: Connection, message: Message) -> Reply:
            connection.close(4000, "enough")
            return message

    seen: list[Any] = []
    chain = Chain(Closes(), Seen(seen=seen))
    client = chain.open()
    chain.read(client, "1", "2")
    assert ([], (4000, "enough")) == (seen, client.closed)


class OnlyText(Handler[str]):
    def on_message(self, connection: Connection, message: str) -> str:
        return message


class OnlyBytes(Handler[bytes]):
    def on_message(self, connection: Connection, message: bytes) -> bytes:
        return message


@pytest.mark.parametrize(
    ("handler", "good", "bad", "reason"),
    [(OnlyText(), "a", b"a", "this route takes text messages only"), (OnlyBytes(), b"a", "a", "this route takes binary messages only")],
    ids=["text", "binary"],
)
def test_the_wrong_type_closes_with_1003_and_is_no_failure(handler, good, bad, reason):
    chain = Chain(handler)
    client = chain.open()
    chain.read(client, good, bad, good)
    assert [good] == client.sent
    assert (Cause.WRONG_TYPE, (1003, reason)) == (client.ending.cause, client.closed)
    assert [] == chain.failures


def test_connection_send_goes_to_the_client_past_later_steps():
    class Tells(Handler):
        def on_message(self, connection: Connection, message: Message) -> Reply:
            connection.send("past")
            return message

    chain = Chain(Tells(), Add(letter="a"))
    client = chain.open()
    chain.read(client, "1")
    assert ["past", "1a"] == client.sent


class Forgets(Handler):
    """Its hooks are plain, and return a coroutine that nobody awaits."""

    hook: str

    async def later(self) -> None: ...

    def on_open(self, connection):
        return self.later() if self.hook == "on_open" else None

    def on_message(self, connection, message):
        return self.later() if self.hook == "on_message" else message

    def on_close(self, connection, cause):
        return self.later() if self.hook == "on_close" else None


@pytest.mark.parametrize("behind", [(), (Add(letter="a", notes=[]),)], ids=["alone", "in a chain"])
@pytest.mark.parametrize("hook", ["on_open", "on_message", "on_close"])
def test_a_plain_hook_that_returns_a_coroutine_fails_with_what_to_write(hook, behind):
    chain = Chain(Forgets(hook=hook), *behind)
    client = chain.open()
    if client.ending is None:
        chain.read(client, "x")
    chain.lose(client)
    assert [("Forgets", hook, HandlerError)] == chain.failures
    assert f"{hook} returned a coroutine, which must be awaited: write async def {hook}, and await it there" == str(chain.notes.failures[0].error)
