"""Autobahn's fuzzing client as a command: its environment, made once in .venv-autobahn, and a run of some of its cases.

The suite is for Python 2.7 only. `Unavailable` says that this machine cannot have it, and why: that is no result.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / ".venv-autobahn"
REQUIREMENTS: Final = ROOT / "requirements" / "autobahn.txt"
INSTALL_TIMEOUT_S: Final = 300

_SECTION: Final = re.compile(r"\[(\w+)\]")
_STARTED: Final = re.compile(r"Running test case ID (\S+) ")


class Unavailable(Exception):  # noqa: N818 -- no error: the suite cannot be had here
    """The suite cannot be had on this machine; the text says why."""


def parse_requirements(text: str) -> dict[str, list[str]]:
    """The sections of requirements/autobahn.txt, each with its pinned packages."""
    sections: dict[str, list[str]] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].strip()
        if section := _SECTION.fullmatch(words):
            sections[section[1]] = packages = []
        elif words:
            packages.append(words)
    return sections


def find_python2(environ: Mapping[str, str], home: Path) -> str:
    """A working Python 2.7: `$PYTHON2` if that is set, else from the path, else pyenv's newest.

    Raises:
        Unavailable: if there is none.
    """
    if wanted := environ.get("PYTHON2"):
        if not is_python2(wanted):
            raise Unavailable(f"PYTHON2={wanted} is no working Python 2.7")
        return wanted
    on_path = [shutil.which(name, path=environ.get("PATH")) for name in ("python2.7", "python2")]
    pyenv = sorted(map(str, home.glob(".pyenv/versions/2.7*/bin/python")), reverse=True)
    for python in [*filter(None, on_path), *pyenv]:
        if is_python2(python):  # a shim of pyenv may be there and lead nowhere
            return python
    raise Unavailable("no Python 2.7 here, which Autobahn's suite needs; install one (pyenv install 2.7.18) or name it: PYTHON2=/path/to/python2.7")


def is_python2(python: str) -> bool:
    """Whether this is a Python 2.7 that starts."""
    try:
        done = subprocess.run(  # noqa: S603 -- the interpreter that was asked for, or found
            [python, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.strip() == b"(2, 7)"


def ensure_suite() -> Path:
    """The command `wstest`; made in half a minute where it is not there yet, or its pinned versions have changed.

    Raises:
        Unavailable: if there is no Python 2.7, or the packages cannot be installed.
    """
    python2 = find_python2(os.environ, Path.home())
    text = REQUIREMENTS.read_text("utf-8")
    wanted = f"{python2} {ROOT} {hashlib.sha256(text.encode()).hexdigest()}\n"
    stamp, wstest = FOLDER / "stamp", FOLDER / "suite" / "bin" / "wstest"
    if stamp.is_file() and stamp.read_text("utf-8") == wanted and wstest.is_file():
        return wstest
    print("making .venv-autobahn", file=sys.stderr)
    shutil.rmtree(FOLDER, ignore_errors=True)
    make_suite(python2, parse_requirements(text))
    stamp.write_text(wanted, "utf-8")
    return wstest


def make_suite(python2: str, packages: Mapping[str, Sequence[str]]) -> None:
    """Makes the environment: a virtualenv of Python 2.7, which only an old virtualenv in Python 3 can make."""
    maker, suite = FOLDER / "maker", FOLDER / "suite"
    pip = [str(suite / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    _run([sys.executable, "-m", "venv", str(maker)])
    _run([str(maker / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", *packages["maker"]])
    _run([str(maker / "bin" / "virtualenv"), "--quiet", "--no-periodic-update", "--python", python2, str(suite)])
    _run([*pip, *packages["build"]])
    _run([*pip, "--no-build-isolation", *packages["suite"]])
    with suppress(Unavailable):
        _run([*pip, "--no-build-isolation", *packages["faster"]])


def run_cases(wstest: Path, url: str, cases: Sequence[str], folder: Path, timeout_s: float, on_case: Callable[[str], None]) -> dict[str, dict[str, object]]:
    """Runs cases, as `9.1.1` or `9.*`, against one server; `on_case` hears of each that begins.

    Returns:
        its index.json: what came out of each case, by the case. The reports, one page each, are in `folder`.

    Raises:
        RuntimeError: if wstest fails, takes longer than `timeout_s`, or leaves a case out that it began. Failed cases are no failure of it.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    spec = {"outdir": str(folder), "servers": [{"agent": "wsrouter", "url": url}], "cases": list(cases), "exclude-cases": [], "exclude-agent-cases": {}}
    (folder / "spec.json").write_text(json.dumps(spec), "utf-8")
    started: list[str] = []
    with (folder / "wstest.log").open("w", encoding="utf-8") as log:
        command = [str(wstest), "--mode", "fuzzingclient", "--spec", str(folder / "spec.json")]
        for line in _lines_of(command, folder, timeout_s):
            log.write(line)
            if match := _STARTED.match(line):
                started.append(match[1])
                on_case(match[1])
    index = folder / "index.json"
    if not index.is_file():  # wstest also exits with 0 when it is ended by a signal
        raise RuntimeError(f"wstest ended without an index of its cases; what it printed is in {folder}")
    results: dict[str, dict[str, object]] = json.loads(index.read_text("utf-8")).get("wsrouter", {})
    if missing := [case for case in started if case not in results]:
        raise RuntimeError(f"cases without a result: {' '.join(missing)}")
    return results


def _lines_of(command: Sequence[str], folder: Path, timeout_s: float) -> Iterator[str]:
    """The lines that a command prints, as they come; it is ended with the iteration, and after `timeout_s`.

    Raises:
        RuntimeError: if it fails, or was ended for its time.
    """
    process = subprocess.Popen(  # noqa: S603 -- our own command
        command, cwd=folder, env=_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    deadline = threading.Timer(timeout_s, process.kill)
    deadline.start()
    try:
        assert process.stdout is not None
        yield from process.stdout
        if status := process.wait():
            how = f"was ended after {timeout_s:g} s" if status == -signal.SIGKILL else f"ended with {status}"
            raise RuntimeError(f"{Path(command[0]).name} {how}; what it printed is in {folder}")
    finally:
        deadline.cancel()
        process.kill()
        process.communicate()


def _run(command: Sequence[str]) -> None:
    """One step of the installation, in silence.

    Raises:
        Unavailable: if it fails, with the last line that it printed.
    """
    try:
        done = subprocess.run(  # noqa: S603 -- our own command
            command,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"could not make .venv-autobahn: {error}") from None
    if done.returncode:
        said = [line for line in done.stdout.splitlines() if line.strip() and not line.startswith(("WARNING", "DEPRECATION"))]
        raise Unavailable(f"could not make .venv-autobahn: {' '.join(command[:6])} … said: {said[-1] if said else f'exit status {done.returncode}'}")


def _environment() -> dict[str, str]:
    """Ours, without what would lead another Python astray."""
    return {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "VIRTUAL_ENV"}}
