"""Gets what the peers need: Python's packages by a lock with hashes, npm's by theirs, Debian's where that may be done.

Each into a place of its own: nothing of it is seen by the daemon or by the tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from shutil import which

from loadtest.peers.peer import HERE, NCHAN_MODULE, PYTHON, ROOT

LOCK = ROOT / "requirements" / "peers.lock"
NPM_LOCK = HERE / "package-lock.json"


def fit_out() -> list[str]:
    """Installs what is missing. What could not be had, a line each; whoever needs it is left out."""
    return [problem for step in (_debian, _python, _npm) if (problem := step())]


def _python() -> str:
    stamp = PYTHON.parent.parent / "stamp"
    if stamp.exists() and stamp.read_bytes() == LOCK.read_bytes():
        return ""
    if not PYTHON.exists():
        problem = _run("the environment of the Python peers", sys.executable, "-m", "venv", str(PYTHON.parent.parent))
        if problem:
            return problem
    uv = Path(sys.executable).with_name("uv")
    install = [str(uv), "pip", "install", "--python", str(PYTHON)] if uv.exists() else [str(PYTHON), "-m", "pip", "install"]
    problem = _run("the Python peers", *install, "--quiet", "--require-hashes", "-r", str(LOCK))
    if not problem:
        stamp.write_bytes(LOCK.read_bytes())
    return problem


def _npm() -> str:
    installed = HERE / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= NPM_LOCK.stat().st_mtime:
        return ""
    if which("npm") is None:
        return "npm is not installed: without ws and Bun"
    return _run("ws and Bun", "npm", "ci", "--silent", "--prefix", str(HERE), folder=HERE)


def _debian() -> str:
    wanted = {
        "nginx-light": which("nginx"),
        "libnginx-mod-nchan": NCHAN_MODULE.exists(),
        "websocketd": which("websocketd"),
        "nodejs": which("node"),
        "npm": which("npm"),
    }
    packages = [name for name, is_there in wanted.items() if not is_there]
    if not packages:
        return ""
    if which("apt-get") is None or os.geteuid() != 0:
        return f"not installed, and this is not root on Debian: {' '.join(packages)}"
    quiet = ("-q", "-y", "--no-install-recommends")
    return _run("Debian's index", "apt-get", "update", "-q") or _run(f"Debian's {' '.join(packages)}", "apt-get", "install", *quiet, *packages)


def _run(what: str, *command: str, folder: Path = ROOT) -> str:
    """Runs a command; what went wrong, "" for nothing."""
    print(f"installing {what}", file=sys.stderr, flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603 -- commands of this file
    if done.returncode == 0:
        return ""
    said = (done.stderr or done.stdout).strip().splitlines()
    return f"could not install {what}: {said[-1] if said else f'exit status {done.returncode}'}"
