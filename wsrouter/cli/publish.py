"""`wsrouter publish TOPIC MESSAGE`: sends a message to all members of a topic of the running daemon."""

from __future__ import annotations

import binascii
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wsrouter.cli.control_client import add_json_argument, ask, print_json, refuse
from wsrouter.cli.errors import CommandError
from wsrouter.cli.site_choice import add_site_arguments

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

NAME = "publish"
HELP = "send a message to all members of a topic of the running daemon"
EPILOG = """\
examples:
  wsrouter publish /room/red "back at noon"         a room's topic is its path
  wsrouter publish prices '{"EUR": 1.08}'           JSON is text: it is sent as it is written
  date | wsrouter publish /room/red -               all of stdin, without the last line's end
  wsrouter publish /room/red --binary picture.png   the bytes of a file, as one binary message

It prints how many members the message went to; "no members" is no failure.

exit codes:
  0 published, 1 refused or no daemon running, 2 wrong usage
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    add_site_arguments(parser, positional=False)
    parser.add_argument("topic", metavar="TOPIC", help="the topic's name")
    parser.add_argument("message", nargs="?", metavar="MESSAGE", help="the text; - reads it from stdin")
    parser.add_argument("--binary", metavar="FILE", help="send the bytes of a file as a binary message, instead of a text; - reads them from stdin")
    add_json_argument(parser)


def run(arguments: Namespace) -> int:
    """Prints how many members it went to."""
    answer = ask(arguments, {"command": "publish", "topic": arguments.topic, **message_of(arguments)})
    if arguments.json:
        print_json(answer)
        return 0 if answer["ok"] else 1
    refuse(answer)
    members = answer.get("members")
    print("no members" if not members else f"{members} member{'s' * (members != 1)}")
    return 0


def message_of(arguments: Namespace) -> dict[str, str]:
    """The message as the request has it.

    Raises:
        CommandError: if there is none, there are two, or it cannot be read.
    """
    if (arguments.message is None) == (arguments.binary is None):
        raise CommandError("give a MESSAGE, - for stdin, or --binary FILE: one of them", 2)
    if arguments.binary is not None:
        return {"base64": binascii.b2a_base64(_read(arguments.binary), newline=False).decode()}
    if arguments.message != "-":
        return {"message": arguments.message}
    try:
        return {"message": _read("-").decode().removesuffix("\n").removesuffix("\r")}
    except UnicodeDecodeError as error:
        raise CommandError(f"stdin is not UTF-8 (byte {error.start}); --binary - sends any bytes") from None


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"{name}: cannot be read: {error.strerror}") from None
