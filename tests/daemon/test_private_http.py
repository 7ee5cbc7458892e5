"""The HTTP side of the private sockets, while it is being loaded."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from wsrouter.daemon.private_http import PrivateHttp
from wsrouter.daemon.side_thread import SideThread
from wsrouter.observe.logs import get_logger


@pytest.mark.anyio
async def test_the_first_who_asks_may_leave_before_it_is_loaded() -> None:
    thread = SideThread()
    side = PrivateHttp(cast("Any", SimpleNamespace()), thread, get_logger())
    first = asyncio.create_task(side.load())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})

    assert first.cancelled()
    assert await side.load() is await side.load()
    await side.close()
    thread.close()
