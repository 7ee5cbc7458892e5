"""What `import wsrouter` gives a plugin author."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import wsrouter


@pytest.mark.parametrize("name", wsrouter.__all__)
def test_each_name_that_is_promised_is_there(name: str) -> None:
    assert hasattr(wsrouter, name)


def test_importing_it_brings_no_event_loop_and_no_network_library() -> None:
    script = (
        "import sys, wsrouter; print(sorted({'asyncio', 'websockets', 'uvloop', 'structlog', 'yaml', 'jmespath', 'importlib.metadata'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert done.stdout == "[]\n"
