"""`LogWriter`: puts log lines where they go, and never lets that be somebody else's trouble.

A sink that fails (disk full, closed pipe) loses lines, which are counted; the caller never sees an error. A sink that stands
still (a pipe nobody reads, a terminal that is held) never stops the caller: what it does not take at once waits in a bounded
backlog, which a thread writes out while there is one. Without one, a line costs two system calls and no thread.
"""

from __future__ import annotations

import atexit
import os
import select
import threading
from collections import deque
from contextlib import suppress
from typing import Final, TextIO

# What a pipe that polls writable takes without blocking: POSIX's least PIPE_BUF is 512, Linux has 4096 (pipe(7)).
_CHUNK_BYTES: Final = select.PIPE_BUF
_BACKLOG_LINES: Final = 10_000


class LogWriter:
    """Writes whole lines in their order; may be called from any thread."""

    def __init__(self, stream: TextIO, *, backlog: int = _BACKLOG_LINES) -> None:
        """A stream without a file descriptor, as `io.StringIO`, is written as it is: it cannot stand still."""
        self.dropped = 0
        """How many lines were lost."""
        self._stream = stream
        self._fd = _find_fd(stream)
        self._limit = backlog
        self._backlog: deque[bytes] = deque()
        self._draining = False
        self._registered = False
        # Its lock may be taken again by the thread that has it: a signal's handler, or a destructor, may log amid a write.
        self._lock = threading.RLock()
        self._drained = threading.Condition(self._lock)
        self._poll = select.poll()
        if self._fd is not None:
            self._poll.register(self._fd, select.POLLOUT)

    def write(self, line: bytes) -> None:
        """Writes a line, given without its line break. Never raises, never waits."""
        data = line + b"\n"
        with self._lock:
            if self._draining:
                self._keep(data)
            elif rest := self._try_write(data):
                self._keep(rest)
                self._start_draining()

    def flush(self, timeout_s: float = 1.0) -> bool:
        """Waits until the backlog is written, at most so long; tells whether it is."""
        with self._lock:
            return self._drained.wait_for(lambda: not self._draining, timeout_s)

    def _keep(self, data: bytes) -> None:
        """Puts a line into the backlog, or drops it where that is full: what led to trouble says more than what followed."""
        if len(self._backlog) < self._limit:
            self._backlog.append(data)
        else:
            self.dropped += 1

    def _try_write(self, data: bytes) -> bytes:
        """Writes as much as goes without waiting; returns the rest. What fails is dropped."""
        try:
            if self._fd is None:
                self._stream.write(data.decode())
                self._stream.flush()
                return b""
            while data and self._poll.poll(0):
                data = data[os.write(self._fd, data[:_CHUNK_BYTES]) :]
        except BlockingIOError:  # somebody made the descriptor non-blocking
            return data
        except (OSError, ValueError):  # ValueError: the stream is closed
            self.dropped += 1
            return b""
        return data

    def _start_draining(self) -> None:
        if not self._registered:
            self._registered = True
            atexit.register(self.flush)  # what waits is not lost with the process, if the sink moves again within a second
        self._draining = True
        try:
            threading.Thread(target=self._drain, name="wsrouter-log", daemon=True).start()
        except RuntimeError:  # no thread to be had, or the interpreter is ending
            self.dropped += len(self._backlog)
            self._backlog.clear()
            self._draining = False

    def _drain(self) -> None:
        """The thread: writes the backlog as the sink takes it, and ends with it."""
        assert self._fd is not None
        while True:
            with self._lock:
                if not self._backlog:
                    self._draining = False
                    self._drained.notify_all()
                    return
                data = self._backlog.popleft()
            self._write_waiting(self._fd, data)

    def _write_waiting(self, fd: int, data: bytes) -> None:
        """Writes a line however long it takes. What fails is dropped."""
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        while data:
            try:
                poll.poll()  # also returns where writing fails at once
                data = data[os.write(fd, data[:_CHUNK_BYTES]) :]
            except BlockingIOError:
                continue
            except OSError:
                with self._lock:
                    self.dropped += 1
                return


def _find_fd(stream: TextIO) -> int | None:
    """The file descriptor of a stream, written out so far; None where it has none."""
    try:
        fd = stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None
    with suppress(OSError, ValueError):
        stream.flush()
    return fd
