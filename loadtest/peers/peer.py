"""The servers that wsrouter is compared with: what starts each, what it can do, and how its version is known."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from shutil import which

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PYTHON = ROOT / ".venv-peers" / "bin" / "python"
"""The interpreter with the packages of requirements/peers.lock."""
BUN = HERE / "node_modules" / ".bin" / "bun"
NCHAN_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")

ECHO = frozenset({"echo", "accept", "silent"})
FAN = frozenset({"fan", "accept", "silent"})
EVERY = ECHO | FAN


@dataclass(frozen=True, slots=True)
class Peer:
    """A server: `command` makes the command that serves a port, with a folder for its files."""

    name: str
    what: str
    modes: frozenset[str]
    command: Callable[[int, Path], Sequence[str]]
    missing: Callable[[], str]
    """What keeps it from running here; "" where nothing does."""
    versions: Callable[[], Mapping[str, str]]
    path: str = "/echo"
    """Where connections are opened that say nothing."""
    most_connections: int = 0
    """How many it is asked to hold at once; 0 is no bound."""
    unable: Mapping[str, str] = field(default_factory=dict)
    """Rows that it has no figure in, and why."""


def peers() -> tuple[Peer, ...]:
    """All of them, wsrouter first."""
    return (
        Peer(
            "wsrouter", "wsrouter, with records, limits and checks as every site has them", EVERY, _daemon, lambda: "", _python_versions("wsrouter", own=True)
        ),
        Peer("websockets", "the `websockets` library on uvloop", EVERY, _script("websockets_server.py"), _no_python, _python_versions("websockets", "uvloop")),
        Peer("aiohttp", "aiohttp on uvloop", EVERY, _script("aiohttp_server.py"), _no_python, _python_versions("aiohttp")),
        Peer("uvicorn", "a bare ASGI application in uvicorn", ECHO, _asgi("asgi_app:app"), _no_python, _python_versions("uvicorn")),
        Peer("FastAPI", "FastAPI in uvicorn", EVERY, _asgi("fastapi_app:app"), _no_python, _python_versions("fastapi", "uvicorn")),
        Peer("ws", "`ws` on Node.js", EVERY, lambda port, _: ["node", str(HERE / "ws_server.mjs"), str(port)], _no_ws, _ws_versions),
        Peer(
            "Bun", "Bun, whose server is uWebSockets (C++)", EVERY, lambda port, _: [str(BUN), str(HERE / "bun_server.mjs"), str(port)], _no_bun, _bun_versions
        ),
        Peer("Nchan", "nginx with Nchan (C)", FAN, _nchan, _no_nchan, _nchan_versions, path="/room/a"),
        Peer(
            "websocketd",
            "websocketd (Go) with a `cat` for each connection",
            ECHO,
            _websocketd,
            _no_websocketd,
            _websocketd_versions,
            most_connections=100,
            unable={"echo-4k": "it answers 4,096 bytes in two fragments, and the load generator, which counts bytes, expects one frame"},
        ),
    )


def _daemon(port: int, _: Path) -> list[str]:
    return [sys.executable, "-m", "wsrouter", "run", "--config", str(HERE.parent / "bench.yaml"), "--listen", f"127.0.0.1:{port}"]


def _script(name: str) -> Callable[[int, Path], list[str]]:
    return lambda port, _: [str(PYTHON), str(HERE / name), str(port)]


def _asgi(app: str) -> Callable[[int, Path], list[str]]:
    """Uvicorn as it is run in production, with what costs least: uvloop, `websockets` without compression, no log."""
    options = "--loop uvloop --ws websockets-sansio --ws-per-message-deflate false --log-level critical --no-access-log --backlog 4096"
    return lambda port, _: [str(PYTHON), "-m", "uvicorn", app, "--app-dir", str(HERE), "--port", str(port), *options.split()]


def _nchan(port: int, folder: Path) -> list[str]:
    text = (HERE / "nchan.conf").read_text("utf-8")
    for name, value in (("MODULE", NCHAN_MODULE), ("FOLDER", folder), ("PORT", port)):
        text = text.replace(f"@{name}@", str(value))
    (folder / "nginx.conf").write_text(text, "utf-8")
    return ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]


def _websocketd(port: int, _: Path) -> list[str]:
    return ["websocketd", "--address", "127.0.0.1", "--port", str(port), "--loglevel", "fatal", "cat"]


def _no_python() -> str:
    return "" if PYTHON.exists() else "the packages of requirements/peers.lock are not installed"


def _no_ws() -> str:
    if which("node") is None:
        return "node is not installed"
    return "" if (HERE / "node_modules" / "ws").is_dir() else "npm ci has not run in loadtest/peers"


def _no_bun() -> str:
    return "" if BUN.exists() else "npm ci has not run in loadtest/peers"


def _no_nchan() -> str:
    if which("nginx") is None:
        return "nginx is not installed"
    return "" if NCHAN_MODULE.exists() else "nginx's module Nchan is not installed"


def _no_websocketd() -> str:
    return "" if which("websocketd") else "websocketd is not installed"


def _python_versions(*names: str, own: bool = False) -> Callable[[], dict[str, str]]:
    if own:
        return lambda: {name: version(name) for name in (*names, "websockets", "uvloop")}
    code = "import sys; from importlib.metadata import version; print(*(version(name) for name in sys.argv[1:]))"
    return lambda: dict(zip(names, _say(str(PYTHON), "-c", code, *names).split(), strict=True))


def _ws_versions() -> dict[str, str]:
    found = re.search(r'"version": "([^"]+)"', (HERE / "node_modules" / "ws" / "package.json").read_text("utf-8"))
    return {"ws": found[1] if found else "?", "Node.js": _say("node", "--version").removeprefix("v")}


def _bun_versions() -> dict[str, str]:
    return {"Bun": _say(str(BUN), "--version")}


def _nchan_versions() -> dict[str, str]:
    return {"nginx": _say("nginx", "-v").rpartition("/")[2], "Nchan": _debian("libnginx-mod-nchan")}


def _websocketd_versions() -> dict[str, str]:
    return {"websocketd": _debian("websocketd")}


def _debian(package: str) -> str:
    """The upstream part of the version that Debian's package has."""
    if which("dpkg-query") is None:
        return "?"
    return re.sub(r"^\d+:|[+~-](dfsg)?.*$", "", _say("dpkg-query", "--showformat=${Version}", "--show", package)) or "?"


def _say(*command: str) -> str:
    """What a command prints, on whichever stream."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)  # noqa: S603 -- commands of this file
    return (done.stdout or done.stderr).strip()
