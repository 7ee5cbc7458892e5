"""`SiteTest`: a site or a single handler in memory, with clients and a clock, for plain test functions.

    def test_what_one_says_the_other_hears() -> None:
        with SiteTest("site.yaml") as site:
            alice, bob = site.open("/room/red"), site.open("/room/red")
            alice.send("hi")
            assert bob.receive() == "hi"
            site.advance(3600)
            assert bob.is_open

Everything above the socket is what the daemon runs: routing, origins, limits, chains, keepalive, outboxes, topics. Time is
virtual: it passes in `advance` and while something is waited for, and costs nothing. No port is opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from os import PathLike, environ
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from wsrouter.config.problems import Problems
from wsrouter.scenario.client import Opening
from wsrouter.scenario.handler_site import handler_site
from wsrouter.scenario.player import describe_refusal
from wsrouter.scenario.running_site import RunningSite
from wsrouter.scenario.virtual_loop import IO_WAIT_S, VirtualLoop, close_loop, run_on
from wsrouter.site.quick import quick_site
from wsrouter.site.site import load_site
from wsrouter.testing.client import RefusedError, SiteClient

if TYPE_CHECKING:
    from datetime import datetime

    from wsrouter.api.messages import Sendable
    from wsrouter.site.site import Site

T = TypeVar("T")


class SiteProblemError(Exception):
    """The site has problems; the text is all of them, each with its place and cure."""


class HandlerFailedError(AssertionError):
    """A handler raised during the test, and nothing in the test expects it."""


class SiteTest:
    """A site that runs from `with` to the end of it."""

    def __init__(
        self,
        site: str | PathLike[str] | Callable[..., object] = "site.yaml",
        *,
        route: str = "/",
        options: Mapping[str, object] | None = None,
        settings: Mapping[str, object] | None = None,
        handlers_may_fail: bool = False,
        io_wait_s: float = IO_WAIT_S,
    ) -> None:
        """A site's YAML file, a plugin file or a folder of them; or a handler: a class, a coroutine function or an async generator function.

        `route`, `options` and `settings` are for a handler only, as a site would give them (a time is `"5s"`). Unless
        `handlers_may_fail`, the test fails at its end if a handler has raised; `SiteClient.expect_closed` expects it, too.
        `io_wait_s` is how long, in real time, sockets that a plugin opens are listened to before each jump of the clock.

        Raises:
            SiteProblemError: if the site is wrong.
        """
        self._site = _load(site, route, options, settings)
        self._handlers_may_fail = handlers_may_fail
        self._io_wait_s = io_wait_s
        self._clients: list[SiteClient] = []

    def __enter__(self) -> Self:
        """Starts the handlers.

        Raises:
            StartError: if one refuses.
        """
        _must_be_outside_of_a_loop()
        self._loop = VirtualLoop(self._io_wait_s)
        self._running = RunningSite(self._site, self._loop)
        try:
            self.run(self._running.start())
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Cuts off the clients and stops the handlers.

        Raises:
            HandlerFailedError: if a handler raised that nothing expected, unless the test has failed already.
        """
        try:
            self.run(self._running.stop())
        finally:
            self._close()
        if error is None and not self._handlers_may_fail and self.failures:
            raise HandlerFailedError("a handler failed, and nothing in the test expects it:\n" + "\n".join(self.failures))

    def open(
        self,
        path: str = "/",
        *,
        headers: Mapping[str, str] | None = None,
        origin: str | None = None,
        subprotocols: Sequence[str] = (),
        answers: bool = True,
    ) -> SiteClient:
        """A client that has connected. One that does not answer is there, but sends no pong and no close.

        Raises:
            RefusedError: if the handshake is refused; it has the status and the reason.
        """
        opening = Opening(path, self._running.default_host, headers or {}, origin, subprotocols, answers)
        client = self.run(self._running.open(opening))
        if client.status != 101:
            refusal = client.refusal
            raise RefusedError(client.status or 0, str(refusal.reason) if refusal is not None else "", describe_refusal(client))
        self._clients.append(SiteClient(client, self._running, self.run))
        return self._clients[-1]

    def advance(self, seconds: float) -> None:
        """Lets time pass; what is due at its end is done, too."""
        self.run(self._running.advance(seconds))

    def now(self) -> datetime:
        """The site's wall clock: it begins at 2024-01-01 12:00 UTC."""
        return self._running.clock.now()

    def monotonic(self) -> float:
        """The site's time in seconds, for measuring; the handlers' `context.clock.monotonic()` is the same."""
        return self._running.clock.monotonic()

    def publish(self, topic: str, message: Sendable) -> None:
        """Publishes to a topic, as a handler's `context.publish` does."""
        self.run(self._running.publish(topic, message))

    def members(self, topic: str) -> int:
        """How many connections are subscribed to a topic."""
        return self._running.members(topic)

    def run(self, coroutine: Coroutine[object, object, T]) -> T:
        """Runs a coroutine of the test's own in the site's loop, on its time, and returns what it returns.

        Raises:
            RuntimeError: in an async test: this runs its own loop.
        """
        try:
            _must_be_outside_of_a_loop()
        except RuntimeError:
            coroutine.close()
            raise
        return run_on(self._loop, coroutine, self._running.notes.failed_outside)

    @property
    def failures(self) -> list[str]:
        """What handlers raised and no `expect_closed` expected, each on one line and then its traceback."""
        expected = {client.wire_client for client in self._clients if client.end_is_expected}
        return [f"{failure.text}\n{failure.traceback}" for failure in self._running.notes.failures if failure.client is None or failure.client not in expected]

    @property
    def log(self) -> str:
        """The handlers' records from warning up, a line for each."""
        return self._running.notes.records()

    def _close(self) -> None:
        close_loop(self._loop)
        self._site.library.close()


def _must_be_outside_of_a_loop() -> None:
    """Raises a RuntimeError where an event loop runs already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("SiteTest runs an event loop of its own: use it in a plain def test_…(), not in an async one")


def _load(site: str | PathLike[str] | Callable[..., object], route: str, options: Mapping[str, object] | None, settings: Mapping[str, object] | None) -> Site:
    problems = Problems()
    loaded: Site | None
    if isinstance(site, str | PathLike):
        if options is not None or settings is not None or route != "/":
            raise TypeError("route, options and settings are for a handler; those of a site stand in its file")
        path = Path(site)
        loaded = quick_site(path, problems) if path.suffix == ".py" or path.is_dir() else load_site(path, environ, problems)
    else:
        loaded = handler_site(site, problems, route=route, options=options, settings=settings)
    if loaded is None:
        raise SiteProblemError("\n".join(str(problem) for problem in problems))
    return loaded
