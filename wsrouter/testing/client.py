"""`SiteClient`: a client of a `SiteTest`. Whatever it waits for passes virtual time only."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from wsrouter.api.messages import Message, Sendable, to_message
from wsrouter.scenario.expectation import show_message
from wsrouter.scenario.player import describe_end

if TYPE_CHECKING:
    from wsrouter.scenario.client import Client
    from wsrouter.scenario.running_site import RunningSite

WITHIN_S = 5.0
"""How long things are waited for, in virtual time, unless the call says otherwise."""

T = TypeVar("T")


class Closed(NamedTuple):
    """How a connection was closed: 1005 is a close frame without a code, 1006 is none at all."""

    code: int
    reason: str
    cause: str
    """As in the daemon's records: `handler_close`, `idle`, `rate_limit`…"""


class RefusedError(AssertionError):
    """A handshake was refused."""

    def __init__(self, status: int, reason: str, text: str) -> None:
        """`reason` is the word of the daemon's records: `no_route`, `origin`…"""
        super().__init__(f"the client {text}")
        self.status = status
        self.reason = reason


class Run(Protocol):
    """Runs a coroutine in the site's loop."""

    def __call__(self, coroutine: Coroutine[object, object, T], /) -> T:
        """What the coroutine returns."""


class SiteClient:
    """One open connection. Made by `SiteTest.open`."""

    def __init__(self, client: Client, running: RunningSite, run: Run) -> None:
        self.wire_client = client
        self.end_is_expected = False
        """Whether `expect_closed` has seen its end."""
        self._running = running
        self._run = run

    def send(self, message: Sendable) -> None:
        """Sends text, bytes, or a dict or list as JSON text; the site has dealt with it when this returns.

        Raises:
            AssertionError: if the connection is not open.
        """
        self._must_be_open("send")
        self.wire_client.send(to_message(message))
        self._run(self._running.rest())

    def receive(self, within_s: float = WITHIN_S) -> Message:
        """The next message.

        Raises:
            AssertionError: if none comes in time; it tells what happened instead.
        """
        if not self.wire_client.messages:
            self._wait(within_s)
        if not self.wire_client.messages:
            ended = f"it {self._end()}" if self.wire_client.has_ended else f"nothing came within {within_s:g} s"
            raise AssertionError(f"a message was expected, but {ended}")
        return self.wire_client.messages.popleft()

    def receive_json(self, within_s: float = WITHIN_S) -> object:
        """The next message as what its JSON says.

        Raises:
            AssertionError: if none comes in time, or if it is not JSON text.
        """
        message = self.receive(within_s)
        if isinstance(message, str):
            try:
                return json.loads(message)
            except ValueError:
                pass
        raise AssertionError(f"JSON was expected, but {show_message(message)} came")

    def receive_all(self) -> list[Message]:
        """The messages that have come and were not received yet; it does not wait."""
        messages = list(self.wire_client.messages)
        self.wire_client.messages.clear()
        return messages

    def expect_nothing(self, for_s: float = 1.0) -> None:
        """Lets time pass in which no message may come, and the connection must stay open.

        Raises:
            AssertionError: if something comes, or came before and was not received.
        """
        self._wait(for_s)
        if self.wire_client.messages:
            raise AssertionError(f"nothing was expected for {for_s:g} s, but {show_message(self.wire_client.messages[0])} came")
        if self.wire_client.has_ended:
            raise AssertionError(f"nothing was expected for {for_s:g} s, but it {self._end()}")

    def expect_closed(self, code: int | None = None, within_s: float = WITHIN_S) -> Closed:
        """Waits until the connection is closed, with this code if one is given. Messages that come before stay to be received.

        Raises:
            AssertionError: if it stays open, or is closed with another code.
        """
        self._run(self._wait_for_end(within_s))
        if not self.wire_client.has_ended:
            raise AssertionError(f"a close was expected, but it is still open after {within_s:g} s")
        client = self.wire_client
        if code not in {None, client.close_code}:
            raise AssertionError(f"a close with {code} was expected, but it {self._end()}")
        self.end_is_expected = True
        return Closed(client.close_code, client.close_reason, str(client.ending.cause) if client.ending is not None else "")

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes it, as a client does.

        Raises:
            AssertionError: if it is not open.
        """
        self._must_be_open("close")
        self.wire_client.close(code, reason)
        self._run(self._running.rest())

    def hang_up(self) -> None:
        """Goes away without a close frame."""
        self.wire_client.hang_up()
        self._run(self._running.rest())

    def pause_reading(self) -> None:
        """Takes no more of what is sent to it, as a client that hangs: it waits in the outbox."""
        self.wire_client.set_reads(reads=False)

    def resume_reading(self) -> None:
        """Takes it again."""
        self.wire_client.set_reads(reads=True)
        self._run(self._running.rest())

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self.wire_client.is_open

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that was agreed on."""
        return self.wire_client.subprotocol

    @property
    def connection_id(self) -> str:
        """The connection's id, as handlers see it."""
        return self.wire_client.connection_id or ""

    def _wait(self, within_s: float) -> None:
        async def wait() -> None:
            await self.wire_client.wait(within_s)
            await self._running.rest()

        self._run(wait())

    async def _wait_for_end(self, within_s: float) -> None:
        await self.wire_client.wait_for_end(within_s)
        await self._running.rest()

    def _must_be_open(self, what: str) -> None:
        if not self.is_open:
            raise AssertionError(f"the client cannot {what}: it {self._end()}")

    def _end(self) -> str:
        return describe_end(self.wire_client, self._running)
