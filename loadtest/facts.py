"""What a run ran on: the machine, the versions, the process behind an address."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urlsplit

LISTEN = "0A"
"""In /proc/net/tcp."""


def describe_machine() -> str:
    """Its processor, how many of its cores we may use, its kernel without the build."""
    kernel = f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}"
    with suppress(OSError):
        model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text("utf-8"))
        if model is not None:
            return f"{model[1].strip()}, {len(os.sched_getaffinity(0))} cores, {kernel}"
    return f"{platform.machine()}, {os.cpu_count()} cores, {kernel}"


def describe_versions(names: Sequence[str] = ("wsrouter", "websockets", "uvloop", "locust", "gevent")) -> str:
    """What matters for the figures, with versions."""
    found = [f"Python {platform.python_version()}"]
    for name in names:
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return ", ".join(found)


def find_listener(url: str) -> int | None:
    """The process that listens on the port of a URL of this machine; None where it cannot be told, as for another user's."""
    parts = urlsplit(url)
    if parts.hostname not in {"localhost", "127.0.0.1", "::1"} or parts.port is None:
        return None
    wanted = f":{parts.port:04X}"
    inodes = set[str]()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            rows = [line.split() for line in Path(table).read_text("ascii").splitlines()[1:]]
            inodes |= {f"socket:[{row[9]}]" for row in rows if row[3] == LISTEN and row[1].endswith(wanted)}
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with suppress(OSError):
            if any(str(link.readlink()) in inodes for link in folder.iterdir()):
                return int(folder.parent.name)
    return None
