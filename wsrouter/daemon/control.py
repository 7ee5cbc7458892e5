"""The control socket: a Unix socket on which a running daemon takes commands, one JSON object a line, and answers each with one.

    {"command": "publish", "topic": "/room/red", "message": "hi"}
    {"ok": true, "topic": "/room/red", "members": 3}

Guarantees: only who may write to the file gets in, from its first moment; answers come in the order of the requests; a client
that sends garbage, nothing, or too much, or that does not read, costs a bounded amount and holds up nobody. What goes wrong
here never stops the daemon: it goes on without the socket, with one warning.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import select
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import orjson

from wsrouter.daemon.commands import RequestError, parse_request
from wsrouter.daemon.control_path import LONGEST_PATH_BYTES, folder_problem
from wsrouter.pipeline.tasks import Tasks
from wsrouter.wire.listener import remove_stale_socket

if TYPE_CHECKING:
    from pathlib import Path

    from wsrouter.api.context import Log
    from wsrouter.daemon.commands import Answer
    from wsrouter.daemon.control_path import ControlPath
    from wsrouter.daemon.steering import Steering

# A message of 1 MiB fits, even if each of its characters is escaped as \u0000.
LINE_BYTES: Final = 8 << 20
# An unfinished line may hold twice its length, see asyncio.StreamReader: 512 MiB in all, for somebody who may stop the daemon anyway.
MOST_CLIENTS: Final = 32
BACKLOG: Final = 128
# How long a client may be quiet between requests, or take for one; long enough for somebody who types.
IDLE_S: Final = 60.0
# Where all places are taken, the client that has been quiet longest makes room for a new one, if it has been for so long.
QUIET_S: Final = 1.0
# How long a client may take to read an answer.
ANSWER_S: Final = 10.0
# How often it is looked whether a client still waits for a command that takes its time.
LOOK_S: Final = 1.0
# How often it is looked whether the daemon that has the socket has ended: a restarted one must come to be steered.
RETRY_S: Final = 2.0
# For another daemon that opens its socket in the same folder at this moment.
LOCK_TRIES: Final = 40
LOCK_PAUSE_S: Final = 0.05

STOPPING: Final = "the daemon is stopping"


class ControlServer:
    """The server's side. `open` and `close` never raise."""

    def __init__(self, steering: Steering, path: ControlPath, log: Log) -> None:
        """Nothing is opened yet."""
        self._steering = steering
        self._place = path
        self._log = log
        self._socket: socket.socket | None = None
        self._identity: tuple[int, int] | None = None
        self._tasks = Tasks("control", self._task_failed)
        self._clients: set[Client] = set()
        self._connections: set[socket.socket] = set()

    @property
    def path(self) -> Path | None:
        """The socket's file; None while there is none."""
        return self._place.path if self._socket is not None else None

    async def open(self) -> None:
        """Listens, or warns why not. Where another daemon of the same site listens, it waits for that one's end, and listens then."""
        try:
            await self._listen()
        except OSError as error:
            self._log.warning("control.unavailable", path=str(self._place.path), **_explain(error, self._place))
            if error.errno == errno.EADDRINUSE:
                self._tasks.spawn(self._retry(), "retry")

    async def close(self) -> None:
        """Stops listening, removes the file, and tells those that wait for an answer that the daemon stops."""
        if self._socket is not None:
            self._remove_file()
        await self._tasks.cancel()
        for connection in self._connections:  # accepted, and not yet served
            connection.close()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

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
        self._socket, self._identity = one, (status.st_dev, status.st_ino)
        self._tasks.spawn(self._accept(one), "accept")

    async def _retry(self) -> None:
        while self._socket is None:
            await asyncio.sleep(RETRY_S)
            with suppress(OSError):
                await self._listen()
        self._log.info("control.opened", path=str(self._place.path))

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            await self._make_room()
            try:
                connection, _ = listening.accept()  # not the loop's: a cancelled task would lose what that has accepted
            except BlockingIOError:
                await _readable(listening)
                continue
            except OSError:  # no descriptor left: those that wait do so in the backlog
                await asyncio.sleep(QUIET_S)
                continue
            connection.setblocking(False)
            self._connections.add(connection)
            self._tasks.spawn(self._serve(connection), "client")

    async def _make_room(self) -> None:
        """Waits until there is a place for one more client."""
        now = asyncio.get_running_loop().time
        while len(self._connections) >= MOST_CLIENTS:
            longest = min(self._clients, key=lambda client: client.quiet_since, default=None)
            if longest is not None and now() - longest.quiet_since >= QUIET_S:
                longest.abort()
            await asyncio.sleep(QUIET_S / 20)

    async def _serve(self, connection: socket.socket) -> None:
        client: Client | None = None
        try:
            reader, writer = await asyncio.open_unix_connection(sock=connection, limit=LINE_BYTES)
            client = Client(self._steering, self._log, reader, writer)
            self._clients.add(client)
            await client.serve()
        finally:
            self._connections.discard(connection)
            if client is None:
                connection.close()
            else:
                self._clients.discard(client)

    def _remove_file(self) -> None:
        """Removes the file, unless somebody has put another in its place."""
        path = self._place.path
        with suppress(OSError):
            status = path.lstat()
            if (status.st_dev, status.st_ino) == self._identity:
                path.unlink()

    def _task_failed(self, name: str, error: BaseException) -> None:
        self._log.error("control.failed", task=name, error=f"{type(error).__name__}: {error}")


class _GoneError(Exception):
    """A client left while its command ran."""


class Client:
    """One client: a line is read and answered, then the next."""

    def __init__(self, steering: Steering, log: Log, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Takes over a connection."""
        self._steering = steering
        self._log = log
        self._reader = reader
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self.quiet_since = self._loop.time()
        """The loop's time from which on nothing was asked; infinity while a command runs."""
        writer.transport.set_write_buffer_limits(high=0)  # `drain` waits until all is written, so that closing loses nothing

    async def serve(self) -> None:
        """Answers until the client leaves, is told to, or is cut off."""
        try:
            while (line := await self._read()) is not None:
                await self._send(await self._answer(line))
                self.quiet_since = self._loop.time()
        except (OSError, _GoneError):
            self.abort()
        except asyncio.CancelledError:
            # So small an answer goes out at once, or not at all.
            self._writer.write(_refusal(STOPPING))
            raise
        finally:
            self._writer.close()

    def abort(self) -> None:
        """Cuts the client off."""
        self._writer.transport.abort()

    async def _read(self) -> bytes | None:
        """The next line; None where there is none to come."""
        try:
            async with asyncio.timeout(IDLE_S):
                return await self._reader.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:  # the last line may come without its end
            return error.partial or None
        except asyncio.LimitOverrunError:
            await self._send(_refusal(f"the line is longer than {LINE_BYTES} bytes; this connection is closed"))
        except TimeoutError:
            await self._send(_refusal(f"no request came within {IDLE_S:g} s; this connection is closed"))
        return None

    async def _answer(self, line: bytes) -> bytes:
        self.quiet_since = float("inf")
        try:
            command, arguments = parse_request(_parse(line))
            return _line({"ok": True, **await self._while_waited_for(asyncio.ensure_future(command.run(self._steering, arguments)))})
        except RequestError as error:
            return _refusal(str(error))
        except _GoneError:
            raise
        except Exception as error:  # noqa: BLE001  a fault of ours must neither end the daemon nor go untold
            why = " ".join(f"{type(error).__name__}: {error}".split())  # one line
            self._log.error("control.failed", request=line[:200].decode(errors="replace"), error=why)
            return _refusal(f"the daemon failed to do this: {why}")

    async def _while_waited_for(self, running: asyncio.Future[Answer]) -> Answer:
        """What a command answers.

        Raises:
            RequestError: if the daemon gave it up.
            _GoneError: if nobody waits for it any more.
        """
        try:
            while not running.done():
                await asyncio.wait({running}, timeout=LOOK_S)
                if not running.done() and self._has_left():
                    raise _GoneError
            if running.cancelled():
                raise RequestError(STOPPING)
            return running.result()
        finally:
            running.cancel()

    def _has_left(self) -> bool:
        """Whether the client has closed, and not only ended what it sends."""
        if self._writer.transport.is_closing():
            return True
        poll = select.poll()
        poll.register(self._writer.get_extra_info("socket").fileno(), 0)  # POLLHUP is always told
        return bool(poll.poll(0))

    async def _send(self, answer: bytes) -> None:
        """Writes an answer.

        Raises:
            OSError: if the client is gone, or does not read it in time (TimeoutError).
        """
        self._writer.write(answer)
        async with asyncio.timeout(ANSWER_S):
            await self._writer.drain()


def _parse(line: bytes) -> object:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"this is no JSON: {error}; send one object a line") from None


def _line(answer: Answer) -> bytes:
    return orjson.dumps(answer, default=str, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)


def _refusal(error: str) -> bytes:
    return _line({"ok": False, "error": error})


async def _readable(one: socket.socket) -> None:
    """Waits until there is something to accept."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(one, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(one)


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
