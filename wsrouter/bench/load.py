"""A load run: opens the connections, sends for as long as it is told, waits for what is missing, and closes.

It measures with the monotonic clock of this one process. Memory depends on connections and what is unanswered, never on the time.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from time import monotonic_ns, process_time
from typing import TYPE_CHECKING

from wsrouter.bench.client import Client, Receiver
from wsrouter.bench.figures import Figures
from wsrouter.bench.handshake import make_request
from wsrouter.bench.messages import Script
from wsrouter.bench.messages import Stamped as StampedMessages
from wsrouter.bench.receiver import Deaf, InTurn, Stamped
from wsrouter.bench.schedule import Schedule, ScheduledSender
from wsrouter.bench.sender import Sender

if TYPE_CHECKING:
    from wsrouter.bench.messages import Messages
    from wsrouter.bench.plan import Plan

OPENING_AT_ONCE = 64
ERRORS_NAMED = 50
"""How many kinds of errors are told apart; the rest is `other`."""
SWEEP_S = 0.05
EARLY_S = 0.002
"""Timers of uvloop ring up to half a millisecond early: the schedule, which knows its own end, is left this much more."""
HASTE_S = 1.0
"""After Ctrl-C, how long missing answers are waited for."""
GOODBYE_S = 1.0
"""How long servers have to answer our close frames."""


class Load:
    """One run of a plan. `figures` are true at any time, and complete when `run` is done."""

    def __init__(self, plan: Plan, describe_failure: Callable[[OSError | ValueError], str]) -> None:
        """`describe_failure` puts into words why a socket could not be connected."""
        self.figures = Figures(plan.subject)
        self.opened_at_ns = 0
        """When sending began; 0 before."""
        self._plan = plan
        self._describe = describe_failure
        self._request = make_request(plan.target.host_header, plan.target.path, plan.target.headers)
        self._clients: list[Client] = []
        self._senders: list[Sender] = []
        self._receivers: list[Receiver] = []
        self._schedule: Schedule | None = None
        self._over = asyncio.Event()
        self._is_over = False

    @property
    def open(self) -> int:
        """How many connections are open."""
        return sum(not client.is_closed for client in self._clients)

    def interrupt(self) -> None:
        """Stops sending now."""
        self.figures.is_interrupted = True
        self._over.set()

    async def run(self) -> Figures:
        """Runs the plan; the figures."""
        try:
            await self._open_all()
            if self._has_enough():
                self._arrange()
                await self._send()
                await self._wait_for_missing()
            self.count()
        finally:
            await self._close_all()
        return self.figures

    def count(self) -> None:
        """Brings the counts up to date."""
        figures, receivers = self.figures, self._receivers
        figures.sent = sum(sender.sent for sender in self._senders)
        figures.unsent = sum(sender.unsent for sender in self._senders)
        for name in ("received", "duplicated", "out_of_order"):
            setattr(figures, name, sum(receiver.count(name) for receiver in receivers))
        figures.unexpected = sum(receiver.unexpected for receiver in receivers)
        figures.lost = sum(receiver.count_lost() for receiver in receivers)
        if self._schedule is not None:
            figures.late, figures.latest_s = self._schedule.late, self._schedule.latest_ns / 1e9

    async def _open_all(self) -> None:
        """Opens the connections, some dozens at a time."""
        left = iter(range(self._plan.connections))

        async def open_some() -> None:
            for _ in left:
                if self._over.is_set():
                    return
                await self._open_one()

        await asyncio.gather(*(open_some() for _ in range(min(OPENING_AT_ONCE, self._plan.connections))))

    async def _open_one(self) -> None:
        client = Client(self._request, self._note_end)
        began = monotonic_ns()
        try:
            async with asyncio.timeout(self._plan.timeout_s):
                await self._connect(client)
                problem = await client.opened
        except TimeoutError:
            client.abort()
            problem = f"no answer within {self._plan.timeout_s:g} s"
        except (OSError, ValueError) as error:
            problem = f"cannot connect: {self._describe(error)}"
        if problem:
            self._note(problem)
        else:
            self.figures.connect.record(monotonic_ns() - began)
            self._clients.append(client)

    async def _connect(self, client: Client) -> None:
        loop, target = asyncio.get_running_loop(), self._plan.target
        if target.unix is not None:
            await loop.create_unix_connection(lambda: client, target.unix)
        else:
            await loop.create_connection(lambda: client, target.host, target.port, ssl=target.tls)

    def _has_enough(self) -> bool:
        if len(self._clients) > self._plan.senders:
            return not self._over.is_set()
        if self._clients:
            self._note(f"only {len(self._clients)} opened: nobody is left to receive")
        return False

    def _arrange(self) -> None:
        """Says who sends and who receives."""
        plan, clients = self._plan, [client for client in self._clients if not client.is_closed]
        run = int.from_bytes(os.urandom(2), "big")
        if plan.rate is not None:
            self._schedule = Schedule(asyncio.get_running_loop(), plan.rate)
        sending = clients[: plan.senders] if plan.senders else clients
        prefixes: dict[bytes, Sender] = {}
        for number, client in enumerate(sending):
            messages = Script(plan.script) if plan.script else StampedMessages(run, number, plan.size_bytes)
            sender = self._make_sender(client, messages, len(clients) - plan.senders if plan.senders else 1)
            if isinstance(messages, StampedMessages):
                prefixes[messages.prefix] = sender
            self._senders.append(sender)
        latency = self.figures.latency
        receivers: list[Receiver]
        if plan.senders:
            receivers = [Deaf() if number < plan.senders else Stamped(latency, prefixes) for number in range(len(clients))]
        elif plan.script:
            receivers = [InTurn(latency, sender) for sender in self._senders]
        else:
            receivers = [Stamped(latency, {prefix: sender}) for prefix, sender in prefixes.items()]
        self._receivers = receivers
        for client, receiver in zip(clients, receivers, strict=True):
            client.receiver = receiver

    def _make_sender(self, client: Client, messages: Messages, receivers: int) -> Sender:
        if self._schedule is None:
            return Sender(client, messages, self._plan.window, receivers)
        return ScheduledSender(client, messages, self._plan.window, receivers, self._schedule)

    async def _send(self) -> None:
        """Sends until the time is over, the connections are, or Ctrl-C comes."""
        plan, figures = self._plan, self.figures
        began_cpu, began = process_time(), monotonic_ns()
        self.opened_at_ns = began
        for sender in self._senders:
            sender.start()
        if self._schedule is not None:
            self._schedule.start(plan.time_s)
        sweeper = asyncio.create_task(self._sweep(), name="sweeper")
        try:
            async with asyncio.timeout(plan.time_s + (EARLY_S if self._schedule is not None else 0)):
                await self._over.wait()
        except TimeoutError:
            pass
        finally:
            sweeper.cancel()
            for sender in self._senders:
                sender.stop()
            if self._schedule is not None:
                self._schedule.stop()
            figures.time_s = (monotonic_ns() - began) / 1e9
            figures.per_s = figures.latency.count / figures.time_s
            figures.cpu = (process_time() - began_cpu) / figures.time_s

    async def _sweep(self) -> None:
        """Where nothing came for the timeout, what is unanswered is not waited for any more: one lost message does not silence a sender."""
        patience = max(1, round(self._plan.timeout_s / SWEEP_S))
        marks = [(0, 0, 0)] * len(self._senders)  # since how many rounds nothing came, and what had come and was sent then
        while True:
            await asyncio.sleep(SWEEP_S)
            for index, sender in enumerate(self._senders):
                rounds, accounted, sent = marks[index]
                if accounted != sender.accounted:
                    marks[index] = (0, sender.accounted, sender.sent)
                elif rounds < patience:
                    marks[index] = (rounds + 1, accounted, sent)
                else:
                    sender.forgive(sent)
                    marks[index] = (0, sender.accounted, sender.sent)

    async def _wait_for_missing(self) -> None:
        """Waits until everything has come, at the most for the timeout."""
        patience_s = HASTE_S if self.figures.is_interrupted else self._plan.timeout_s
        end = monotonic_ns() + patience_s * 1e9
        while not all(sender.is_settled for sender in self._senders) and monotonic_ns() < end and self.open:  # noqa: ASYNC110 -- an Event costs for each message
            await asyncio.sleep(SWEEP_S)

    async def _close_all(self) -> None:
        self._is_over = True
        clients = [client for client in self._clients if not client.is_closed]
        for client in clients:
            client.close()
        if clients:
            await asyncio.wait([client.closed for client in clients], timeout=GOODBYE_S)
        for client in clients:
            if not client.closed.done():
                client.abort()

    def _note_end(self, client: Client, problem: str) -> None:
        """A connection ended that nobody closed. Without connections, or without receivers, there is nothing left to do."""
        if self._is_over:
            return
        self._note(problem)
        if self._senders and not any(sender.receivers and not sender.is_disconnected for sender in self._senders):
            self._over.set()

    def _note(self, problem: str) -> None:
        errors = self.figures.errors
        errors[problem if problem in errors or len(errors) < ERRORS_NAMED else "other"] += 1
