"""What belongs to the whole process and not to a handler: seen before and after a handler's code runs, so that a change can be named.

Looking costs about 20 us. Changes that would break wsrouter itself are put back; others are only named: perhaps they are meant.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

OWNED_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE)
"""Signals that wsrouter handles; they are put back."""
_OTHER_SIGNALS: Final = (signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGCHLD, signal.SIGABRT)


@dataclass(frozen=True, slots=True)
class ProcessState:
    """What the process was like at a moment."""

    signals: Mapping[signal.Signals, object]
    things: Mapping[str, object]
    """What it is, in words -> something that compares."""
    structlog: Mapping[str, object] | None
    """Its configuration; None where it has none."""


def take_state() -> ProcessState:
    """What the process is like now."""
    root = logging.getLogger()
    things: dict[str, object] = {
        "the root logger's handlers": tuple(map(id, root.handlers)),
        "the root logger's level": root.level,
        "logging.disable": root.manager.disable,
        "sys.excepthook": sys.excepthook,
        "threading.excepthook": threading.excepthook,
        "the event-loop policy": _loop_policy(),
        "gc settings": (gc.isenabled(), gc.get_threshold(), gc.get_debug()),
        "warnings filters": _broad_filters(),
        "sys.path": tuple(sys.path),
        "sys.setswitchinterval": sys.getswitchinterval() if threading.current_thread() is threading.main_thread() else None,
        "the recursion limit": sys.getrecursionlimit(),
        "the working folder": _working_folder(),
    }
    return ProcessState({number: signal.getsignal(number) for number in (*OWNED_SIGNALS, *_OTHER_SIGNALS)}, things, _structlog_configuration())


def settle_changes(before: ProcessState) -> list[str]:
    """What has changed since, in words; what would break wsrouter is put back, and the words say so."""
    now = take_state()
    told = [what for what, value in now.things.items() if value != before.things[what]]
    for number, handler in now.signals.items():
        if handler is not before.signals[number]:
            told.append(f"the handler of {number.name}{' (put back)' if _put_back_signal(number, before.signals[number]) else ''}")
    if now.structlog != before.structlog:
        told.append(f"structlog's configuration{' (put back)' if _put_back_structlog(before.structlog) else ''}")
    return told


def _put_back_signal(number: signal.Signals, handler: object) -> bool:
    if number not in OWNED_SIGNALS or handler is None or threading.current_thread() is not threading.main_thread():
        return False
    signal.signal(number, handler)  # type: ignore[arg-type]  # it is what getsignal gave
    return True


# structlog and asyncio are looked for and not imported: they may not be loaded yet, and cost 50 ms each. observe/ configures structlog.


def _structlog_configuration() -> dict[str, object] | None:
    structlog = sys.modules.get("structlog")
    if structlog is None or not getattr(structlog, "is_configured", bool)():
        return None
    return dict(structlog.get_config())


def _put_back_structlog(configuration: Mapping[str, object] | None) -> bool:
    structlog = sys.modules["structlog"]
    if configuration is None:
        structlog.reset_defaults()
    else:
        structlog.configure(**configuration)
    return True


def _loop_policy() -> str | None:
    """The name of its class; None for Python's own, which is made when somebody asks."""
    events = sys.modules.get("asyncio.events")
    policy = getattr(events, "_event_loop_policy", None)
    own = getattr(sys.modules.get("asyncio"), "DefaultEventLoopPolicy", None)
    return None if policy is None or type(policy) is own else f"{type(policy).__module__}.{type(policy).__qualname__}"


def _broad_filters() -> tuple[object, ...]:
    """The filters of warnings that are not about a message or module of somebody's own: those silence everybody."""
    return tuple(each for each in warnings.filters if each[1] is None and each[3] is None and each[2].__module__ == "builtins")


def _working_folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 -- a text to compare
    except OSError:
        return ""
