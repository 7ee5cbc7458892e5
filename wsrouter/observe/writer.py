"""`LogWriter`: puts log lines where they go, and never lets that be somebody else's trouble.

Whoever writes a line puts it into a bounded queue; one thread writes it out. A sink that fails (disk full, closed pipe) or that
stands still (a pipe nobody reads, a terminal that is held, a dead network disk) costs lines, which are counted, and nothing
else. When lines go out again, one says how many were lost.

A line costs its caller 0.3 us. The thread is woken by the first line and then looks every `LINGER_S`, so that a flood of lines
wakes it a hundred times a second, not at each: a woken thread takes the interpreter from the event loop.
"""

from __future__ import annotations

import atexit
import os
import select
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import accumulate
from queue import Empty, SimpleQueue
from typing import Final, Protocol, TextIO
from weakref import WeakSet

BACKLOG_LINES: Final = 10_000
LINGER_S: Final = 0.01
RETRY_S: Final = 1.0
"""How often it looks whether what was lost can be told, while there is something to tell."""
TELL_S: Final = 10.0
"""Where lines never stop being lost, they are told of so often."""
FLUSH_S: Final = 1.0
_BATCH_LINES: Final = 256

_END: Final = threading.Event()
_writers: WeakSet[LogWriter] = WeakSet()
_on_wake: Callable[[], None] = lambda: None  # noqa: E731


class Notes(Protocol):
    """Lines of the log's own, which nobody writes."""

    @property
    def pending(self) -> bool:
        """Whether there is something that will be due. Whoever makes it so wakes the writer."""

    def collect(self, *, final: bool = False) -> list[bytes]:
        """The lines that are due; all that are pending, where these are the last."""

    def dropped(self, count: int) -> bytes:
        """The line that tells of so many lost ones."""


class LogWriter:
    """Writes whole lines in their order; may be called from any thread, also by a signal's handler or a destructor amid a call."""

    def __init__(
        self,
        stream: TextIO | None,
        *,
        backlog: int = BACKLOG_LINES,
        notes: Notes | None = None,
    ) -> None:
        """A stream without a file descriptor, as `io.StringIO`, is written at once: it cannot stand still. None takes nothing."""
        self.dropped = 0
        """How many lines were lost."""
        self._stream = stream
        self._fd = _find_fd(stream)
        self._limit = backlog
        self._notes = notes
        self._told = 0
        self._told_at = time.monotonic()
        self._is_cut = False  # the last line that went out lacks its end
        self._begin()
        _writers.add(self)

    def _begin(self) -> None:
        """Without a thread: at first, and in a forked child."""
        self._lock = threading.RLock()
        # Of C: nothing that interrupts a put() can find it half done. Holds lines, the flags of those who wait, None to look what is due.
        self._queue: SimpleQueue[bytes | threading.Event | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._is_child = False

    def write(self, line: bytes) -> None:
        """Takes a line, given without its line break. Never raises, never waits."""
        if self._fd is None or self._is_child:
            self._write_at_once(line)
        elif self._queue.qsize() >= self._limit:  # what led to trouble says more than what followed
            self.drop(1)
        else:
            self._queue.put(line)
            if self._thread is None:
                self._start()

    def drop(self, count: int) -> None:
        """Counts lines that are lost."""
        with self._lock:
            self.dropped += count

    def wake(self) -> None:
        """The notes are pending from now on."""
        if self._fd is not None and not self._is_child:
            self._queue.put(None)
            if self._thread is None:
                self._start()

    def flush(self, timeout_s: float = FLUSH_S) -> bool:
        """Waits until all lines of before are written or lost, at most so long; tells whether they are."""
        if self._fd is None or self._is_child:
            return True
        for line in self._notes.collect(final=True) if self._notes is not None else ():
            self.write(line)
        if self._thread is None:
            return self._queue.empty()
        done = threading.Event()
        self._queue.put(done)
        return done.wait(timeout_s)

    def close(self, timeout_s: float = FLUSH_S) -> None:
        """Flushes it and lets its thread go. Lines that are written later begin another."""
        if self._thread is not None and self.flush(timeout_s):
            self._queue.put(_END)

    def become_child(self) -> None:
        """After a fork, which leaves the thread behind and may end any moment: lines are written at once, those of the parent by the parent."""
        self._begin()
        self._is_child = True

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            thread = threading.Thread(target=self._run, name="wsrouter-log", daemon=True)
            with suppress(RuntimeError):  # no thread to be had now: the lines wait
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        """The thread."""
        while True:
            lines, flags = self._take(wait=True)
            _on_wake()
            while lines or flags:
                self._put_out(lines)
                if self._queue.empty() or time.monotonic() - self._told_at >= TELL_S:
                    self._settle()
                for flag in flags:
                    flag.set()
                if _END in flags:
                    self._end()
                    return
                time.sleep(LINGER_S)
                _on_wake()
                lines, flags = self._take(wait=False)
            self._settle()

    def _end(self) -> None:
        self._thread = None
        if not self._queue.empty():  # somebody wrote while there still was a thread
            self._start()

    def _take(self, *, wait: bool) -> tuple[list[bytes], list[threading.Event]]:
        """What is in the queue, as much as goes out at once; with `wait`, something or what is due to be looked at."""
        queue, lines, flags = self._queue, list[bytes](), list[threading.Event]()
        owes = self.dropped != self._told or (self._notes is not None and self._notes.pending)
        with suppress(Empty):
            item = queue.get(timeout=RETRY_S if owes else None) if wait else queue.get_nowait()
            while True:
                if isinstance(item, bytes):
                    lines.append(item)
                elif item is not None:
                    flags.append(item)
                    break
                if len(lines) >= _BATCH_LINES:
                    break
                item = queue.get_nowait()
        return lines, flags

    def _settle(self) -> None:
        """Writes what is due, and how many lines were lost, if that can be told now."""
        if self._notes is None:
            return
        if self._notes.pending:
            self._put_out(self._notes.collect())
        if count := self.dropped - self._told:
            self._told_at = time.monotonic()
            if self._try_write([self._notes.dropped(count)]):
                self._told += count

    def _put_out(self, lines: Sequence[bytes]) -> None:
        if lines and (lost := len(lines) - self._try_write(lines)):
            self.drop(lost)

    def _try_write(self, lines: Sequence[bytes]) -> int:
        """Writes lines however long it takes; tells how many went out whole before it failed. The rest is not tried again."""
        begin = b"\n" if self._is_cut else b""
        data, sent = begin + b"\n".join(lines) + b"\n", 0
        assert self._fd is not None
        try:
            while sent < len(data):
                try:
                    sent += os.write(self._fd, memoryview(data)[sent:])
                except BlockingIOError:  # somebody made the descriptor non-blocking
                    _wait_writable(self._fd)
        except OSError:
            ends = [len(begin) + end for end in accumulate(len(line) + 1 for line in lines)]
            whole = sum(end <= sent for end in ends)
            self._is_cut = sent not in (0, len(begin), *ends) or (self._is_cut and sent == 0)
            return whole
        self._is_cut = False
        return len(lines)

    def _write_at_once(self, line: bytes) -> None:
        """Writes a line in the caller's thread."""
        with self._lock:
            if self._fd is not None:
                self._put_out([line])
            elif self._stream is None:
                self.dropped += 1
            else:
                try:
                    self._stream.write(line.decode() + "\n")
                    self._stream.flush()
                except (OSError, ValueError):  # ValueError: the stream is closed
                    self.dropped += 1


def tell_when_awake(on_wake: Callable[[], None]) -> None:
    """Has a writer's thread call this first whenever it has waited: it may be the first to run after code that kept all threads waiting."""
    global _on_wake  # noqa: PLW0603 -- there is one process to watch
    _on_wake = on_wake


def flush_all(timeout_s: float = FLUSH_S) -> None:
    """Waits until what was logged is written, at most so long for each writer; for whoever is about to end the process."""
    for writer in list(_writers):
        writer.flush(timeout_s)


def _find_fd(stream: TextIO | None) -> int | None:
    """The file descriptor of a stream, written out so far; None where it has none."""
    try:
        fd = stream.fileno() if stream is not None else None
    except (OSError, ValueError, AttributeError):
        return None
    with suppress(OSError, ValueError, AttributeError):
        stream.flush()  # type: ignore[union-attr]
    return fd


def _wait_writable(fd: int) -> None:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    poll.poll()


def _become_children() -> None:
    for writer in list(_writers):
        writer.become_child()


os.register_at_fork(after_in_child=_become_children)
atexit.register(flush_all)
