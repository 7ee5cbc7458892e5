"""The control socket: the Unix socket of a running daemon, on which it is steered by lines of JSON (`line_client`) and over HTTP (`private_http`).

Guarantees: only who may write to the file gets in, from its first moment; nobody there holds up anybody else. What goes wrong
here never stops the daemon: it goes on without the socket, with one warning.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from wsrouter.daemon.control_path import LINE_BYTES, LONGEST_PATH_BYTES, folder_problem
from wsrouter.daemon.line_client import IDLE_S, STOPPING, LineClient, refusal
from wsrouter.daemon.reception import BACKLOG, Reception, readable
from wsrouter.wire.listener import remove_stale_socket

if TYPE_CHECKING:
    from pathlib import Path

    from wsrouter.admin.steering import Steering
    from wsrouter.api.context import Log
    from wsrouter.daemon.control_path import ControlPath
    from wsrouter.daemon.private_http import PrivateHttp
    from wsrouter.daemon.reception import Client

# How often it is looked whether the daemon that has the socket has ended: a restarted one must come to be steered.
RETRY_S: Final = 2.0
# For another daemon that opens its socket in the same folder at this moment.
LOCK_TRIES: Final = 40
LOCK_PAUSE_S: Final = 0.05


class ControlServer:
    """The server's side. `open` and `close` never raise."""

    def __init__(self, steering: Steering, path: ControlPath, http: PrivateHttp, log: Log) -> None:
        """Nothing is opened yet. `http` serves those who speak it."""
        self._steering = steering
        self._place = path
        self._http = http
        self._log = log
        self._identity: tuple[int, int] | None = None
        self.reception = Reception("control", self._receive, log)

    @property
    def path(self) -> Path | None:
        """The socket's file; None while there is none."""
        return self._place.path if self.reception.is_open else None

    async def open(self) -> None:
        """Listens, or warns why not. Where another daemon of the same site listens, it waits for that one's end, and listens then."""
        try:
            await self._listen()
        except OSError as error:
            self._log.warning("control.unavailable", path=str(self._place.path), **_explain(error, self._place))
            if error.errno == errno.EADDRINUSE:
                self.reception.tasks.spawn(self._retry(), "retry")

    async def close(self) -> None:
        """Stops listening, removes the file, and tells those that wait for an answer that the daemon stops."""
        if self.reception.is_open:
            self._remove_file()
        await self.reception.close()

    async def _listen(self) -> None:
        """Binds, with nobody able to connect before the mode is set: a socket that does not listen yet refuses everybody.

        Raises:
            OSError: if that cannot be; EADDRINUSE where somebody listens already.
        """
        path = self._place.path
        if len(os.fsencode(path)) > LONGEST_PATH_BYTES:
            raise OSError(errno.ENAMETOOLONG, f"the path has {len(os.fsencode(path))} bytes, a socket's may have {LONGEST_PATH_BYTES}")
        if not self._place.given:
            _prepare_folder(path.parent)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            await _lock(folder)
            remove_stale_socket(str(path))
            one.setblocking(False)
            one.bind(str(path))
            path.chmod(self._place.mode)
            one.listen(BACKLOG)
            status = path.lstat()
        except BaseException:
            one.close()
            raise
        finally:
            os.close(folder)  # and with it the lock
        self._identity = status.st_dev, status.st_ino
        self.reception.open(one)

    async def _retry(self) -> None:
        while not self.reception.is_open:
            await asyncio.sleep(RETRY_S)
            with suppress(OSError):
                await self._listen()
        self._log.info("control.opened", path=str(self._place.path))

    async def _receive(self, connection: socket.socket) -> Client | None:
        """Tells by the first byte who speaks lines and who HTTP, whose methods are capital letters."""
        try:
            async with asyncio.timeout(IDLE_S):
                await readable(connection)
            first = connection.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            with suppress(OSError):
                connection.send(refusal(f"no request came within {IDLE_S:g} s; this connection is closed"))
            return None
        except asyncio.CancelledError:
            with suppress(OSError):
                connection.send(refusal(STOPPING))
            raise
        except OSError:
            return None
        if first.isupper():
            return await self._http.receive(connection)
        reader, writer = await asyncio.open_unix_connection(sock=connection, limit=LINE_BYTES)
        return LineClient(self._steering, self._log, reader, writer)

    def _remove_file(self) -> None:
        """Removes the file, unless somebody has put another in its place."""
        path = self._place.path
        with suppress(OSError):
            status = path.lstat()
            if (status.st_dev, status.st_ino) == self._identity:
                path.unlink()


def _prepare_folder(folder: Path) -> None:
    """Makes the folder, for us alone; one that is there already must be safe.

    Raises:
        OSError: if it cannot be made, or is not.
    """
    with suppress(FileExistsError):
        folder.mkdir(0o700)
    if problem := folder_problem(folder):
        raise PermissionError(errno.EPERM, problem)


async def _lock(folder: int) -> None:
    """Keeps other daemons from opening a socket in this folder meanwhile; after some time it is done without, as others may hold such a lock, too."""
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(LOCK_PAUSE_S)
        except OSError:  # a filesystem without locks
            return
        else:
            return


def _explain(error: OSError, place: ControlPath) -> dict[str, str]:
    """Why there is no control socket, and what to do."""
    why = error.strerror or str(error)
    if error.errno == errno.EADDRINUSE:
        return {
            "why": f"a second daemon of this site: {why}",
            "fix": "stop one of the two; commands reach the other one, and this one only when that has ended",
        }
    if error.errno == errno.EEXIST:
        return {"why": why, "fix": f"remove {place.path}, and start again"}
    variable = "RUNTIME_DIRECTORY" if place.given else "XDG_RUNTIME_DIR"
    if error.errno == errno.ENAMETOOLONG:
        return {"why": why, "fix": f"set {variable} to a folder with a shorter path"}
    return {"why": f"{place.path.parent}: {why}", "fix": f"set {variable} to a folder that this user owns and others cannot write in"}
