"""The commands of a running daemon, in one table: what the control socket and the private HTTP side both offer.

A request is a mapping with the command's name and its arguments, as JSON gives it: `{"command": "publish", "topic": "news", "message": "hi"}`.
Nothing here knows where it came from.
"""

from __future__ import annotations

import binascii
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wsrouter.api.errors import WsrouterError
from wsrouter.api.messages import Message, to_json
from wsrouter.config.nearest import suggest

if TYPE_CHECKING:
    from wsrouter.daemon.steering import Steering

Arguments = Mapping[str, object]
"""Arguments that were checked: known, complete, of the right types."""

Answer = dict[str, object]
"""What a command answers, as JSON has it. `ok` is only there where a command may fail without being refused."""

EXAMPLE: Final = '{"command": "status"}'


class RequestError(WsrouterError):
    """A request that cannot be done as it is; the text is one line that says what would be right."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a command. The type `object` admits any JSON value."""

    name: str
    type: type
    help: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """A command: what it is called, what it takes, what it does."""

    name: str
    help: str
    run: Callable[[Steering, Arguments], Awaitable[Answer]]
    parameters: tuple[Parameter, ...] = ()


def parse_request(request: object) -> tuple[Command, Arguments]:
    """The command that a request names, and its arguments.

    Raises:
        RequestError: if it is no request, or one that no command understands.
    """
    if not isinstance(request, Mapping):
        raise RequestError(f"a request is an object, as {EXAMPLE}, not {json_type(request)}")
    name = request.get("command")
    if not isinstance(name, str):
        found = f"command must be text, not {json_type(name)}" if "command" in request else "no command is given"
        raise RequestError(f"{found}; write it as {EXAMPLE}, {suggest('', COMMANDS)}")
    command = COMMANDS.get(name)
    if command is None:
        raise RequestError(f"there is no command {shorten(name)!r}; {suggest(name, COMMANDS)}")
    arguments = {key: value for key, value in request.items() if key != "command"}
    check_arguments(command, arguments)
    return command, arguments


def check_arguments(command: Command, arguments: Arguments) -> None:
    """Holds arguments against the parameters of a command.

    Raises:
        RequestError: at the first that is unknown, missing or of another type.
    """
    known = {parameter.name: parameter for parameter in command.parameters}
    for name, value in arguments.items():
        if name not in known:
            cure = suggest(name, known) if known else "it takes no arguments"
            raise RequestError(f"{command.name} does not know {shorten(name)!r}; {cure}")
        if not isinstance(value, known[name].type):
            raise RequestError(f"{command.name}: {name} must be {TYPE_NAMES[known[name].type]}, not {json_type(value)}")
    for parameter in command.parameters:
        if parameter.required and parameter.name not in arguments:
            raise RequestError(f"{command.name} needs {parameter.name}: {parameter.help}")


def json_type(value: object) -> str:
    """What a JSON value is, in words."""
    return next((name for kind, name in TYPE_NAMES.items() if isinstance(value, kind)), type(value).__name__)


def shorten(text: str) -> str:
    """A word of the client's, as long as it helps in an error."""
    return text if len(text) <= LONGEST_WORD else f"{text[:LONGEST_WORD]}…"


def message_of(arguments: Arguments) -> Message:
    """The message of `publish`: exactly one of text, JSON and binary.

    Raises:
        RequestError: if there is none, more than one, or the base64 is none.
    """
    given = [name for name in ("message", "json", "base64") if name in arguments]
    if len(given) != 1:
        found = "no message is given" if not given else f"{' and '.join(given)} are given"
        raise RequestError(f"publish: {found}; give one of message (text), json (any value, sent as JSON text), base64 (sent as binary)")
    value = arguments[given[0]]
    if given == ["json"]:
        return to_json(value)
    assert isinstance(value, str)
    if given == ["message"]:
        return value
    try:
        return binascii.a2b_base64(value, strict_mode=True)
    except ValueError as error:
        raise RequestError(f"publish: base64 cannot be decoded: {str(error).lower()}") from None


async def _reload(steering: Steering, arguments: Arguments) -> Answer:
    outcome = await steering.reload()
    answer: Answer = {"ok": outcome.ok, "summary": outcome.summary, "problems": list(outcome.problems), "facts": dict(outcome.facts)}
    if outcome.problems:
        answer["folder"] = working_folder()
    return answer if outcome.ok else {**answer, "error": outcome.summary}


async def _status(steering: Steering, arguments: Arguments) -> Answer:
    return {**steering.status(), "folder": working_folder()}


async def _publish(steering: Steering, arguments: Arguments) -> Answer:
    topic = arguments["topic"]
    assert isinstance(topic, str)
    if not topic:
        raise RequestError("publish: topic is empty; a room's topic is its path, as /room/red")
    return {"topic": topic, "members": steering.publish(topic, message_of(arguments))}


def working_folder() -> str | None:
    """What the places of problems are relative to; None where it is gone."""
    try:
        return os.getcwd()  # noqa: PTH109  a text for JSON
    except OSError:
        return None


LONGEST_WORD: Final = 60

# bool before int: it is one. JSON's null is None.
TYPE_NAMES: Final[Mapping[type, str]] = {
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    type(None): "null",
}

COMMANDS: Final[Mapping[str, Command]] = {
    command.name: command
    for command in (
        Command("reload", "load the site's files again, and wait for what becomes of it", _reload),
        Command("status", "how the daemon is: its site, generation, connections and routes", _status),
        Command(
            "publish",
            "send a message to all members of a topic",
            _publish,
            (
                Parameter("topic", str, "the name of the topic; a room's is its path, as /room/red", required=True),
                Parameter("message", str, "a text message"),
                Parameter("json", object, "any value, sent as JSON text"),
                Parameter("base64", str, "a binary message"),
            ),
        ),
    )
}
"""All commands, by name."""
