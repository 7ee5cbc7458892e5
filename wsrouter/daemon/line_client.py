"""A client of the control socket that speaks lines: each is read and answered, then the next.

    {"command": "publish", "topic": "/room/red", "message": "hi"}
    {"ok": true, "topic": "/room/red", "members": 3, "behind": 0, "known": true}

Answers come in the order of the requests. A client that sends garbage, nothing, or too much, or that does not read, costs a bounded amount.
"""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING, Final

import orjson

from wsrouter.admin.commands import RequestError, parse_request
from wsrouter.daemon.control_path import LINE_BYTES

if TYPE_CHECKING:
    from wsrouter.admin.commands import Answer
    from wsrouter.admin.steering import Steering
    from wsrouter.api.context import Log

# How long a client may be quiet between requests, or take for one; long enough for somebody who types.
IDLE_S: Final = 60.0
# How long a client may take to read an answer.
ANSWER_S: Final = 10.0
# How often it is looked whether a client still waits for a command that takes its time.
LOOK_S: Final = 1.0

STOPPING: Final = "the daemon is stopping"


class _GoneError(Exception):
    """A client left while its command ran."""


class LineClient:
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
            self._writer.write(refusal(STOPPING))
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
            await self._send(refusal(f"the line is longer than {LINE_BYTES} bytes; this connection is closed"))
        except TimeoutError:
            await self._send(refusal(f"no request came within {IDLE_S:g} s; this connection is closed"))
        return None

    async def _answer(self, line: bytes) -> bytes:
        self.quiet_since = float("inf")
        try:
            command, arguments = parse_request(_parse(line))
            return _line({"ok": True, **await self._while_waited_for(asyncio.ensure_future(command.run(self._steering, arguments)))})
        except RequestError as error:
            return refusal(str(error))
        except _GoneError:
            raise
        except Exception as error:  # noqa: BLE001  a fault of ours must neither end the daemon nor go untold
            why = " ".join(f"{type(error).__name__}: {error}".split())  # one line
            self._log.error("control.failed", request=line[:200].decode(errors="replace"), error=why)
            return refusal(f"the daemon failed to do this: {why}")

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


def refusal(error: str) -> bytes:
    """The line that answers what is not done."""
    return _line({"ok": False, "error": error})
