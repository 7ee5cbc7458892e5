"""How much of the memory that it may have a process has."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsrouter.daemon.memory import NO_LIMIT, find_cgroup_limit

MIB = 1 << 20


def write(file: Path, text: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n", "ascii")


@pytest.mark.parametrize(
    ("membership", "limits", "expected"),
    [
        ("0::/a.slice/b.service\n", {"a.slice/b.service/memory.max": 256 * MIB, "a.slice/memory.max": 512 * MIB}, 256 * MIB),
        ("0::/a.slice/b.service\n", {"a.slice/b.service/memory.max": "max", "a.slice/memory.max": 512 * MIB}, 512 * MIB),
        ("0::/a.slice/b.service\n", {"a.slice/b.service/memory.max": "max"}, None),
        ("0::/\n", {"memory.max": 64 * MIB}, 64 * MIB),
        ("5:cpu,memory:/x\n1:name=systemd:/y\n", {"memory/x/memory.limit_in_bytes": 64 * MIB}, 64 * MIB),
        ("4:memory:/not/seen/here\n0::/\n", {"memory/memory.limit_in_bytes": 64 * MIB}, 64 * MIB),
        ("4:memory:/x\n", {"memory/x/memory.limit_in_bytes": NO_LIMIT * 8 - 4096}, None),
        ("3:cpu:/x\n", {"x/memory.max": MIB, "memory/x/memory.limit_in_bytes": MIB}, None),
        ("", {}, None),
    ],
    ids=["its own", "its parent's", "none", "a container's", "version 1", "a container's in version 1", "none in version 1", "another controller's", "nothing"],
)
def test_the_least_limit_of_a_cgroup_and_of_those_around_it_counts(tmp_path, membership, limits, expected):
    for name, limit in limits.items():
        write(tmp_path / name, limit)
    assert expected == find_cgroup_limit(membership, tmp_path)
