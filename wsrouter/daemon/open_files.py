"""The open-file limit: raised to the hard one at start, and what it leaves for connections."""

from __future__ import annotations

import resource

# For listeners, logs, plugins and what Python itself opens.
RESERVE = 256


def raise_open_files() -> int:
    """Raises the soft limit of open files to the hard one, and tells what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = max(soft, 1 << 20)  # an endless limit would be refused where fs.nr_open is lower
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        except (ValueError, OSError):
            return soft
    return hard


def most_connections(setting: int | str, open_files: int) -> int:
    """How many connections may be open: the setting, or for `auto` the open-file limit less the reserve."""
    room = max(1, open_files - RESERVE)
    return room if isinstance(setting, str) else min(setting, room)
