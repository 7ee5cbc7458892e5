"""Noticing that files were saved."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from support.waiting import until_async
from wsrouter.daemon.watcher import POLL_S, Watcher, python_files

pytestmark = pytest.mark.anyio


class Watched:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told = 0
        self.watcher = Watcher(self.on_change)

    def on_change(self) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.told += 1

    async def quiet(self) -> int:
        """How often it has told, once it had the time to look three times at what is there now."""
        await asyncio.sleep(4 * POLL_S)
        return self.told


@pytest.fixture
async def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    monkeypatch.setattr("wsrouter.daemon.watcher.POLL_S", 0.02)
    monkeypatch.setattr(f"{__name__}.POLL_S", 0.02)
    for name in ("a", "b"):
        (tmp_path / f"{name}.py").write_text("one\n")
    made = Watched(tmp_path)
    made.watcher.watch(lambda: python_files(tmp_path), time.time_ns() + 1_000_000_000)
    assert 0 == await made.quiet()
    yield made
    made.watcher.stop()


CHANGES: dict[str, Callable[[Path], object]] = {
    "saved": lambda folder: (folder / "a.py").write_text("two\n"),
    "saved with the same size and an old date": lambda folder: ((folder / "a.py").write_text("two\n"), os.utime(folder / "a.py", (1, 1))),
    "replaced": lambda folder: ((folder / "new").write_text("one\n"), (folder / "new").replace(folder / "a.py")),
    "deleted": lambda folder: (folder / "a.py").unlink(),
    "renamed": lambda folder: (folder / "a.py").rename(folder / "c.py"),
    "new": lambda folder: (folder / "c.py").write_text(""),
    "new in a new folder": lambda folder: ((folder / "sub").mkdir(), (folder / "sub" / "c.py").write_text("")),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_is_told_once(watched: Watched, change: str) -> None:
    CHANGES[change](watched.folder)
    await until_async(lambda: watched.told)
    assert 1 == await watched.quiet()


async def test_what_is_no_python_file_or_is_hidden_tells_nothing(watched: Watched) -> None:
    (watched.folder / "notes.txt").write_text("x")
    for folder in (".git", "__pycache__"):
        (watched.folder / folder).mkdir()
        (watched.folder / folder / "x.py").write_text("x")
    assert 0 == await watched.quiet()


async def test_a_link_that_is_switched_is_a_change(watched: Watched) -> None:
    (watched.folder / "site.1").write_text("one")
    (watched.folder / "site.2").write_text("two")
    (watched.folder / "c.py").symlink_to("site.1")
    await until_async(lambda: watched.told)
    await watched.quiet()
    (watched.folder / "next").symlink_to("site.2")
    (watched.folder / "next").replace(watched.folder / "c.py")
    await until_async(lambda: watched.told == 2)


async def test_a_file_that_is_being_written_is_told_of_when_it_is_quiet(watched: Watched) -> None:
    for number in range(15):
        (watched.folder / "a.py").write_text(f"{number}\n" * number)
        await asyncio.sleep(POLL_S / 2)
    assert watched.told <= 2  # never in the middle, but where the machine stands still for a poll
    await until_async(lambda: watched.told)


async def test_a_folder_that_vanishes_and_comes_back_is_told_of_both_times(watched: Watched, tmp_path: Path) -> None:
    away = tmp_path.with_name("away")
    os.rename(tmp_path, away)  # noqa: PTH104 -- Path's own is taken for a slow one
    await until_async(lambda: watched.told == 1)
    os.rename(away, tmp_path)  # noqa: PTH104
    await until_async(lambda: watched.told == 2)


async def test_what_was_saved_between_reading_and_the_first_look_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsrouter.daemon.watcher.POLL_S", 0.02)
    read_ns = time.time_ns() - 1_000_000_000
    (tmp_path / "a.py").write_text("saved since")
    watched = Watched(tmp_path)
    watched.watcher.watch(lambda: python_files(tmp_path), read_ns)
    await until_async(lambda: watched.told == 1)
    watched.watcher.stop()


async def test_what_was_saved_right_after_reading_began_is_told_though_its_time_is_that_of_the_last_tick(watched: Watched, tmp_path: Path) -> None:
    newer = tmp_path.with_name("newer")
    newer.mkdir()
    (newer / "c.py").write_text("saved since")
    read_ns = (newer / "c.py").stat().st_ctime_ns + 9_000_000
    watched.watcher.watch(lambda: [*python_files(tmp_path), *python_files(newer)], read_ns)
    await until_async(lambda: watched.told == 1)
    assert 1 == await watched.quiet()


async def test_after_stopping_nothing_is_told_and_it_can_begin_again(watched: Watched) -> None:
    watched.watcher.stop()
    (watched.folder / "a.py").write_text("two\n")
    assert 0 == await watched.quiet()
    watched.watcher.watch(lambda: python_files(watched.folder), time.time_ns() + 1_000_000_000)
    await watched.quiet()
    (watched.folder / "a.py").write_text("three\n")
    await until_async(lambda: watched.told == 1)


async def test_other_files_to_watch_are_no_change_by_themselves(watched: Watched, tmp_path: Path) -> None:
    more = tmp_path.with_name("more")
    more.mkdir()
    (more / "c.py").write_text("")
    watched.watcher.watch(lambda: [*python_files(tmp_path), *python_files(more)], time.time_ns() + 1_000_000_000)
    assert 0 == await watched.quiet()
    (more / "c.py").write_text("two")
    await until_async(lambda: watched.told == 1)


async def test_a_file_of_tomorrow_is_told_of_once(watched: Watched, tmp_path: Path) -> None:
    """The clock of a network's file system may be ahead: by it, the file was saved after it was read."""
    (tmp_path / "a.py").write_text("two\n")
    await until_async(lambda: watched.told == 1)
    for _ in range(2):
        watched.watcher.watch(lambda: python_files(tmp_path), 0)  # as after the reload, read long before
        assert 1 == await watched.quiet()


async def test_what_is_deleted_just_when_other_files_are_to_be_watched_is_told(watched: Watched, tmp_path: Path) -> None:
    (tmp_path / "a.py").unlink()
    watched.watcher.watch(lambda: python_files(tmp_path), time.time_ns() + 1_000_000_000)
    await until_async(lambda: watched.told == 1)
    assert 1 == await watched.quiet()


async def test_what_comes_back_just_when_other_files_are_to_be_watched_is_told_however_old_it_is(watched: Watched, tmp_path: Path) -> None:
    folder = tmp_path / "sub"
    folder.mkdir()
    (folder / "c.py").write_text("")
    await until_async(lambda: watched.told == 1)
    folder.rename(tmp_path / ".away")
    await until_async(lambda: watched.told == 2)
    (tmp_path / ".away").rename(folder)
    watched.watcher.watch(lambda: python_files(tmp_path), time.time_ns() + 1_000_000_000)
    await until_async(lambda: watched.told == 3)
    assert 3 == await watched.quiet()
