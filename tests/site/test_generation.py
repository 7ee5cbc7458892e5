"""A generation's life around failing handlers: what one of them does at its start or stop holds up no other."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from wsrouter.api.errors import StartError
from wsrouter.config.problems import Problems
from wsrouter.daemon.clock import SystemClock
from wsrouter.site import generation
from wsrouter.site.generation import Generation, Surroundings
from wsrouter.site.site import load_site

pytestmark = pytest.mark.anyio

PLUGIN = """
import asyncio
from wsrouter import Handler, HandlerError

EVENTS = []

class Noted(Handler):
    name: str
    stop_s: float = 0.0
    refuses: bool = False

    def start(self, context):
        if self.refuses:
            raise HandlerError("not today")
        EVENTS.append(f"start {self.name}")

    async def stop(self):
        EVENTS.append(f"stop {self.name}")
        await asyncio.sleep(self.stop_s)
        EVENTS.append(f"stopped {self.name}")
"""


class Notes:
    """As much of an Observer as starts and stops need."""

    def __init__(self) -> None:
        self.failures: list[Any] = []

    def failed(self, failure: Any) -> None:
        self.failures.append((failure.route, failure.handler, failure.hook, str(failure.error)))


def make(folder: Path, routes: str, notes: Notes) -> tuple[Generation, list[str]]:
    (folder / "plugins").mkdir()
    (folder / "plugins" / "noted.py").write_text(PLUGIN, "utf-8")
    (folder / "site.yaml").write_text(f"routes:\n{routes}", "utf-8")
    problems = Problems()
    site = load_site(folder / "site.yaml", os.environ, problems)
    assert site is not None, list(problems)
    around = Surroundings(clock=SystemClock(), topics=None, observer=notes, open_inbox=None, make_log=lambda **facts: None)  # type: ignore[arg-type]
    return Generation(site, around), site.library.loaded()[0].module.EVENTS


async def test_steps_start_first_to_last_and_stop_last_to_first(tmp_path: Path) -> None:
    made, events = make(tmp_path, "  /a: [{noted: {name: one}}, {noted: {name: two}}]\n", Notes())

    await made.start()
    await made.stop()

    assert events == ["start one", "start two", "stop two", "stopped two", "stop one", "stopped one"]


async def test_where_one_refuses_to_start_those_before_it_are_stopped(tmp_path: Path) -> None:
    made, events = make(tmp_path, "  /a: {noted: {name: one}}\n  /b: {noted: {name: two, refuses: true}}\n  /c: {noted: {name: three}}\n", Notes())

    with pytest.raises(StartError, match=r"site\.yaml:3:8: noted refused to start: not today$"):
        await made.start()

    # The one that refused is stopped, too: it may have opened something before.
    assert [event for event in events if not event.startswith("stopped")] == ["start one", "stop two", "stop one"]


async def test_a_stop_that_never_ends_is_told_of_and_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "STOP_S", 0.02)
    notes = Notes()
    made, events = make(tmp_path, "  /a: [{noted: {name: one}}, {noted: {name: two, stop_s: 3600}}]\n  /b: {noted: {name: three}}\n", notes)

    await made.start()
    await asyncio.wait_for(made.stop(), 5)

    assert sorted(event for event in events if event.startswith("stopped")) == ["stopped one", "stopped three"]
    assert notes.failures == [("/a", "noted", "stop", "not done within 0.02 s")]
