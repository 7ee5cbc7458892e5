"""The daemon that ./dev load starts when none is named: its site, its log, its end; and that it comes back on its port when it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loadtest.processes import FOREIGN_VARIABLES, HERE, ROOT, START_S, MeasureError, end_group, find_port, pin

SITE = HERE / "site.yaml"
WRONG = {"error", "critical"}


class LabDaemon:
    """A daemon on 127.0.0.1, in a process group of its own."""

    def __init__(self, log: Path, cpu: int | None) -> None:
        self.log = log
        self.port = 0
        self._cpu = cpu
        self._start()

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    def kill(self) -> None:
        """Ends it as the kernel does that has no memory left; what it served is gone."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def come_back(self) -> None:
        """Starts it again, where its clients look for it."""
        self._start()

    def stop(self) -> None:
        """Asks it to end, and sees to it that it does."""
        end_group(self.process)

    def wrong_records(self) -> list[str]:
        """The records of its log that are errors, and lines that are no records at all."""
        return [line for line in self.log.read_text("utf-8", "replace").splitlines() if line and is_wrong(line)]

    def closes(self) -> Counter[str]:
        """Why connections ended, by its records: `slow_consumer 1013`."""
        records = (read_record(line) for line in self.log.read_text("utf-8", "replace").splitlines() if '"connection.closed"' in line)
        return Counter(f"{record.get('cause')} {record.get('code') or ''}".strip() for record in records if record.get("event") == "connection.closed")

    def _start(self) -> None:
        begin = self.log.stat().st_size if self.log.exists() else 0
        command = [sys.executable, "-m", "wsrouter", "run", "--config", str(SITE), "--listen", f"127.0.0.1:{self.port}"]
        environ = {key: value for key, value in os.environ.items() if key not in FOREIGN_VARIABLES} | {"PYTHONPATH": str(ROOT)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 -- our own program
                command, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        pin(self.process.pid, self._cpu)
        end = time.monotonic() + START_S
        while time.monotonic() < end and self.process.poll() is None:
            port = find_port(self.log.read_bytes()[begin:].decode("utf-8", "replace"))
            if port is not None:
                self.port = port
                return
            time.sleep(0.02)
        said = self.log.read_text("utf-8", "replace")[begin:].strip()[-600:]
        self.stop()
        raise MeasureError(f"the daemon does not listen; it said: {said or 'nothing'}")


def is_wrong(line: str) -> bool:
    """Whether a line of the log tells of something that must not be."""
    record = read_record(line)
    return not record or record.get("level") in WRONG


def read_record(line: str) -> dict[str, Any]:
    """A line of the log; an empty one where it is no record."""
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


@contextmanager
def run_lab_daemon(folder: Path, cpu: int | None) -> Iterator[LabDaemon]:
    """A daemon while the body lasts; its log is in `folder`.

    Raises:
        MeasureError: if it does not start; with what it said.
    """
    daemon = LabDaemon(folder / "daemon.log", cpu)
    try:
        yield daemon
    finally:
        daemon.stop()
