"""`wsrouter publish TOPIC MESSAGE`: sends messages to all members of a topic of the running daemon."""

from __future__ import annotations

import binascii
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wsrouter.cli.control_client import add_json_argument, ask, encode, print_json, refuse
from wsrouter.cli.errors import CommandError
from wsrouter.cli.site_choice import add_site_arguments
from wsrouter.daemon.control_path import LINE_BYTES

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from wsrouter.cli.control_client import Answer

NAME = "publish"
HELP = "send messages to all members of a topic of the running daemon"
EPILOG = """\
examples:
  wsrouter publish /room/red "back at noon"         a room's topic is its path
  wsrouter publish /room/red one two three          three messages, in this order
  wsrouter publish prices '{"EUR": 1.08}'           JSON is text: it is sent as it is written
  date | wsrouter publish /room/red -               all of stdin, without the last line's end
  wsrouter publish /room/red --lines notes.txt      each line of a file, as a message
  wsrouter publish /room/red --binary picture.png   the bytes of a file, as one binary message
  wsrouter publish /room/red "sold" --key order-7   once, however often this is repeated

It prints how many members the messages went to, and how many of them were behind: had not
yet taken what was sent before. "no members" is no failure.

exit codes:
  0 published, 1 refused or no daemon running, 2 wrong usage
"""

ONE_KIND = "give a MESSAGE or several, - for stdin, or --lines FILE, or --binary FILE: one of them"


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    add_site_arguments(parser, positional=False)
    parser.add_argument("topic", metavar="TOPIC", help="the topic's name")
    parser.add_argument("message", nargs="*", metavar="MESSAGE", help="a text; - reads it from stdin")
    parser.add_argument("--lines", metavar="FILE", help="send each line of a file as a text, instead of MESSAGE; - reads stdin to its end")
    parser.add_argument(
        "--binary",
        metavar="FILE",
        action="append",
        default=[],
        help="send the bytes of a file as a binary message, instead of MESSAGE; - reads stdin; may be repeated",
    )
    parser.add_argument("--key", metavar="KEY", help="publish once: what comes again with this key within ten minutes is not published again")
    add_json_argument(parser)


def run(arguments: Namespace) -> int:
    """Prints how many members it went to."""
    request = {"command": "publish", "topic": arguments.topic, **messages_of(arguments)}
    if arguments.key is not None:
        request["key"] = arguments.key
    size = len(encode(request))
    if size > LINE_BYTES:
        raise CommandError(f"what is to be published has {size} bytes as JSON, and a request may have {LINE_BYTES}: send less at once")
    answer = ask(arguments, request)
    if arguments.json:
        print_json(answer)
        return 0 if answer["ok"] else 1
    refuse(answer)
    print(summary(answer))
    if not answer.get("known", True) and not arguments.topic.startswith("/"):
        print(f"a room's topic is its path: did you mean /{arguments.topic}?", file=sys.stderr)
    return 0


def summary(answer: Answer) -> str:
    """Whom it went to, in a line."""
    members, behind = answer.get("members", 0), answer.get("behind", 0)
    text = f"{members} member{'s' * (members != 1)}" if members else "no members"
    if not answer.get("known", True):
        text += ": nobody has joined a topic of this name"
    if behind:
        text += f", {behind} of them behind"
    return text + ("; published before, with this key" if answer.get("repeated") else "")


def messages_of(arguments: Namespace) -> dict[str, object]:
    """The messages as the request has them: one by its form, several as a list.

    Raises:
        CommandError: if there are none, they are given in two ways, or one cannot be read.
    """
    if sum(1 for given in (arguments.message, arguments.lines, arguments.binary) if given not in (None, [])) != 1:
        raise CommandError(ONE_KIND, 2)
    if [*arguments.message, *arguments.binary].count("-") > 1:
        raise CommandError("stdin can be read only once", 2)
    if arguments.lines is not None:
        lines = _text(arguments.lines)
        if not lines:
            raise CommandError(f"{_told(arguments.lines)} is empty: there is nothing to publish")
        return {"messages": [line.removesuffix("\r") for line in lines.removesuffix("\n").split("\n")]}
    if arguments.binary:
        messages = [{"base64": binascii.b2a_base64(_read(name), newline=False).decode()} for name in arguments.binary]
    else:
        messages = [{"message": _text("-").removesuffix("\n").removesuffix("\r") if text == "-" else text} for text in arguments.message]
    return dict(messages[0]) if len(messages) == 1 else {"messages": messages}


def _text(name: str) -> str:
    try:
        return _read(name).decode()
    except UnicodeDecodeError as error:
        raise CommandError(f"{_told(name)} is not UTF-8 (byte {error.start}); --binary {name} sends any bytes") from None


def _told(name: str) -> str:
    return "stdin" if name == "-" else name


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"{name}: cannot be read: {error.strerror}") from None
