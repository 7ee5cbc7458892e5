"""Follows a page of the documentation as a reader would: writes its files, types its commands, compares what comes.

Commands that serve go on in the background until the next one that serves. A client's command that would go on for ever is
interrupted, as by Ctrl-C, once the lines that the page shows have come; `wsrouter connect -x` is one of these, so that nobody
waits for what does not come. Port 8765 of the page is a free one here.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue

from support.daemon import FOREIGN_VARIABLES, ROOT
from support.waiting import until
from wsrouter.cli.main import COMMANDS

PORT = "8765"
WITHIN_S = 15.0
INTERRUPT = "^C"

_TIME = re.compile(r"^\d\d:\d\d:\d\d\.\d{3} ")
_GOOD_CLOSE = "closed: 1000 (OK)"


class Shell:
    """A folder, a free port, and what serves on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._port = free_port()
        self._server: Running | None = None
        self._site_changed = False

    def write(self, name: str, text: str) -> None:
        """A file of the page."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._here(text), "utf-8")
        self._site_changed = self._site_changed or name == "site.yaml"

    def type(self, line: str, shown: Sequence[str]) -> None:
        """One command, and the lines that the page shows below it.

        Raises:
            AssertionError: if something else came.
        """
        words = shlex.split(self._here(line), comments=True)
        command = command_of(words)
        if is_server(words) and not shown:
            self._serve(words)
            return
        if self._site_changed and ("connect" in words[:3] or words[0] == "python"):
            self._serve(["wsrouter", "run", "--config", "site.yaml"])
        came = self._run(command, shown)
        assert matches(shown, came), f"$ {line}\n" + "\n".join(["the page shows:", *shown, "what came:", *came])

    def close(self) -> None:
        """Ends what serves."""
        if self._server is not None:
            self._server.stop()

    def _serve(self, words: list[str]) -> None:
        self.close()
        command = command_of(words)
        if words[0] != "python":
            command += ["--listen", f"127.0.0.1:{self._port}"]  # a site without `listen` is on the page's port
        self._site_changed = False
        self._server = server = Running(command, self.folder)
        until(lambda: server.has_ended or is_listening(self._port), WITHIN_S)
        assert not server.has_ended, f"{command} does not serve: {server.rest()}"

    def _run(self, command: list[str], shown: Sequence[str]) -> list[str]:
        if "connect" in command and "-x" in command and "-w" not in command:
            command = [*command, "-w", "-1"]
        wanted = [line for line in shown if line not in {INTERRUPT, _GOOD_CLOSE}]
        running = Running(command, self.folder)
        try:
            came = running.lines(len(wanted))
            if INTERRUPT in shown or _GOOD_CLOSE in shown:
                running.interrupt()
            rest = running.rest()
        finally:
            running.stop()
        return [self._there(line) for line in came + (rest if INTERRUPT not in shown else [INTERRUPT])]

    def _here(self, text: str) -> str:
        return text.replace(PORT, str(self._port))

    def _there(self, text: str) -> str:
        return text.replace(str(self._port), PORT).replace(f"{self.folder}{os.sep}", "")


class Running:
    """A process whose lines, of both streams, are collected as they come."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if name not in FOREIGN_VARIABLES and not name.lower().endswith("_proxy")}
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env={**kept, "PYTHONUNBUFFERED": "1", "PYTHONPATH": paths},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    def lines(self, count: int) -> list[str]:
        """The next lines, as many or all that come before its end or in time."""
        found: list[str] = []
        with suppress(Empty):
            while len(found) < count and (line := self._lines.get(timeout=WITHIN_S)) is not None:
                found.append(line)
            if len(found) < count:
                self._lines.put(None)
        return found

    def interrupt(self) -> None:
        """Ctrl-C."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)

    def rest(self) -> list[str]:
        """What is still to come until its end."""
        found = []
        with suppress(Empty):
            while (line := self._lines.get(timeout=WITHIN_S)) is not None:
                found.append(line)
        return found

    def stop(self) -> None:
        """Ends it and all that it started."""
        if not self.has_ended:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(5)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                self._lines.put(line.decode(errors="replace").rstrip("\n"))
        self._lines.put(None)


def command_of(words: Sequence[str]) -> list[str]:
    """What is really started for a command of a page.

    Raises:
        AssertionError: for a program that pages should not show as run.
    """
    if list(words[:2]) == ["./dev", "run"]:
        return [sys.executable, "-m", "wsrouter", *words[2:]]
    if words[0] == "wsrouter":
        return [sys.executable, "-m", "wsrouter", *words[1:]]
    if words[0] == "pytest":
        return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words[1:]]
    assert words[0] == "python", f"a console example runs wsrouter, python or pytest, not {words[0]}; for others use ```sh"
    return [sys.executable, *words[1:]]


def is_server(words: Sequence[str]) -> bool:
    """Whether a command serves: `wsrouter run …`, `wsrouter --config …`, `./dev run hello.py`, `python server.py`."""
    if words[0] == "python":
        return words[1] == "server.py"
    rest = words[2:] if words[0] == "./dev" else words[1:]
    return words[0] in {"./dev", "wsrouter"} and bool(rest) and (rest[0] == "run" or rest[0] not in {*COMMANDS, "--help", "--version"})


def matches(shown: Sequence[str], came: Sequence[str]) -> bool:
    """Whether the lines are those of the page; times are any time, `…` stands for anything."""
    return len(shown) == len(came) and all(_pattern(line).fullmatch(_TIME.sub("TIME ", other)) for line, other in zip(shown, came, strict=True))


def _pattern(line: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, _TIME.sub("TIME ", line).split("…"))))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_listening(port: int) -> bool:
    """Whether somebody does."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
