"""`wsrouter connect URL`: a WebSocket client for the terminal, with wscat's flags.

Lines of stdin go out, messages come in one to a line: on stdout with their time, everything else on stderr. What a server
sends is escaped, so that it cannot steer the terminal; binary is shown as hexadecimal digits. It sends what it is told
and nothing else: no reconnecting, no proxy of the environment.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from websockets.asyncio.client import ClientConnection
    from websockets.exceptions import InvalidStatus
    from websockets.frames import Close

NAME = "connect"
HELP = "talk to a WebSocket server: lines of stdin go out, messages come in"

EPILOG = """\
examples:
  wsrouter connect :8765/echo -x hello          sends it, and shows what comes for two seconds
  wsrouter connect :8765/room/lobby             sends each line that you type; Ctrl-D ends it
  wsrouter connect -o null -s chat.v1 wss://example.com/room/lobby

exit codes:
  0 closed with a close frame, 1 refused, failed or lost
"""

WAIT_S = 2.0  # wscat's default, too
HEX_BYTES = 64  # of a binary message, how many are shown
BODY_CHARACTERS = 200  # of a refusal's text


def header(text: str) -> tuple[str, str]:
    """Parses `Name: value`.

    Raises:
        ValueError: if there is no colon or no name; argparse turns it into a usage error.
    """
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise ValueError(text)
    return name.strip(), value.strip()


def encodable(text: str) -> str:
    """The text, if it is valid Unicode; an argument that is not UTF-8 cannot be sent as text.

    Raises:
        ValueError: if it is not.
    """
    text.encode()
    return text


def complete_url(url: str) -> str:
    """The address with a scheme: `localhost:8765/echo` and `:8765/echo` are ws://, http becomes ws and https wss."""
    for scheme, websocket_scheme in (("http://", "ws://"), ("https://", "wss://")):
        if url.lower().startswith(scheme):
            return websocket_scheme + url[len(scheme) :]
    if url.startswith(":"):
        return f"ws://localhost{url}"
    if url.startswith(("unix:", "ws+unix:")):
        return url if url.startswith("ws+") else f"ws+{url}"
    return url if "://" in url else f"ws://{url}"


def split_unix(url: str) -> tuple[str, str] | None:
    """The socket's path and the request's path of `ws+unix:/run/ws.sock:/echo`; None for an address that is not of a Unix socket."""
    if not url.startswith("ws+unix:"):
        return None
    socket_path, _, path = url.removeprefix("ws+unix:").partition(":")
    return "/" + socket_path.lstrip("/") if socket_path.startswith("//") else socket_path, path or "/"


def show(message: str | bytes) -> str:
    """A message as one line: text with control characters escaped, bytes as their count and hexadecimal digits."""
    if isinstance(message, bytes):
        rest = "…" if len(message) > HEX_BYTES else ""
        return f"[{len(message)} bytes] {message[:HEX_BYTES].hex(' ', -4)}{rest}"
    return escape(message)


def escape(text: str) -> str:
    """Text that cannot steer a terminal: what is not printable is written as Python writes it, tabs stay."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() or character == "\t" else character.encode("unicode_escape").decode() for character in text)


def describe_close(received: Close | None, sent: Close | None) -> str:
    """How the connection ended: the code, its name and the reason of the server's close frame, else of ours, else that there was none."""
    if received:
        return escape(str(received))
    return f"{sent} (not answered)" if sent else "lost without a close frame"


def describe_refusal(error: InvalidStatus) -> str:
    """The status, its phrase and the server's text, on one line."""
    response = error.response
    body = " ".join(response.body.decode(errors="replace").split())[:BODY_CHARACTERS]
    phrase = response.reason_phrase
    said = "" if body.lower() in {"", phrase.lower(), f"{response.status_code} {phrase.lower()}"} else f": {escape(body)}"
    return f"{response.status_code} {escape(phrase)}{said}"


def describe_failure(error: OSError | ValueError) -> str:
    """Why there is no connection, in words; asyncio joins the refusals of several addresses into one error without a number."""
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return "nothing listens there"
    if isinstance(error, FileNotFoundError):
        return "there is no such socket"
    if getattr(error, "reason", None) == "WRONG_VERSION_NUMBER":  # of an ssl.SSLError
        return "what listens there speaks no TLS; write ws:// for wss://"
    return escape(str(getattr(error, "strerror", None) or error)) or "the connection was cut off"


def read_lines(descriptor: int, take: Callable[[str | None], object]) -> None:
    """Hands on each line of a descriptor, without its newline, and None at the end. Blocks; runs in a thread of its own.

    It reads past `sys.stdin`, whose lock a thread that still waits in it would hold when the interpreter exits.
    """
    rest = b""
    try:
        while chunk := os.read(descriptor, 65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                take(line.removesuffix(b"\r").decode(errors="replace"))
        if rest:
            take(rest.decode(errors="replace"))
    finally:
        take(None)


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the flags."""
    parser.add_argument("url", metavar="URL", help="where to, as ws://localhost:8765/echo or ws+unix:/run/ws.sock:/echo; without a scheme it is ws://")
    parser.add_argument(
        "-H", "--header", dest="headers", metavar="NAME:VALUE", type=header, action="append", default=[], help="send a request header; repeatable"
    )
    parser.add_argument("-o", "--origin", metavar="ORIGIN", help="send an Origin header, as a web page's browser does")
    parser.add_argument("-s", "--subprotocol", dest="subprotocols", metavar="NAME", action="append", default=[], help="offer a subprotocol; repeatable")
    parser.add_argument("-x", "--execute", metavar="TEXT", type=encodable, action="append", default=[], help="send this instead of lines of stdin; repeatable")
    parser.add_argument(
        "-n", "--no-check", action="store_true", help="believe any certificate of a wss:// server: for one that is your own, and is for another name"
    )
    parser.add_argument(
        "-w",
        "--wait",
        metavar="TIME",
        type=parse_wait,
        default=WAIT_S,
        help="how long to listen after -x or the end of stdin; -1 until the server closes (default %(default)gs)",
    )


def parse_wait(text: str) -> float:
    """A time, with or without a unit; a negative number is for ever.

    Raises:
        ArgumentTypeError: if it is neither; argparse prints it.
    """
    try:
        return float(text)
    except ValueError:
        from wsrouter.cli.quantities import parse_time  # here, as it is seldom needed

        return parse_time(text)


def run(arguments: Namespace) -> int:
    """Connects and talks; 0 if the connection ended with a close frame or by Ctrl-C, 1 if it was refused, failed or got lost."""
    from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI

    gc.enable()  # see `main`: this command may run for days
    url = complete_url(arguments.url)
    try:
        return asyncio.run(talk(url, arguments))
    except KeyboardInterrupt:
        return 0
    except InvalidStatus as error:
        problem = f"refused: {describe_refusal(error)}"
    except InvalidURI:
        problem = f"failed: {escape(arguments.url)!r} is not a WebSocket address; write ws://host:port/path"
    except (InvalidHandshake, EOFError) as error:
        problem = f"failed: no WebSocket server answered at {url}: {escape(str(error.__cause__ or error))}"
    except TimeoutError:
        problem = f"failed: no answer from {url} in time"
    except (OSError, ValueError) as error:
        problem = f"failed: cannot connect to {url}: {describe_failure(error)}"
    print(problem, file=sys.stderr)
    return 1


async def talk(url: str, arguments: Namespace) -> int:
    """Connects, sends and listens until one side closes; the exit status."""
    from websockets.asyncio.client import connect, unix_connect
    from websockets.typing import Origin, Subprotocol

    unix = split_unix(url)
    start = partial(unix_connect, unix[0], uri=f"ws://localhost{unix[1]}") if unix is not None else partial(connect, url, proxy=None)
    if arguments.no_check and url.startswith("wss:"):
        start = partial(start, ssl=unchecked_context())
    connecting = start(
        origin=Origin(arguments.origin) if arguments.origin is not None else None,
        subprotocols=[Subprotocol(name) for name in arguments.subprotocols] or None,
        additional_headers=arguments.headers,
        max_size=None,
    )
    async with connecting as websocket:
        chosen = f" (subprotocol {websocket.subprotocol})" if websocket.subprotocol else ""
        print(f"connected to {url}{chosen}", file=sys.stderr)
        sender = asyncio.create_task(send_all(websocket, arguments), name="sender")
        try:
            await print_all(websocket)
        finally:
            sender.cancel()
            try:
                await asyncio.wait([sender])
                await websocket.close()
            finally:  # also where Ctrl-C comes while the server closes
                print(f"closed: {describe_close(websocket.protocol.close_rcvd, websocket.protocol.close_sent)}", file=sys.stderr)
    return 0 if websocket.protocol.close_rcvd else 1


def unchecked_context() -> ssl.SSLContext:
    """TLS that believes any certificate."""
    import ssl

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def print_all(websocket: ClientConnection) -> None:
    """Prints each message with its time until the connection is closed."""
    from websockets.exceptions import ConnectionClosed

    try:
        while True:
            message = await websocket.recv()
            print(f"{datetime.now().astimezone():%H:%M:%S.%f}"[:12], show(message), flush=True)
    except ConnectionClosed:
        return
    except BrokenPipeError:  # whoever read our stdout has had enough; nothing may be flushed to it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def send_all(websocket: ClientConnection, arguments: Namespace) -> None:
    """Sends what -x says, or the lines of stdin as they come; then waits and closes."""
    from websockets.exceptions import ConnectionClosed

    try:
        if arguments.execute:
            for text in arguments.execute:
                await websocket.send(text)
        else:
            await send_stdin(websocket)
        if arguments.wait >= 0:
            at_terminal = not arguments.execute and sys.stdin is not None and sys.stdin.isatty()
            await asyncio.sleep(0 if at_terminal else arguments.wait)  # Ctrl-D at a terminal means now
            await websocket.close()
    except ConnectionClosed:
        return  # print_all tells it


async def send_stdin(websocket: ClientConnection) -> None:
    """Sends each line of stdin until it ends."""
    import threading

    if sys.stdin is None:  # closed by whoever started us
        return
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue()

    def take(line: str | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(lines.put_nowait, line)

    threading.Thread(target=read_lines, args=(sys.stdin.fileno(), take), daemon=True, name="stdin").start()
    while (line := await lines.get()) is not None:
        await websocket.send(line)
