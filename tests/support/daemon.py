"""The real daemon as a process: a site and plugins in a folder, its log records as dicts, signals, its exit.

    with run_daemon("routes: {/echo: echo}", tmp_path) as daemon:
        with connect(daemon.url("/echo")) as client: ...
        daemon.wait_for("connection.closed", cause="client_close")

It always ends the process. A traceback on stderr outside a log record fails the test, wherever it comes from.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

ROOT = Path(__file__).parent.parent.parent
LISTEN = "127.0.0.1:0"
START_S = 10.0
STOP_S = 10.0

# What would change how the daemon runs, were it inherited from the shell of whoever runs the tests.
FOREIGN_VARIABLES = {
    "JOURNAL_STREAM",
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "CREDENTIALS_DIRECTORY",
    "RUNTIME_DIRECTORY",
    "WSROUTER_CONFIG",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONUNBUFFERED",
    "NO_COLOR",
}

# For plugins that do not end: a line of theirs that makes the daemon's last patience with them short.
SHORT_EXIT = "import wsrouter.daemon.daemon; wsrouter.daemon.daemon.EXIT_S = 0.3\n"

Record = dict[str, Any]


class Daemon:
    """A running daemon. Records are collected by a thread as they come; whoever waits for one is woken by it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.records: list[Record] = []
        """Its log, line by line."""
        self.stray: list[str] = []
        """Lines of stderr that are no record."""
        self.output: list[str] = []
        """Lines of stdout: what plugins print."""
        self._changed = threading.Condition()
        self._open_streams = 2
        assert process.stdout is not None
        assert process.stderr is not None
        self._readers = [
            threading.Thread(target=self._read, args=(process.stderr, self._note_log_line), daemon=True),
            threading.Thread(target=self._read, args=(process.stdout, self.output.append), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def addresses(self) -> list[str]:
        """What it listens on, as the `listening` record says: `ws://127.0.0.1:40123`."""
        return list(self.wait_for("listening", within=START_S)["addresses"])

    @property
    def port(self) -> int:
        """The port of its first TCP address."""
        return next(port for address in self.addresses if (port := urlsplit(address).port))

    def url(self, path: str = "/") -> str:
        """The address of a path, for a client."""
        return self.addresses[0] + path

    def find_records(self, event: str, **facts: object) -> list[Record]:
        """The records so far of this event that hold these facts."""
        return [record for record in list(self.records) if record.get("event") == event and all(record.get(name) == value for name, value in facts.items())]

    def wait_for(self, event: str, within: float = 5.0, count: int = 1, **facts: object) -> Record:
        """The `count`-th record of this event that holds these facts, as soon as it is there.

        Raises:
            AssertionError: if it did not come `within` seconds or the daemon ended without it; the text holds the whole log.
        """
        self._wait(lambda: len(self.find_records(event, **facts)) >= count, within, f"record {count} of {event} {facts or ''}")
        return self.find_records(event, **facts)[count - 1]

    def wait_for_output(self, text: str, within: float = 5.0) -> str:
        """The first line of stdout that holds `text`."""
        self._wait(lambda: any(text in line for line in list(self.output)), within, f"line with {text!r} on stdout")
        return next(line for line in self.output if text in line)

    def wait_for_stray(self, text: str, within: float = 5.0) -> str:
        """The first line of stderr that is no record and holds `text`."""
        self._wait(lambda: any(text in line for line in list(self.stray)), within, f"line with {text!r} on stderr")
        return next(line for line in self.stray if text in line)

    def send_signal(self, number: int) -> None:
        """Sends it a signal."""
        self.process.send_signal(number)

    def wait(self, within: float = STOP_S) -> int:
        """Its exit status, once it has ended by itself; all records are in by then."""
        try:
            status = self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {within} s\n{self.transcript()}") from None
        for reader in self._readers:
            reader.join(STOP_S)
        return status

    def stop(self, within: float = STOP_S) -> int:
        """Asks it to stop, as systemd does, and returns its exit status."""
        if self.process.poll() is None:
            self.send_signal(signal.SIGTERM)
        return self.wait(within)

    def kill(self) -> None:
        """Ends it and whatever it started, whatever state they are in."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for reader in self._readers:
            reader.join(STOP_S)

    def transcript(self) -> str:
        """All that it wrote, for the text of a failure."""
        return "\n".join(
            [*(json.dumps(record, ensure_ascii=False) for record in list(self.records)), *self.stray, *(f"stdout: {line}" for line in self.output)]
        )

    def assert_no_traceback(self) -> None:
        """A traceback belongs in a record, with the route and the handler that it came from."""
        assert not any("Traceback" in line for line in self.stray), f"a traceback outside the log\n{self.transcript()}"

    def _wait(self, condition: Callable[[], bool], within: float, wanted: str) -> None:
        deadline = time.monotonic() + within
        with self._changed:
            while not condition():
                left = deadline - time.monotonic()
                assert self._open_streams, f"the daemon ended without {wanted}\n{self.transcript()}"
                assert left > 0, f"no {wanted} within {within} s\n{self.transcript()}"
                self._changed.wait(left)

    def _read(self, stream: IO[bytes], note: Callable[[str], None]) -> None:
        with stream:
            for line in stream:
                with self._changed:
                    note(line.decode(errors="backslashreplace").rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._open_streams -= 1
            self._changed.notify_all()

    def _note_log_line(self, line: str) -> None:
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if isinstance(record, dict):
            self.records.append(record)
        else:
            self.stray.append(line)


@contextmanager
def run_daemon(
    site: str | Path,
    folder: Path,
    *,
    plugins: Mapping[str, str] | None = None,
    args: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    listening: bool = True,
    passed: Sequence[socket.socket] = (),
    under: Sequence[str] = (),
) -> Iterator[Daemon]:
    """Runs the daemon on a site while the body lasts.

    Args:
        site: the text of a site, written to `folder`/site.yaml; or the path of one that is there already.
        folder: where the site and its plugins are written; the daemon's working directory.
        plugins: file names below plugins/ to their text: `{"hello.py": "…"}`.
        args: more arguments of `wsrouter run`. Without `listen:` in the text or `--listen` here, it listens on a free port.
        env: more environment variables.
        listening: whether to wait until it listens.
        passed: listening sockets that it gets as systemd passes them; they stay the caller's.
        under: the words of a command that runs it, as `systemd-socket-activate`.

    Raises:
        AssertionError: if it does not start, does not stop cleanly when the body is done, or prints a traceback.
    """
    path, text = (site, site.read_text("utf-8")) if isinstance(site, Path) else (folder / "site.yaml", site)
    if not isinstance(site, Path):
        path.write_text(text, "utf-8")
    for name, source in (plugins or {}).items():
        target = folder / "plugins" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source, "utf-8")
    address = [] if "--listen" in args or passed or under or (not isinstance(site, Path) and "listen:" in text) else ["--listen", LISTEN]
    daemon = Daemon(start_process(["run", "--config", str(path), *address, *args], folder, env or {}, passed=passed, under=under))
    try:
        if listening:
            daemon.wait_for("listening", within=START_S)
        yield daemon
        if daemon.process.poll() is None:
            status = daemon.stop()
            assert status == 0, f"exit status {status} after SIGTERM\n{daemon.transcript()}"
    finally:
        daemon.kill()
    daemon.assert_no_traceback()


# What systemd does between fork and exec: the sockets become 3 and up, and are said to be for this process.
PASS_SOCKETS = """
import os, sys
sockets, command = [int(number) for number in sys.argv[1].split(",")], sys.argv[2:]
for offset, number in enumerate([os.dup2(number, 100 + offset) for offset, number in enumerate(sockets)]):
    os.dup2(number, 3 + offset)
    os.close(number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sockets)))
os.execv(command[0], command)
"""


def start_process(
    arguments: Sequence[str],
    folder: Path,
    env: Mapping[str, str],
    stderr: int | IO[bytes] = subprocess.PIPE,
    passed: Sequence[socket.socket] = (),
    under: Sequence[str] = (),
) -> subprocess.Popen[bytes]:
    """Starts `python -m wsrouter` in a process group of its own; `stderr` may be a file or a terminal. `passed` sockets are given as systemd does, `under` runs it."""
    numbers = [one.fileno() for one in passed]
    shim = [sys.executable, "-c", PASS_SOCKETS, ",".join(map(str, numbers))] if passed else []
    inherited = {name: value for name, value in os.environ.items() if name not in FOREIGN_VARIABLES}
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return subprocess.Popen(
        [*shim, *under, sys.executable, "-m", "wsrouter", *arguments],
        pass_fds=numbers,
        cwd=folder,
        env={**inherited, "PYTHONPATH": paths, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
    )
