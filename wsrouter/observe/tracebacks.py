"""The traceback of a plugin's failure, cut to what its author wrote: no frames of wsrouter, asyncio or `websockets`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from traceback import FrameSummary, StackSummary, TracebackException
from typing import Final, NamedTuple

_MACHINERY: Final = ("wsrouter", "asyncio", "websockets", "uvloop")
_COMPILED: Final = "uvloop/"  # how its compiled files name themselves
_HANDLERS: Final = "wsrouter.handlers"  # built-in handlers are plugins, too
_MAX_CHAIN: Final = 8


class Trace(NamedTuple):
    """`at` is `file:line` where the plugin's own code failed; empty where there is no traceback. `text` is empty where it was not asked for."""

    error: str
    at: str
    text: str


def trace(error: BaseException, *, with_text: bool = True) -> Trace:
    """What a record tells of an exception. Never raises, whatever the exception does when it is asked. Values of variables are not told."""
    try:
        told = TracebackException.from_exception(error, compact=True, lookup_lines=with_text)
        dropped, kept = (*_folders(_MACHINERY), _COMPILED), _folders((_HANDLERS,))
        for link in _chain(told):
            own = [frame for frame in link.stack if frame.filename.startswith(kept) or not frame.filename.startswith(dropped)]
            # A failure of wsrouter itself has no frames but those: then they are what helps.
            link.stack = StackSummary(own) if own else link.stack
        return Trace(_describe(error), _find_place(told.stack), "".join(told.format()).rstrip() if with_text else "")
    except Exception:  # noqa: BLE001  a plugin's exception may raise in its own __str__, or be too deep to be told
        return Trace(type(error).__name__, "", "")


def _describe(error: BaseException) -> str:
    """`TypeError: text`."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _folders(modules: tuple[str, ...]) -> tuple[str, ...]:
    """Where packages lie, as far as they are loaded; those that are not have no frames."""
    files = [getattr(sys.modules.get(name), "__file__", None) for name in modules]
    return tuple(f"{Path(file).parent}/" for file in files if file)


def _chain(told: TracebackException) -> Iterator[TracebackException]:
    """An exception, those it came from, and those it groups."""
    waiting = [told]
    for _ in range(_MAX_CHAIN):
        if not waiting:
            return
        link = waiting.pop(0)
        yield link
        waiting.extend(each for each in (link.__cause__, link.__context__, *(link.exceptions or ())) if each is not None)


def _find_place(stack: StackSummary) -> str:
    """The innermost frame that lies where the outermost one does: in the plugin, not in a library that it called."""
    if not stack:
        return ""
    folder = Path(stack[0].filename).parent
    own = [frame for frame in stack if _is_below(frame, folder)]
    return f"{(own or stack)[-1].filename}:{(own or stack)[-1].lineno}"


def _is_below(frame: FrameSummary, folder: Path) -> bool:
    path = Path(frame.filename)
    return path.is_relative_to(folder) and "site-packages" not in path.relative_to(folder).parts
