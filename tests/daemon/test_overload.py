"""A daemon that is behind with its work or short of memory lets nobody more in, keeps who is here, and says when it begins and ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from support.client import connect
from support.daemon import run_daemon

BUSY = """
import asyncio
import time
from pathlib import Path
from wsrouter import Context, Handler

class Busy(Handler[str]):
    def start(self, context: Context) -> None:
        self.context = context

    def on_message(self, connection, message):
        if message == "work":
            self.context.spawn(self.work())
        return message

    async def work(self):
        while not Path("enough").exists():
            time.sleep(0.6)
            await asyncio.sleep(0)
"""

HUNGRY = """
import resource
from pathlib import Path
from wsrouter import Handler

def taken():
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()

LIMIT = taken() + (1 << 30)
resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))

class Hungry(Handler[str]):
    held = None

    def on_message(self, connection, message):
        if message == "eat":
            self.held = bytearray(int(0.9 * LIMIT) - taken())
        if message == "enough":
            self.held = None
        return message
"""


@pytest.mark.slow
def test_while_the_loop_lags_newcomers_are_refused_and_who_is_here_stays(tmp_path: Path) -> None:
    with run_daemon("routes: {/: busy}", tmp_path, plugins={"busy.py": BUSY}) as daemon, connect(daemon.url()) as here:
        here.send("work")
        began = daemon.wait_for("overload.began", within=20)
        with pytest.raises(InvalidStatus) as refused:
            connect(daemon.url())
        record = daemon.wait_for("handshake.refused")
        here.send("still here")
        assert ["work", "still here"] == [here.recv(10), here.recv(10)]
        (tmp_path / "enough").touch()
        ended = daemon.wait_for("overload.ended", within=20)
        with connect(daemon.url()) as newcomer:
            newcomer.send("hello")
            assert "hello" == newcomer.recv(5)

    assert 503 == refused.value.response.status_code
    assert 1 <= int(refused.value.response.headers["Retry-After"]) <= 10
    assert "overload" == record["reason"]
    assert "s late" in record["detail"]
    assert ("warning", 1, True) == (began["level"], began["connections"], began["lag_s"] >= 0.5)
    assert ended["refused"] >= 1
    assert ended["duration_s"] >= 3


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc to tell the memory of a process")
def test_while_memory_is_nearly_full_newcomers_are_refused_and_who_is_here_stays(tmp_path: Path) -> None:
    with run_daemon("routes: {/: hungry}", tmp_path, plugins={"hungry.py": HUNGRY}) as daemon, connect(daemon.url()) as here:
        here.send("eat")
        began = daemon.wait_for("overload.began", within=20)
        with pytest.raises(InvalidStatus) as refused:
            connect(daemon.url())
        record = daemon.wait_for("handshake.refused")
        here.send("enough")
        assert ["eat", "enough"] == [here.recv(10), here.recv(10)]
        ended = daemon.wait_for("overload.ended", within=20)
        with connect(daemon.url()) as newcomer:
            newcomer.send("hello")
            assert "hello" == newcomer.recv(5)

    assert 503 == refused.value.response.status_code
    assert ("overload", "of the memory that it may have is in use") == (record["reason"], record["detail"].partition("% ")[2])
    assert "MemoryMax" in began["fix"]
    assert began["memory_percent"] >= 85
    assert 1 == ended["refused"]
