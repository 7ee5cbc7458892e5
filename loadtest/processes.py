"""The processes of a measurement: servers and generators, what they have used, where they run, and that they end."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
START_S = 20.0
STOP_S = 5.0
# After the last answer a server may still close sockets and write records.
SETTLE_S = 0.02

# What would change how a server runs, were it inherited.
FOREIGN_VARIABLES = {
    "JOURNAL_STREAM",
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "LISTEN_PID",
    "RUNTIME_DIRECTORY",
    "WSROUTER_CONFIG",
    "PYTHONDONTWRITEBYTECODE",
    "NO_COLOR",
}

COMMANDS = {
    "wsrouter": [sys.executable, "-m", "wsrouter", "run", "--config", str(HERE / "bench.yaml"), "--listen", "127.0.0.1:0"],
    "websockets": [sys.executable, str(HERE / "peers" / "websockets_server.py")],
}


def own_environment(runtime: str | Path) -> dict[str, str]:
    """The environment of a daemon under test; its control socket is in the folder `runtime`, and not where those of other daemons are."""
    inherited = {key: value for key, value in os.environ.items() if key not in FOREIGN_VARIABLES}
    return inherited | {"PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(runtime)}


class MeasureError(Exception):
    """A process did not do its part; the text says which and how."""


def end_group(process: subprocess.Popen[Any]) -> None:
    """Ends a process that leads a group, with all that it started: asked first, then not asked."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
            return


class Server:
    """A server as a process group of its own. Nothing of it outlives `run_server`."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        self.name = name
        self.process = process
        self.port = 0
        self._log = log

    def wait_until_it_listens(self) -> None:
        """Reads the port from its `listening` record.

        Raises:
            MeasureError: if it ends, or says nothing for 20 s; with what it said.
        """
        end = time.monotonic() + START_S
        while time.monotonic() < end and self.process.poll() is None:
            port = find_port(self.output())
            if port is not None:
                self.port = port
                return
            time.sleep(0.02)
        raise MeasureError(f"{self.name} does not listen; it said: {self.output().strip()[-400:] or 'nothing'}")

    def output(self) -> str:
        """What it has written to its log so far."""
        return os.pread(self._log.fileno(), 1 << 20, 0).decode(errors="replace")

    def records(self, event: str) -> list[dict[str, Any]]:
        """Its records of an event so far."""
        found = [json.loads(line) for line in self.output().splitlines(keepends=True) if line.endswith("\n") and f'"{event}"' in line]
        return [record for record in found if record["event"] == event]

    def gauge(self, kind: str) -> float:
        """CPU seconds (user and system) of all its processes, or their resident bytes."""
        pids = process_tree(self.process.pid)
        if kind == "cpu":
            return sum(map(cpu_s, pids)) + ended_children_s(self.process.pid)
        return sum(map(memory_bytes, pids))

    def stop(self) -> None:
        """Ends it: asked first, then not asked."""
        end_group(self.process)


class Generator:
    """A load generator that is connected to one server, and waits to be told."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def wait_until_ready(self) -> None:
        """Waits for its connections.

        Raises:
            MeasureError: if it ends without.
        """
        self._answer()

    def run(self, seconds: float) -> int:
        """Has it make load for so long; how many messages reached clients.

        Raises:
            MeasureError: if it ends instead; with what it said.
        """
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # `_answer` tells why
            self.process.stdin.write(f"{seconds}\n")
            self.process.stdin.flush()
        return int(self._answer())

    def stop(self) -> None:
        """Ends it."""
        self.process.kill()
        self.process.communicate()

    def _answer(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise MeasureError(self.process.communicate()[1].strip()[-400:] or f"the generator ended with {self.process.returncode}")
        return line


def run_server(name: str, cpu: int | None) -> AbstractContextManager[Server]:
    """Runs a server of COMMANDS on one CPU while the body lasts. It listens when `wait_until_it_listens` says so."""
    return _run(name, COMMANDS[name], cpu)


@contextmanager
def run_site(site: str, cpu: int | None) -> Iterator[Server]:
    """Runs the daemon on the text of a site, on one CPU, while the body lasts. It listens."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "site.yaml")
        path.write_text(site, "utf-8")
        with _run("wsrouter", [sys.executable, "-m", "wsrouter", "run", "--config", str(path), "--listen", "127.0.0.1:0"], cpu) as server:
            server.wait_until_it_listens()
            yield server


@contextmanager
def run_on_port(name: str, command: Callable[[int], Sequence[str]], cpu: int | None) -> Iterator[Server]:
    """Runs any server on one CPU while the body lasts, on a free port that `command` is made with. It listens.

    Raises:
        MeasureError: if it ends, or does not listen within 20 s; with what it said.
    """
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    with _run(name, command(port), cpu) as server:
        server.port = port
        end = time.monotonic() + START_S
        while time.monotonic() < end and server.process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.02)
        else:
            raise MeasureError(f"{name} does not listen; it said: {server.output().strip()[-400:] or 'nothing'}")
        yield server


def run_bench(url: str, options: Mapping[str, object], cpu: int | None, patience_s: float) -> dict[str, Any]:
    """What `wsrouter bench --json` says, on one CPU; `options` are its flags without their dashes.

    Raises:
        MeasureError: if it fails, takes longer than `patience_s`, or messages are lost.
    """
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "wsrouter", "bench", url, *words, "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 -- our own program
        pin(process.pid, cpu)
        try:
            out, problem = process.communicate(timeout=patience_s)
        except subprocess.TimeoutExpired:
            raise MeasureError(f"wsrouter bench did not end within {patience_s:g} s") from None
        finally:
            process.kill()  # it does not outlive the command, however that ends
    if not out:
        raise MeasureError(f"wsrouter bench: {problem.strip()[-300:]}")
    found: dict[str, Any] = json.loads(out)
    if found["lost"] or found["errors"]:
        raise MeasureError(f"wsrouter bench: {found['lost']} messages lost, errors: {found['errors'] or 'none'}")
    return found


@contextmanager
def _run(name: str, command: Sequence[str], cpu: int | None) -> Iterator[Server]:
    with ExitStack() as stack:
        inherited = own_environment(stack.enter_context(tempfile.TemporaryDirectory(prefix="wsr-")))
        log = stack.enter_context(tempfile.TemporaryFile())
        process = subprocess.Popen(  # noqa: S603 -- our own program
            command, cwd=ROOT, env=inherited, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        server = Server(name, process, log)
        stack.callback(server.stop)
        pin(process.pid, cpu)
        yield server


@contextmanager
def run_generator(port: int, arguments: Sequence[object], cpu: int | None) -> Iterator[Generator]:
    """Runs a generator on one CPU while the body lasts; `arguments` are those after the port."""
    command = [sys.executable, "-I", "-S", str(HERE / "generator.py"), str(port), *map(str, arguments)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603 -- our own file
    generator = Generator(process)
    try:
        pin(process.pid, cpu)
        yield generator
    finally:
        generator.stop()


def find_port(log: str) -> int | None:
    """The port in the `listening` record of a log, once that line is whole."""
    for line in log.splitlines(keepends=True):
        if line.endswith("\n") and '"listening"' in line:
            address: str = json.loads(line)["addresses"][0]
            return urlsplit(address).port
    return None


def process_tree(pid: int) -> list[int]:
    """A process and all that come from it."""
    found = [pid]
    for one in found:
        with suppress(OSError):
            found += [int(child) for task in Path(f"/proc/{one}/task").iterdir() for child in (task / "children").read_text().split()]
    return found


def cpu_s(pid: int) -> float:
    """User and system seconds of a process, of all its threads, from the process's own clock (clock_getcpuclockid(3)).

    /proc/PID/stat counts the same in ticks of 10 ms: as much as a whole slice may cost.
    """
    return time.clock_gettime((~pid << 3) | 2)


def ended_children_s(pid: int) -> float:
    """User and system seconds of a process's children that have ended, in the kernel's ticks of 10 ms: those of a process for each connection."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def memory_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def peak_bytes(pid: int) -> int:
    """The most of a process that was ever resident (VmHWM): what it needs between two calls, the second one tells."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def choose_cpus(allowed: set[int]) -> tuple[int | None, int | None]:
    """One CPU for servers and one for generators; none where there is only one."""
    first = sorted(allowed)[:2]
    return (first[0], first[1]) if len(first) == 2 else (None, None)


def pin(pid: int, cpu: int | None) -> None:
    """Keeps a process on one CPU; threads that it starts later stay there, too."""
    if cpu is not None:
        os.sched_setaffinity(pid, {cpu})


def raise_open_files() -> None:
    """Generators and servers need a file for each connection."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
