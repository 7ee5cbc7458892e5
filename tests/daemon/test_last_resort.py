"""The last resort: it ends a process that does not end, tells why, and waits as it was told last."""

from __future__ import annotations

import threading
from typing import Any

from wsrouter.daemon.last_resort import LastResort


class Log:
    def __init__(self) -> None:
        self.records: list[tuple[str, dict[str, Any]]] = []

    def warning(self, event: str, **facts: Any) -> None:
        self.records.append((event, facts))


def test_it_ends_the_process_and_names_the_threads_that_are_left() -> None:
    log, ended, release = Log(), threading.Event(), threading.Event()
    statuses: list[int] = []
    thread = threading.Thread(target=release.wait, name="endless")
    thread.start()
    try:
        LastResort(log, lambda status: (statuses.append(status), ended.set())).end_in(0.0)  # type: ignore[arg-type]
        assert ended.wait(5)
    finally:
        release.set()
        thread.join()

    assert statuses == [0]
    assert [(event, facts["threads"]) for event, facts in log.records] == [("stop.forced", ["endless"])]


def test_a_later_word_replaces_an_earlier_one() -> None:
    ended = threading.Event()
    last_resort = LastResort(Log(), lambda status: ended.set())  # type: ignore[arg-type]
    last_resort.end_in(3600.0)
    last_resort.end_in(0.0)

    assert ended.wait(5)
