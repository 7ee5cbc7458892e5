"""Fixtures of all tests, and what no test may leave behind."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from inspect import iscoroutinefunction
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from support.daemon import Daemon, run_daemon
from support.leftovers import child_processes, describe_and_end, without_leftover_tasks


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Async tests (`pytest.mark.anyio`) run on uvloop, as the daemon does."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session", autouse=True)
def _control_sockets_are_private() -> Iterator[None]:
    """Daemons and commands of tests meet in a folder of this run, never in the user's own; a short one, as paths of sockets must be."""
    with TemporaryDirectory(prefix="wsr-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", folder)
        patch.delenv("RUNTIME_DIRECTORY", raising=False)
        yield


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Starts real daemons that end with the test: `daemon("routes: {/echo: echo}", plugins=…)`; see `run_daemon`."""
    with ExitStack() as stack:
        yield lambda site, **arguments: stack.enter_context(run_daemon(site, arguments.pop("folder", tmp_path), **arguments))


@pytest.fixture(autouse=True)
def _no_child_process_is_left() -> Iterator[None]:
    before = child_processes()
    yield
    left = child_processes() - before
    assert not left, "the test left child processes behind: " + "; ".join(map(describe_and_end, sorted(left)))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Async tests must not leave tasks behind; hypothesis tests are theirs to run, and stay as they are."""
    if iscoroutinefunction(pyfuncitem.obj) and not hasattr(pyfuncitem.obj, "hypothesis"):
        pyfuncitem.obj = without_leftover_tasks(pyfuncitem.obj)
    return (yield)
