"""Plays scenarios, each on a fresh generation of the site with fresh topics, and tells how they went."""

from __future__ import annotations

import io
import logging
import random
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from wsrouter.api.errors import StartError
from wsrouter.scenario.player import Player, StepFailedError
from wsrouter.scenario.running_site import RunningSite
from wsrouter.scenario.time_limit import LIMIT_S, StuckError, limit_real_time
from wsrouter.scenario.virtual_loop import IO_WAIT_S, VirtualLoop, closing_loop, run_on

if TYPE_CHECKING:
    from wsrouter.config.problems import Place
    from wsrouter.scenario.scenario import Scenario
    from wsrouter.site.site import Site


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a scenario went."""

    scenario: Scenario
    duration_s: float
    """In real seconds."""
    place: Place
    """Of the step that failed, else of the scenario."""
    message: str = ""
    """Why it failed; empty where it passed."""
    handler_failures: tuple[str, ...] = ()
    """What handlers raised that no step expects, each on one line and then its traceback."""
    records: str = ""
    """The handlers' log from warning up."""
    output: str = ""
    """What plugins printed, and what libraries logged from warning up."""

    @property
    def passed(self) -> bool:
        """Whether every step went as written."""
        return not self.message

    def __str__(self) -> str:
        """`file:line:column: name: what went otherwise`."""
        return f"{self.place}: {self.scenario.name}: {self.message}"


def play_all(site: Site, scenarios: Iterable[Scenario], *, io_wait_s: float = IO_WAIT_S, limit_s: float = LIMIT_S) -> Iterator[Outcome]:
    """Plays scenarios one after the other. `io_wait_s` see `virtual_loop`, `limit_s` see `time_limit`."""
    for scenario in scenarios:
        yield play(site, scenario, io_wait_s=io_wait_s, limit_s=limit_s)


def play(site: Site, scenario: Scenario, *, io_wait_s: float = IO_WAIT_S, limit_s: float = LIMIT_S) -> Outcome:
    """Plays one scenario."""
    begun = perf_counter()
    loop = VirtualLoop(io_wait_s)
    running = RunningSite(site, loop)
    player = Player(scenario, running)
    place, message = scenario.place, ""
    with captured() as output, same_chance():
        try:
            with limit_real_time(limit_s), closing_loop(loop):
                run_on(loop, _play(player, running), running.notes.failed_outside)
        except StepFailedError as failure:
            place, message = failure.place, str(failure)
        except StartError as error:
            message = f"the site did not start: {error}"
        except StuckError as error:
            message = str(error)
    unexpected = player.unexpected_failures
    if unexpected and not message and not scenario.handlers_may_fail:
        message = f"every step passed, but a handler failed: {unexpected[0].text}; expect it with expect_close: 1011, or say handlers_may_fail: true"
    failures = tuple(f"{failure.text}\n{failure.traceback}" for failure in unexpected)
    return Outcome(scenario, perf_counter() - begun, place, message, failures, running.notes.records(), output.getvalue())


async def _play(player: Player, running: RunningSite) -> None:
    try:
        await running.start()
        await player.play()
    finally:
        await running.stop()


@contextmanager
def same_chance() -> Iterator[None]:
    """What the site leaves to chance (`random`) goes the same way each time."""
    before = random.getstate()
    random.seed(0)
    try:
        yield
    finally:
        random.setstate(before)


@contextmanager
def captured() -> Iterator[io.StringIO]:
    """Keeps what is printed meanwhile, and what is logged through the standard library from warning up."""
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    sys.stdout.flush()
    root.addHandler(handler)
    try:
        with redirect_stdout(output), redirect_stderr(output):
            yield output
    finally:
        root.removeHandler(handler)
