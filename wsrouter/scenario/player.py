"""Plays the steps of one scenario against a running site, until one fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsrouter.config.units import format_duration
from wsrouter.scenario.client import Client, Opening
from wsrouter.scenario.expectation import Closed, Messages, Nothing, Refused, show_message

if TYPE_CHECKING:
    from wsrouter.config.problems import Place
    from wsrouter.scenario.expectation import Exactly, LikeJson, Matching
    from wsrouter.scenario.notes import NotedFailure
    from wsrouter.scenario.running_site import RunningSite
    from wsrouter.scenario.scenario import OpenStep, Scenario, Step


class StepFailedError(Exception):
    """A step did not go as it was written; `place` is where it stands."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place


class Player:
    """One scenario on its own running site."""

    def __init__(self, scenario: Scenario, running: RunningSite) -> None:
        """The site is started already."""
        self._scenario = scenario
        self._running = running
        self._clients: dict[str, Client] = {}
        self._expected_ends: set[Client] = set()

    async def play(self) -> None:
        """All steps.

        Raises:
            StepFailedError: at the first that fails.
        """
        for step in self._scenario.steps:
            try:
                await self._play_step(step)
            except _NotSoError as why:
                raise StepFailedError(step.place, str(why)) from None

    @property
    def unexpected_failures(self) -> list[NotedFailure]:
        """The failures of handlers that no step told of: neither as a connection's expected end, nor at all."""
        return [failure for failure in self._running.notes.failures if failure.client is None or failure.client not in self._expected_ends]

    async def _play_step(self, step: Step) -> None:
        if step.advance_s is not None:
            await self._running.advance(step.advance_s)
        if step.open is not None:
            await self._open(step.client, step.open, step.expect if isinstance(step.expect, Refused) else None)
        client = self._clients.get(step.client)
        if client is None:
            return
        for message in step.send:
            self._must_be_open(client, "send")
            client.send(message)
        if step.close is not None:
            self._must_be_open(client, "close")
            if step.close.code == 1006:
                client.hang_up()
            else:
                client.close(step.close.code, step.close.reason)
        await self._running.rest()
        await self._expect(client, step)

    async def _open(self, name: str, opening: OpenStep, refused: Refused | None) -> None:
        before = self._clients.get(name)
        if before is not None and not before.has_ended:
            raise _NotSoError(f"{who(before)} is open already: close it first, or name another client")
        host = self._running.default_host
        client = self._clients[name] = await self._running.open(Opening(opening.path, host, opening.headers, opening.origin, opening.subprotocols), name)
        if refused is not None:
            self._check_refused(client, refused)
        elif not client.is_open and not (client.status == 101 and not client.handshake_error):
            raise _NotSoError(f"{who(client)} {describe_end(client, self._running)}")

    def _check_refused(self, client: Client, refused: Refused) -> None:
        if client.status == 101:
            raise _NotSoError(f"{who(client)} expected {refused}, but was accepted")
        reason = str(client.refusal.reason) if client.refusal is not None else ""
        if not refused.admits(client.status or 0, reason):
            raise _NotSoError(f"{who(client)} expected {refused}, but {describe_end(client, self._running)}")

    def _must_be_open(self, client: Client, what: str) -> None:
        if not client.is_open:
            raise _NotSoError(f"{who(client)} cannot {what}: it {describe_end(client, self._running)}")

    async def _expect(self, client: Client, step: Step) -> None:
        expected = step.expect
        if isinstance(expected, Messages):
            for wanted in expected.wanted:
                await self._expect_message(client, wanted, step)
        elif isinstance(expected, Closed):
            await self._expect_closed(client, expected, step)
        elif isinstance(expected, Nothing):
            await self._expect_nothing(client, expected.for_s)

    async def _expect_message(self, client: Client, wanted: Exactly | LikeJson | Matching, step: Step) -> None:
        deadline = self._running.clock.monotonic() + step.within_s
        while await self._message_within(client, deadline):
            message = client.messages.popleft()
            difference = wanted.find_difference(message)
            if difference is None:
                return
            if not step.skip:
                more = f" ({difference})" if difference else ""
                raise _NotSoError(f"{who(client)} expected {wanted}, got {show_message(message)}{more}")
        raise _NotSoError(f"{who(client)} expected {wanted}, but {self._why_nothing(client, step)}")

    async def _message_within(self, client: Client, deadline: float) -> bool:
        """Whether there is a message now, or before the deadline, or at it."""
        if not client.messages:
            await client.wait(max(0.0, deadline - self._running.clock.monotonic()))
            await self._running.rest()
        return bool(client.messages)

    async def _expect_closed(self, client: Client, expected: Closed, step: Step) -> None:
        deadline = self._running.clock.monotonic() + step.within_s
        while await self._message_within(client, deadline):
            message = client.messages.popleft()
            if not step.skip:
                raise _NotSoError(f"{who(client)} expected {expected}, got {show_message(message)}")
        if not client.has_ended:
            raise _NotSoError(f"{who(client)} expected {expected}, but is still open after {format_duration(step.within_s)}")
        if client.status != 101 or not expected.admits(client.close_code, client.close_reason):
            raise _NotSoError(f"{who(client)} expected {expected}, but {describe_end(client, self._running)}")
        self._expected_ends.add(client)

    async def _expect_nothing(self, client: Client, for_s: float) -> None:
        begun = self._running.clock.monotonic()
        if client.has_ended and not client.messages:
            await self._running.advance(for_s)
            return
        came = await self._message_within(client, begun + for_s)
        if came or client.has_ended:
            what = f"got {show_message(client.messages[0])}" if came else describe_end(client, self._running)
            after_s = self._running.clock.monotonic() - begun
            when = f" after {format_duration(after_s)}" if after_s else ""
            raise _NotSoError(f"{who(client)} expected nothing for {format_duration(for_s)}, {what}{when}")

    def _why_nothing(self, client: Client, step: Step) -> str:
        if client.has_ended:
            return describe_end(client, self._running)
        others = "nothing like it" if step.skip else "nothing"
        return f"{others} came within {format_duration(step.within_s)}"


class _NotSoError(Exception):
    """What went otherwise."""


def who(client: Client) -> str:
    """A client in a sentence."""
    return f"client {client.name}" if client.name else "the client"


def describe_end(client: Client, running: RunningSite) -> str:
    """How a client's connection ended: `was closed 1011 handler_error: echo on_message: ValueError: no (plugins/echo.py:7)`."""
    if client.handshake_error:
        return f"got an answer that is no handshake: {client.handshake_error}"
    if client.response is None:
        return "got no answer to its handshake"
    if client.status != 101:
        return describe_refusal(client)
    ending = client.ending
    if ending is not None and ending.began == "client":
        return "was closed by itself" if client.close_code != 1006 else "has gone away by itself"
    cause = str(ending.cause) if ending is not None else ""
    reason = client.close_reason if client.close_reason != cause else ""
    what = " ".join(part for part in ("was closed", str(client.close_code), cause, show_message(reason) if reason else "") if part)
    failure = next((failure for failure in running.notes.failures if failure.client is client), None)
    return f"{what}: {failure.text}" if failure is not None else what


def describe_refusal(client: Client) -> str:
    """Why a handshake was refused: `was refused 403 origin (the page's origin is …), fix: origins: [https://a.example]`."""
    refusal = client.refusal
    if refusal is None:
        return f"was refused {client.status}"
    fix = f", fix: {refusal.fix}" if refusal.fix else ""
    return f"was refused {client.status} {refusal.reason} ({refusal.detail or refusal.reason.help}){fix}"
