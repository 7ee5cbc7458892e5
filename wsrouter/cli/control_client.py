"""Asking a running daemon over its control socket: what reload, status and publish share. No asyncio: these commands start fast."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wsrouter.cli.errors import CommandError
from wsrouter.cli.site_choice import sites_meant
from wsrouter.daemon.control_path import control_paths, trusted

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping, Sequence

    from wsrouter.config.problems import Problems

Answer = dict[str, Any]
"""What the daemon answered."""

ANSWER_S: Final = 10.0
"""How long a daemon may take for what it does at once."""
RETRY_S: Final = 0.05
PLACED: Final = re.compile(r"(?P<file>.+?):(?P<line>\d+):(?P<column>\d+): (?P<warning>warning: )?(?P<message>.*)", re.DOTALL)


def add_json_argument(parser: ArgumentParser) -> None:
    """Declares `--json`."""
    parser.add_argument("--json", action="store_true", help="print the daemon's answer as JSON")


def ask(arguments: Namespace, request: Mapping[str, object], timeout_s: float = ANSWER_S, late: str = "") -> Answer:
    """The answer of the daemon that serves the site which the command line means. `late` is what is said besides where none comes in time.

    Raises:
        CommandError: if no daemon is running, or it does not answer in time.
    """
    line = encode(request)
    deadline = time.monotonic() + timeout_s
    try:
        with connect(sites_meant(arguments, os.environ), os.environ, deadline) as one:
            return exchange(one, line, deadline)
    except TimeoutError:
        raise CommandError(f"the daemon did not answer within {timeout_s:g} s{late}") from None


def print_json(answer: Answer) -> None:
    """Prints an answer as it is."""
    print(json.dumps(answer, indent=2, ensure_ascii=False))


def refuse(answer: Answer) -> None:
    """Ends the command with what the daemon said, if it did not do it.

    Raises:
        CommandError: in that case.
    """
    if not answer["ok"]:
        raise CommandError(str(answer.get("error", "the daemon did not say why it did not do it")))


def connect(sites: Sequence[Path], environ: Mapping[str, str], deadline: float) -> socket.socket:
    """A connection to the first daemon that listens in one of the places where one of these sites may.

    Raises:
        CommandError: if none does, or the one that does may not be asked.
        TimeoutError: if it does not accept.
    """
    looked: dict[Path, None] = {}
    for site in sites:
        # As it is named here; or, where links lead there, as it may have been named for the daemon.
        for name in (site, Path(os.path.realpath(site))):
            looked |= dict.fromkeys(control_paths(name, environ))
    forbidden: Path | None = None
    for path in trusted(list(looked), environ):
        try:
            return _connect(path, deadline)
        except PermissionError:
            forbidden = forbidden or path
        except TimeoutError:
            raise
        except OSError:
            continue
    if forbidden is not None and os.path.lexists(forbidden):
        raise CommandError(f"{forbidden}: permission denied; only the user of the daemon, its group under systemd, and root may steer it: try sudo")
    raise CommandError(_nobody(sites, list(looked)) + (f", and sudo lets you look into {forbidden.parent}" if forbidden is not None else ""))


def exchange(one: socket.socket, line: bytes, deadline: float) -> Answer:
    """Sends a request and reads the answer.

    Raises:
        CommandError: if the daemon ends before it answers, or answers something else.
        TimeoutError: if it takes too long.
    """
    one.settimeout(max(0.001, deadline - time.monotonic()))
    with suppress(BrokenPipeError, ConnectionResetError):  # it has closed, and perhaps said why
        one.sendall(line)
    received = bytearray()
    while b"\n" not in received[-65536:]:
        one.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            data = one.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            break
        received += data
    try:
        answer = json.loads(received.partition(b"\n")[0])
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or "ok" not in answer:
        raise CommandError("the daemon ended before it answered" if not received else "what answers on the control socket is no wsrouter of this version")
    return answer


def encode(request: Mapping[str, object]) -> bytes:
    """A request as its line.

    Raises:
        CommandError: if an argument is not Unicode.
    """
    try:
        return json.dumps(request, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:
        raise CommandError("the arguments are not UTF-8; wsrouter publish TOPIC --binary FILE sends any bytes", 2) from None


def add_problems(texts: Sequence[object], folder: str | None, problems: Problems) -> list[str]:
    """Takes problems as the daemon writes them, from its working directory, into `problems`, as seen from here; returns those that have no place."""
    from wsrouter.config.problems import Place, relative_to_here

    rest = []
    for text in map(str, texts):
        match = PLACED.fullmatch(text)
        if match is None:
            rest.append(text)
            continue
        file = match["file"] if folder is None else relative_to_here(Path(folder, match["file"]))
        add = problems.warn if match["warning"] else problems.add
        add(Place(file, int(match["line"]), int(match["column"])), match["message"])
    return rest


def _connect(path: Path, deadline: float) -> socket.socket:
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        one.settimeout(max(0.001, deadline - time.monotonic()))
        while True:
            try:
                one.connect(os.fspath(path))
            except BlockingIOError:  # many want to be accepted
                if time.monotonic() >= deadline:
                    raise TimeoutError from None
                time.sleep(RETRY_S)
            else:
                return one
    except BaseException:
        one.close()
        raise


def _nobody(sites: Sequence[Path], looked: Sequence[Path]) -> str:
    names = ", ".join(os.path.abspath(site) for site in sites)  # noqa: PTH100  as `socket_name` does
    places = ", ".join(map(str, looked if len(sites) == 1 else dict.fromkeys(path.parent for path in looked)))
    return f"no daemon is running for {names}: nobody listens {'on' if len(sites) == 1 else 'in'} {places}; wsrouter run starts one"
