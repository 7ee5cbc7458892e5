"""How much memory a process has needed."""

from __future__ import annotations

from pathlib import Path

import pytest


def peak_bytes(pid: int) -> int:
    """The most of a process that was ever in memory (VmHWM): what it needs between two calls, the second one tells."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("no /proc to tell the memory of a process")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def resident_bytes(pid: int) -> int:
    """What of a process is in memory now (VmRSS)."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("no /proc to tell the memory of a process")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024
