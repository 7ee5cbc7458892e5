"""The private side of a daemon: its control socket, and where the site says so a TCP address; both answered by the same hands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsrouter.daemon.admin_listener import AdminListener
from wsrouter.daemon.control import ControlServer
from wsrouter.daemon.private_http import PrivateHttp

if TYPE_CHECKING:
    from wsrouter.admin.steering import Steering
    from wsrouter.api.context import Log
    from wsrouter.config.settings import Admin
    from wsrouter.daemon.control_path import ControlPath
    from wsrouter.daemon.side_thread import SideThread


class PrivateSide:
    """Opened in two steps: whoever asks over TCP while handlers are being started is told so. None of its methods raises."""

    def __init__(self, steering: Steering, path: ControlPath, admin: Admin, thread: SideThread, log: Log) -> None:
        """Nothing is opened yet."""
        self._http = PrivateHttp(steering, thread, log, admin.token)
        self._control = ControlServer(steering, path, self._http, log)
        self._listener = AdminListener(admin.address, self._http, log) if admin.address is not None else None

    async def open_listener(self) -> None:
        """Listens on TCP, if the site says so."""
        if self._listener is not None:
            await self._listener.open()

    async def open(self) -> None:
        """Opens the control socket; the public side serves by now."""
        await self._control.open()

    async def close(self) -> None:
        """Ends everything."""
        if self._listener is not None:
            await self._listener.close()
        await self._control.close()
        await self._http.close()
