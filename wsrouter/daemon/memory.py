"""How much of the memory that it may have the daemon has: of its cgroup's limit, and of the process's own for its address space."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Final

CGROUPS: Final = Path("/sys/fs/cgroup")
NO_LIMIT: Final = 1 << 60
"""The first version of cgroups tells a number beyond this where there is none."""


def find_cgroup_limit(membership: str, root: Path = CGROUPS) -> int | None:
    """The least limit in bytes of a process's cgroup and of those around it, in either version; None where no one has set any.

    `membership` is the text of `/proc/self/cgroup`. In a container it may name a folder that is not to be seen there: the limit of
    the container itself is the one at `root` then.
    """
    limits = []
    for line in membership.splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            top, name = root, "memory.max"
        elif "memory" in controllers.split(","):
            top, name = root / "memory", "memory.limit_in_bytes"
        else:
            continue
        folder = top / path.lstrip("/")
        limits += [_read_limit(each / name) for each in (folder, *folder.parents) if each.is_relative_to(top)]
    return min((limit for limit in limits if limit is not None), default=None)


class MemoryGauge:
    """Measures this process. The limit of its cgroup is read once, when this is made."""

    def __init__(self) -> None:
        """Without `/proc` or without limits the share is always 0."""
        self._page_bytes = resource.getpagesize()
        self._address_space = resource.getrlimit(resource.RLIMIT_AS)[0]
        try:
            self._resident = find_cgroup_limit(Path("/proc/self/cgroup").read_text("utf-8"))
        except OSError:
            self._resident = None

    @property
    def has_limit(self) -> bool:
        """Whether there is anything to measure against."""
        return self._resident is not None or self._address_space != resource.RLIM_INFINITY

    def share(self) -> float:
        """The larger one of two shares: resident memory of the cgroup's limit, address space of the process's. Takes some 20 us."""
        try:
            with Path("/proc/self/statm").open("rb") as file:
                address_space, resident = (int(pages) * self._page_bytes for pages in file.read().split()[:2])
        except OSError:  # no /proc, or no file to spare in this moment
            return 0.0
        of_process = address_space / self._address_space if self._address_space != resource.RLIM_INFINITY else 0.0
        return max(of_process, resident / self._resident if self._resident else 0.0)


def _read_limit(file: Path) -> int | None:
    """The limit that a file of a cgroup tells; None for `max`, and where there is no such file."""
    try:
        limit = int(file.read_text("ascii"))
    except (OSError, ValueError):
        return None
    return limit if limit < NO_LIMIT else None
