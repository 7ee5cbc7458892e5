"""The events of the log: their names, levels, facts and meaning, in one table that is a contract. docs/log-events.md is made from it.

Plugins log under names of their own with `context.log`; what a library logs has its logger's name in `logger`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `facts` are those that it has besides `ts`, `level` and `event`; some are left out where there is nothing to say."""

    name: str
    level: str
    help: str
    facts: tuple[str, ...] = ()


_WHO: Final = ("route", "path", "peer", "client", "subprotocol", "user", "user_agent", "connection_id", "request_id")
_LOST: Final = ("dropped_in", "dropped_out", "waiting_bytes", "behind_s")
_TRAFFIC: Final = ("duration_s", "messages_in", "messages_out", "bytes_in", "bytes_out")

EVENTS: Final = (
    Event("listening", "info", "It serves.", ("addresses", "try", "routes", "connections", "open_files", "site", "version", "python", "loop")),
    Event("stopping", "info", "It was told to stop, and begins to drain.", ("connections", "delay_s", "spread_s", "timeout_s")),
    Event("drain.cut_off", "warning", "Connections that did not end in time were cut off.", ("connections", "why")),
    Event("stop.forced", "warning", "The process was ended though code of a handler still ran.", ("threads", "why", "fix")),
    Event("stopped", "info", "It has stopped."),
    Event("connection.opened", "info", "A handshake was accepted.", _WHO),
    Event("connection.closed", "info", "A connection is gone, with its cause.", ("cause", "code", "reason", "by", *_TRAFFIC, *_LOST, *_WHO)),
    Event("connection.behind", "warning", "A client reads too slowly, and begins to lose messages.", (*_LOST, *_WHO, "fix")),
    Event("connection.caught_up", "info", "It has taken what waited.", (*_LOST, *_WHO)),
    Event(
        "handshake.refused",
        "info",
        "A handshake was answered with an error; `error` where wsrouter itself failed.",
        ("status", "reason", "detail", "fix", "path", "peer", "host", "origin", "user_agent", "request_id"),
    ),
    Event("peer.vanished", "debug", "A peer connected and left without a byte.", ("peer",)),
    Event("accept.shed", "warning", "Too many sockets were half open: the oldest were cut off.", ("half_open",)),
    Event("accept.failed", "warning", "No socket could be accepted.", ("error", "fix")),
    Event(
        "overload.began",
        "warning",
        "The event loop is late again and again, or memory is nearly full: newcomers are refused, and it is not ready.",
        ("lag_s", "memory_percent", "connections", "fix"),
    ),
    Event("overload.ended", "info", "They are let in again.", ("duration_s", "refused")),
    Event("proxy.header_refused", "info", "A peer did not begin with the PROXY header that its listener asks for.", ("peer", "listener", "detail", "fix")),
    Event("tls.handshake_failed", "info", "A TLS handshake failed.", ("peer", "error")),
    Event(
        "handler.failed",
        "error",
        "A hook, a coroutine or a task of a handler raised.",
        ("route", "handler", "hook", "error", "at", "connection_id", "traceback", "tracebacks_left_out"),
    ),
    Event(
        "handler.quarantined",
        "error",
        "A route's handlers failed too often: it refuses newcomers for a while.",
        ("route", "handler", "failures", "connections", "pause_s", "error", "at", "fix"),
    ),
    Event("handler.released", "info", "It lets them in again.", ("route", "handler")),
    Event("handler.changed_process", "warning", "A handler changed what belongs to the whole process.", ("route", "handler", "when", "changed", "fix")),
    Event("handler.tasks_leaked", "warning", "A route has many more tasks than connections.", ("route", "handler", "tasks", "connections", "names", "fix")),
    Event("handler.tasks_left", "warning", "Tasks did not end when their route stopped.", ("route", "handler", "tasks", "names", "fix")),
    Event("task.exited", "error", "A task or callback that a plugin made by itself called sys.exit(); the daemon goes on.", ("error", "at", "traceback")),
    Event("topic.forgotten", "info", "A topic that only its history kept made room for a new one.", ("topic", "topics", "fix")),
    Event(
        "loop.stalled",
        "warning",
        "The event loop stood still for 100 ms or more, and where.",
        ("duration_ms", "handler", "stack", "inside", "during", "ongoing", "suppressed", "fix"),
    ),
    Event("loop.starved", "debug", "The machine was too busy to run it.", ("duration_ms", "waited_ms")),
    Event(
        "reload.done",
        "info",
        "The site serves as its files say.",
        ("summary", "changed", "added", "removed", "unchanged", "kept", "draining", "restart_needed", "generation", "took_ms"),
    ),
    Event("reload.failed", "error", "Nothing was loaded, and what served before goes on.", ("summary", "took_ms")),
    Event("reload.problem", "error", "One problem of the site; `warning` for a warning.", ("problem",)),
    Event("route.lost", "error", "A route that was stopped for its successor could not be started again.", ("route", "error", "fix")),
    Event("control.unavailable", "warning", "There is no control socket.", ("path", "why", "fix")),
    Event("control.opened", "info", "It is there after all: the daemon that had it has ended.", ("path",)),
    Event("control.failed", "error", "wsrouter failed to do what was asked on it.", ("request", "task", "error")),
    Event("admin.listening", "info", "The private side is there over TCP.", ("addresses",)),
    Event("admin.unavailable", "warning", "It is not: its address cannot be had.", ("address", "why", "fix")),
    Event("admin.refused", "warning", "Somebody asked the private side without the token, or with a wrong one.", ("path", "peer", "fix")),
    Event("admin.failed", "error", "wsrouter failed to answer a request of the private side.", ("path", "task", "error")),
    Event("systemd.unreachable", "warning", "systemd cannot be told how the daemon is.", ("error", "fix")),
    Event("uvloop.missing", "warning", "uvloop is not installed: it runs on Python's own event loop.", ("effect", "fix")),
    Event("log.suppressed", "info", "So many records of one kind were left out, as they came too fast.", ("of", "handler", "suppressed")),
    Event("log.dropped", "warning", "So many lines were lost.", ("lines", "why")),
)
"""All of them, in the order of a daemon's life."""
