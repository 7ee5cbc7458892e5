"""Logs: the only configuration of `structlog`, and of the standard library's logging for the libraries that use it.

Records of wsrouter and its plugins go through structlog's native chain (6.8 µs a line against 29.8 through `logging`); what a
library logs comes through `ProcessorFormatter` at WARNING. Every text of a record is cleaned on its way (see `text`), and
secrets that it quotes are hidden (see `config.secrets`). Of each kind of records so many are written (see `limit`).
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from time import time_ns
from typing import Any, Final, Protocol, TextIO, cast

import structlog

from wsrouter.api.context import Log
from wsrouter.config.secrets import hide_in_fact
from wsrouter.config.settings import Log as LogSettings
from wsrouter.observe.limit import UNLIMITED, Kind, RecordLimit
from wsrouter.observe.text import clean, clean_facts, to_json_line, to_pretty_lines, with_prefix
from wsrouter.observe.writer import LogWriter, flush_all

__all__ = ["LogWriter", "clean", "configure_logs", "flush_logs", "get_logger", "get_record_logger", "is_journal", "logs_dropped"]

_current: LogWriter | None = None

_OWN: Final = ("ts", "level", "fix", "try")
_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

Facts = MutableMapping[str, Any]


class RecordLog(Log, Protocol):
    """A log with one method more, for whoever writes two records for each connection."""

    def record(self, event: str, facts: Facts) -> None:
        """`info(event, **facts)` for facts that nobody else holds and that quote no secrets. It is never limited."""


def get_logger(**facts: object) -> Log:
    """A log whose records carry these facts. It follows `configure_logs`, also when that is called later or again."""
    return cast("Log", structlog.get_logger(**facts))


def get_record_logger() -> RecordLog:
    """A log that is bound already: 3 us less a record. It does not follow a later `configure_logs`."""
    return cast("RecordLog", structlog.get_logger().bind())


def configure_logs(settings: LogSettings, stream: TextIO | None = None, environ: Mapping[str, str] = os.environ) -> LogWriter:
    """Sends all records to a stream (default: stderr as it is now), in the format and from the level of the settings.

    `auto` is pretty on a terminal, else JSON lines. Lines that the journal reads begin with their level, `<3>` to `<7>`.
    May be called again, as by a reload. Returns the writer, which counts what was lost.
    """
    global _current  # noqa: PLW0603 -- as structlog's configuration, it is one for the process
    stream = sys.stderr if stream is None else stream  # None where the process was started without it
    render = _make_renderer(settings, stream, environ)
    limit = RecordLimit(on_pending=lambda: writer.wake())
    writer = LogWriter(stream, notes=_Notes(limit, render))
    if _current is not None:
        _current.close()
    _current = writer
    lines = _LineLogger(writer)
    own = {"of_record": (_Stamp(), _clean, render)}
    structlog.configure(
        processors=[_Limit(limit), _Stamp(), structlog.processors.format_exc_info, _clean, _hide, render],
        wrapper_class=type("Logger", (_Recording, structlog.make_filtering_bound_logger(_LEVELS[settings.level])), own),
        logger_factory=lambda *args: lines,
        # Not cached: a logger from before a reload must follow it. Binding anew costs about 2 µs a record.
        cache_logger_on_first_use=False,
    )
    _configure_foreign(writer, limit, render)
    return writer


def flush_logs(timeout_s: float = 1.0) -> None:
    """Waits until what was logged is written, at most so long: for whoever ends the process by force."""
    flush_all(timeout_s)


def logs_dropped() -> int:
    """How many lines were lost since the logs were configured."""
    return 0 if _current is None else _current.dropped


def is_journal(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Whether a stream goes to systemd's journal: $JOURNAL_STREAM names its device and inode (systemd.exec(5))."""
    device, _, inode = environ.get("JOURNAL_STREAM", "").partition(":")
    if not (device.isdecimal() and inode.isdecimal()):
        return False
    try:
        status = os.fstat(stream.fileno())  # type: ignore[union-attr]
    except (OSError, ValueError, AttributeError):
        return False
    return (status.st_dev, status.st_ino) == (int(device), int(inode))


class _Recording(structlog.BoundLoggerBase):
    """What structlog's loggers have besides their own."""

    of_record: tuple[Callable[[object, str, Facts], Any], ...] = ()

    def record(self, event: str, facts: Facts) -> None:
        """See `RecordLog`. structlog's `info` copies the facts four times on their way to the chain: 1.6 us of 7.7, 3.5 of 11.8."""
        logger: Any = self
        if not logger.is_enabled_for(logging.INFO):
            return
        line: Any = facts
        facts["event"] = event
        for process in self.of_record:
            line = process(self._logger, "info", line)
        self._logger.info(line)


class _LineLogger:
    """What structlog hands its rendered lines to: one method a level, all the same."""

    __slots__ = ("debug", "error", "info", "warning")

    def __init__(self, writer: LogWriter) -> None:
        self.debug = self.info = self.warning = self.error = writer.write

    def __getattr__(self, name: str) -> Callable[[bytes], None]:
        """`critical`, `exception`, `log` and whatever else structlog may ask for."""
        return self.info


class _Stamp:
    """Adds time and level. The wall clock, as people compare it with other logs; durations are measured elsewhere."""

    __slots__ = ("_second",)

    def __init__(self) -> None:
        self._second = (0, "")  # one attribute, as records come from any thread

    def __call__(self, logger: object, method: str, facts: Facts) -> Facts:
        """A second's text is made once: 0.5 us a record instead of 1.4."""
        now_ms = time_ns() // 1_000_000
        second, text = self._second
        if now_ms // 1000 != second:
            second = now_ms // 1000
            text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second = (second, text)
        facts["ts"] = f"{text}.{now_ms % 1000:03d}Z"
        facts["level"] = "error" if method == "exception" else method
        return facts


class _Limit:
    """Lets so many records of each kind through; the next one says how many there would have been more."""

    __slots__ = ("_admit",)

    def __init__(self, limit: RecordLimit) -> None:
        self._admit = limit.admit

    def __call__(self, logger: object, method: str, facts: Facts) -> Facts:
        """Raises:
        DropEvent: structlog's, for one that is left out.
        """
        event = str(facts["event"])
        if event not in UNLIMITED:
            suppressed = self._admit(Kind(event, str(facts.get("handler", ""))))
            if suppressed is None:
                raise structlog.DropEvent
            if suppressed:
                facts["suppressed"] = suppressed
        return facts


class _Notes:
    """The log's own lines, see `writer.Notes`."""

    def __init__(self, limit: RecordLimit, render: Callable[[object, str, Facts], bytes]) -> None:
        self._limit = limit
        self._render = render
        self._stamp = _Stamp()

    @property
    def pending(self) -> bool:
        return self._limit.pending

    def collect(self, *, final: bool = False) -> list[bytes]:
        """`log.suppressed`: what was left out last."""
        found = self._limit.collect(final=final)
        return [self._line("info", event="log.suppressed", of=kind.event, handler=kind.handler, suppressed=count) for kind, count in found]

    def dropped(self, count: int) -> bytes:
        """`log.dropped`: how many lines were lost."""
        return self._line("warning", event="log.dropped", lines=count, why="the log could not be written, or not as fast as it came")

    def _line(self, method: str, **facts: object) -> bytes:
        present = {name: value for name, value in facts.items() if value != ""}
        return self._render(None, method, _clean(None, method, self._stamp(None, method, present)))


class _ForeignHandler(logging.Handler):
    """Takes the records of the standard library's logging."""

    def __init__(self, writer: LogWriter, limit: RecordLimit) -> None:
        super().__init__(logging.WARNING)
        self._writer = writer
        self._admit = limit.admit

    def createLock(self) -> None:  # noqa: N802 -- the base's name
        """None: the writer needs none, and one that a forked child inherits could be held for ever."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Writes a record that no filter holds back. The base's `handle` cannot do without a lock from Python 3.13 on."""
        kept: object = self.filter(record)  # from Python 3.12 on a filter may put another record in its place
        if kept:
            self.emit(kept if isinstance(kept, logging.LogRecord) else record)
        return bool(kept)

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a record. One that cannot be rendered is counted as lost: the library that logged it must not suffer."""
        suppressed = self._admit(Kind(record.name))
        if suppressed is None:
            return
        try:
            record.__dict__["suppressed"] = suppressed
            line = self.format(record).encode()
        except Exception:  # noqa: BLE001  a record holds a library's own objects and arguments
            self._writer.drop(1)
        else:
            self._writer.write(line)


def _make_renderer(settings: LogSettings, stream: TextIO | None, environ: Mapping[str, str]) -> Callable[[object, str, Facts], bytes]:
    """The end of the chain: a clean record becomes bytes."""
    journal, terminal = is_journal(stream, environ), _is_terminal(stream)
    pretty = settings.format == "pretty" or (settings.format == "auto" and terminal)
    colours = terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"

    def render(logger: object, method: str, facts: Facts) -> bytes:
        level = facts["level"]
        lines = to_pretty_lines(facts, colours=colours) if pretty else to_json_line(facts)
        return with_prefix(lines, level) if journal else lines

    return render


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except (OSError, ValueError, AttributeError):
        return False


def _clean(logger: object, method: str, facts: Facts) -> Facts:
    clean_facts(facts)
    return facts


def _hide(logger: object, method: str, facts: Facts) -> Facts:
    """Hides secrets that clean facts quote. What is to be done (`fix`) is wsrouter's own text, and speaks of settings like `tokens:`."""
    for name, value in facts.items():
        if type(value) is not int and name not in _OWN:
            facts[name] = hide_in_fact(name, value)
    return facts


def _name_logger(logger: object, method: str, facts: Facts) -> Facts:
    """The name of a foreign record's logger."""
    facts["logger"] = facts["_record"].name
    if facts["_record"].suppressed:
        facts["suppressed"] = facts["_record"].suppressed
    return facts


def _configure_foreign(writer: LogWriter, limit: RecordLimit, render: Callable[[object, str, Facts], bytes]) -> None:
    """Makes the root logger of the standard library write as wsrouter does, from WARNING up."""
    handler = _ForeignHandler(writer, limit)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_Stamp(), _name_logger],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _clean,
                _hide,
                lambda logger, method, facts: render(logger, method, facts).decode(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [each for each in root.handlers if not isinstance(each, _ForeignHandler)] + [handler]
    root.setLevel(logging.WARNING)
