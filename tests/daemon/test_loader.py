"""Loading the next generation beside the running one: whatever the files do, the loop goes on, and the answer has a place."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.reloading import RunningSite, run_site
from support.waiting import until_async
from wsrouter.daemon import loader, short_turns

pytestmark = pytest.mark.anyio

SITE = "routes: {/say: say, /echo: echo}\n"
SAY = "from wsrouter import Handler\n\nclass Say(Handler):\n    def on_message(self, connection, message):\n        return 'old'\n"


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningSite]:
    monkeypatch.chdir(tmp_path)
    async with run_site(tmp_path, SITE, {"say.py": SAY}) as running:
        yield running


async def still_serves(site: RunningSite) -> bool:
    async with site.connect("/say") as client:
        await client.send("?")
        return bool(await asyncio.wait_for(client.recv(), 5) == "old")


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("class Say(:\n", "plugins/say.py:1:11: syntax error: invalid syntax"),
        (SAY.partition(", message")[0], "plugins/say.py:4:19: syntax error: '(' was never closed"),
        ("import sys\n\nsys.exit(3)\n", "plugins/say.py:3:1: importing it raised SystemExit: 3"),
        ("1 / 0\n", "plugins/say.py:1:1: importing it raised ZeroDivisionError"),
        ("import helpers_that_are_not_there\n", "plugins/say.py:1:1: importing it raised ModuleNotFoundError"),
        ("raise KeyboardInterrupt\n", "plugins/say.py:1:1: importing it raised KeyboardInterrupt"),
        ("def f():\n    return f()\nf()\n", "plugins/say.py:2:12: importing it raised RecursionError"),
        ("", "plugins/say.py:1:1: has no handler: write async def say"),
        ("\0\1\2", "plugins/say.py:1:1: "),
        ("# -*- coding: nonsense -*-\n", "plugins/say.py:1:1: syntax error: "),
        ("from wsrouter import Handler\nclass Say(Handler):\n    x: int\n", "site.yaml:1:16: say needs the option x"),
        (
            "from wsrouter import Handler\nclass Say(Handler):\n    def check(self):\n        raise SystemExit\n",
            "site.yaml:1:16: say: checking the options of 'say' raised SystemExit",
        ),
    ],
    ids=["syntax", "half", "exit", "raises", "no module", "interrupt", "recursion", "empty", "binary", "encoding", "option", "check"],
)
async def test_a_plugin_that_cannot_be_loaded_is_a_located_problem_and_the_old_code_goes_on(site: RunningSite, source: str, problem: str) -> None:
    outcome = await site.reload(plugins={"say.py": source})
    assert not outcome.ok
    assert [True] == [each.startswith(problem) for each in outcome.problems], outcome.problems
    assert await still_serves(site)
    assert (await site.reload(plugins={"say.py": SAY})).summary.startswith("routes: 0 changed, 0 added, 0 removed, 2 unchanged")


@pytest.mark.parametrize(
    "wait", ["import time; time.sleep(1.0)", "END = __import__('time').monotonic() + 1.0\nwhile __import__('time').monotonic() < END: pass"]
)
async def test_an_import_that_takes_too_long_is_given_up_at_the_line_where_it_is(site: RunningSite, monkeypatch: pytest.MonkeyPatch, wait: str) -> None:
    monkeypatch.setattr(loader, "LOAD_S", 0.3)
    before, usual_s = sorted(sys.modules), sys.getswitchinterval()
    line = 1 + wait.count("\n")
    reload = asyncio.create_task(site.reload(plugins={"say.py": wait + "\n" + SAY}))
    longest_s, last_s = 0.0, asyncio.get_running_loop().time()
    while not reload.done():
        await asyncio.sleep(0.001)
        now = asyncio.get_running_loop().time()
        longest_s, last_s = max(longest_s, now - last_s), now
    outcome = reload.result()

    assert not outcome.ok
    assert outcome.problems[0].startswith(f"plugins/say.py:{line}:")
    assert outcome.problems[0].endswith("importing it has taken 0.3 s and got no further than this; do slow work in start(), or restart")
    assert longest_s < 0.25
    assert short_turns.TURN_S == pytest.approx(sys.getswitchinterval())  # for as long as it goes on
    assert await still_serves(site)
    assert (await site.reload(plugins={"say.py": SAY})).ok  # nor does it keep the next from being loaded
    await until_async(lambda: not site.loader.is_busy)
    assert usual_s == pytest.approx(sys.getswitchinterval())
    assert before == sorted(sys.modules)  # what came of it was dropped


async def test_a_load_that_raises_is_an_answer_too(site: RunningSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsrouter.site.site.load_site_file", lambda *_, **__: 1 / 0)
    outcome = await site.reload()
    assert ("site.yaml:1:1: loading it raised ZeroDivisionError: division by zero",) == outcome.problems
    assert await still_serves(site)


async def test_loading_happens_in_a_thread_of_its_own(site: RunningSite) -> None:
    source = "import threading\nNAME = threading.current_thread().name\n" + SAY.replace("'old'", "NAME")
    assert (await site.reload(plugins={"say.py": source})).ok
    async with site.connect("/say") as client:
        await client.send("?")
        assert "wsrouter reload" == await client.recv()
    await until_async(lambda: "wsrouter reload" not in {thread.name for thread in threading.enumerate()})


async def test_two_files_that_claim_a_name_are_a_problem(site: RunningSite) -> None:
    outcome = await site.reload(plugins={"say/__init__.py": SAY})
    assert 1 == len(outcome.problems)
    assert outcome.problems[0].startswith("plugins/say.py:1:1: two plugin files claim the name 'say': ")
    assert await still_serves(site)


async def test_a_plugin_folder_that_vanishes_and_comes_back(site: RunningSite) -> None:
    plugins, away = site.folder / "plugins", site.folder / "away"
    plugins.rename(away)
    outcome = await site.reload()
    assert "there is no handler 'say'" in outcome.problems[0]
    assert await still_serves(site)
    away.rename(plugins)
    assert (await site.reload()).summary.startswith("routes: 0 changed, 0 added, 0 removed, 2 unchanged")


def _vanish(path: Path) -> None:
    path.unlink()


def _become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _grow(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(100 << 20)


def _point_at_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _point_at_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("not-there.yaml")


def _become_unreadable(path: Path) -> None:
    """A file that even root cannot read: its own memory at address 0."""
    path.unlink()
    path.symlink_to("/proc/self/mem")


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (_vanish, "site.yaml:1:1: there is no such file"),
        (_become_a_folder, "site.yaml:1:1: this is a directory"),
        (_grow, "site.yaml:1:1: the file is over 1 MiB: split it with include:"),
        (_point_at_itself, "site.yaml:1:1: the file cannot be read: Too many levels of symbolic links"),
        (_point_at_nothing, "there is no such file"),
        (_become_unreadable, "the file cannot be read: Input/output error"),
    ],
)
async def test_a_site_that_cannot_be_read_leaves_the_old_one_serving(site: RunningSite, spoil: object, problem: str) -> None:
    path = site.folder / "site.yaml"
    async with site.connect("/say") as client:
        spoil(path)  # type: ignore[operator]
        outcome = await asyncio.wait_for(site.reload(), 2)
        assert not outcome.ok
        assert 1 == len(outcome.problems)
        assert problem in outcome.problems[0]
        assert float(str(outcome.facts["took_ms"])) < 500
        await client.send("?")
        assert "old" == await client.recv()
        assert await still_serves(site)
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        assert (await site.reload(SITE)).summary == "routes: 0 changed, 0 added, 0 removed, 2 unchanged; connections: 1 kept, 0 draining"


async def test_a_site_behind_a_link_that_is_switched(site: RunningSite) -> None:
    path = site.folder / "site.yaml"
    path.rename(site.folder / "one.yaml")
    (site.folder / "two.yaml").write_text(SITE + "  # two\ndefaults: {limits: {idle: 1h}}\n")
    path.symlink_to("one.yaml")
    assert (await site.reload()).summary.startswith("routes: 0 changed, 0 added, 0 removed, 2 unchanged")
    (site.folder / "next").symlink_to("two.yaml")
    (site.folder / "next").replace(path)
    assert (await site.reload()).summary.startswith("routes: 2 changed")


async def test_an_include_that_appears_changes_and_vanishes(site: RunningSite) -> None:
    assert (await site.reload("include: routes.d/*.yaml\n" + SITE)).ok
    (site.folder / "routes.d").mkdir()
    included = site.folder / "routes.d" / "more.yaml"
    included.write_text("routes:\n  /more: echo\n")
    assert (await site.reload()).summary.startswith("routes: 0 changed, 1 added")
    included.write_text("routes:\n  /more: broadcast\n")
    assert (await site.reload()).summary.startswith("routes: 1 changed, 0 added")
    included.write_text("routes:\n  /more: [\n")
    outcome = await site.reload()
    assert not outcome.ok
    assert outcome.problems[0].startswith("routes.d/more.yaml:")
    included.unlink()
    assert (await site.reload()).summary.startswith("routes: 0 changed, 0 added, 1 removed")
