"""The last resort of stopping: ends the process where code of a plugin keeps it from ending, as a thread that never returns."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from wsrouter.observe.logs import flush_logs

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsrouter.api.context import Log


class LastResort:
    """Ends the process some time after it was told to stop, from a thread of its own, whatever the event loop does."""

    def __init__(self, log: Log, end: Callable[[int], object] = os._exit) -> None:
        """Nothing happens before `end_in`. The process is ended with 0: it was told to stop, and did."""
        self._log = log
        self._end = end
        self._timer: threading.Timer | None = None

    def end_in(self, delay_s: float) -> None:
        """Ends the process after this time, unless it has ended by then. Called again, the new time counts."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(delay_s, self._force)
        self._timer.daemon = True
        self._timer.start()

    def _force(self) -> None:
        ours = {threading.current_thread(), threading.main_thread()}
        threads = [thread.name for thread in threading.enumerate() if thread not in ours and not thread.daemon]
        self._log.warning("stop.forced", threads=threads, why="code of a handler did not end", fix="end threads and tasks in the handler's stop()")
        flush_logs()
        self._end(0)
