"""The commands of a running daemon, in one table: what the control socket and the private HTTP side both offer.

A request is a mapping with the command's name and its arguments, as JSON gives it: `{"command": "publish", "topic": "news", "message": "hi"}`.
Nothing here knows where it came from.
"""

from __future__ import annotations

import binascii
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wsrouter.api.errors import WsrouterError
from wsrouter.api.messages import Message, to_json
from wsrouter.config.nearest import suggest

if TYPE_CHECKING:
    from wsrouter.admin.steering import Published, Steering

Arguments = Mapping[str, object]
"""Arguments that were checked: known, complete, of the right types."""

Answer = dict[str, object]
"""What a command answers, as JSON has it. `ok` is only there where a command may fail without being refused."""

EXAMPLE: Final = '{"command": "status"}'


class RequestError(WsrouterError):
    """A request that cannot be done as it is; the text is one line that says what would be right."""


class RepeatError(RequestError):
    """A request with the key of another one, that asked for something else."""


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


def messages_of(arguments: Arguments) -> list[Message]:
    """The messages of `publish`: one as text, JSON or binary, or a list of such.

    Raises:
        RequestError: if there are none, they are given in two ways, or the base64 is none.
    """
    given = [name for name in (*FORMS, "messages") if name in arguments]
    if len(given) != 1:
        found = "no message is given" if not given else f"{' and '.join(given)} are given"
        raise RequestError(f"publish: {found}; give one of {_FORMS_HELP}, messages (a list)")
    value = arguments[given[0]]
    if given != ["messages"]:
        return [_message(given[0], value)]
    assert isinstance(value, list)
    if not 0 < len(value) <= MOST_MESSAGES:
        raise RequestError(f"publish: messages has {len(value)} items; give 1 to {MOST_MESSAGES}")
    return [_message_of_item(item, number) for number, item in enumerate(value, 1)]


def _message_of_item(item: object, number: int) -> Message:
    """One of a list: text, or an object with one of the forms."""
    if isinstance(item, str):
        return item
    if not isinstance(item, dict) or len(item) != 1 or (name := next(iter(item))) not in FORMS:
        found = f"an object with {', '.join(map(shorten, item)) or 'nothing'}" if isinstance(item, dict) else json_type(item)
        raise RequestError(f"publish: item {number} of messages must be text, or an object with one of {_FORMS_HELP}, not {found}")
    value = item[name]
    if name != "json" and not isinstance(value, str):
        raise RequestError(f"publish: {name} of item {number} of messages must be text, not {json_type(value)}")
    return _message(name, value)


def _message(form: str, value: object) -> Message:
    if form == "json":
        return to_json(value)
    assert isinstance(value, str)
    if form == "message":
        return value
    try:
        return binascii.a2b_base64(value, strict_mode=True)
    except ValueError as error:
        raise RequestError(f"publish: base64 cannot be decoded: {str(error).lower()}") from None


def publish(steering: Steering, topic: str, messages: Sequence[Message], key: str | None = None) -> Answer:
    """Publishes, and answers whom to. What is asked again with the same key is published once.

    Raises:
        RequestError: if the topic or the key is none.
        RepeatError: if something else was published with this key.
    """
    if not topic:
        raise RequestError("publish: topic is empty; a room's topic is its path, as /room/red")
    if key is None:
        return _answer(topic, steering.publish(topic, messages))
    if not 0 < len(key) <= LONGEST_KEY:
        raise RequestError(f"publish: the key has {len(key)} characters; it may have 1 to {LONGEST_KEY}")
    digest = _digest(topic, messages)
    try:
        before = steering.repeats.find(key, digest)
    except ValueError:
        raise RepeatError(f"publish: something else was published with the key {shorten(key)!r}; give each request its own") from None
    if before is not None:
        return {**_answer(topic, before), "repeated": True}
    published = steering.publish(topic, messages)
    steering.repeats.add(key, digest, published)
    return _answer(topic, published)


def _answer(topic: str, published: Published) -> Answer:
    return {"topic": topic, "members": published.members, "behind": published.behind, "known": published.is_known}


def _digest(topic: str, messages: Sequence[Message]) -> bytes:
    """What tells one request from another."""
    from hashlib import blake2b  # only where somebody gives a key

    digest = blake2b(digest_size=16)
    for part in (topic, *messages):
        data = part.encode() if isinstance(part, str) else part
        digest.update(b"%c%d:" % (b"t" if isinstance(part, str) else b"b", len(data)))
        digest.update(data)
    return digest.digest()


def health(steering: Steering) -> Answer:
    """Whether it is well and ready, and why not."""
    state = steering.state()
    return {"well": state.is_well, "ready": not state.reasons, "reasons": dict(state.reasons), "lag_ms": round(1000 * state.lag_s, 1)}


async def _reload(steering: Steering, arguments: Arguments) -> Answer:
    outcome = await steering.reload()
    answer: Answer = {"ok": outcome.ok, "summary": outcome.summary, "problems": list(outcome.problems), "facts": dict(outcome.facts)}
    if outcome.problems:
        answer["folder"] = working_folder()
    return answer if outcome.ok else {**answer, "error": outcome.summary}


async def _status(steering: Steering, arguments: Arguments) -> Answer:
    return {**steering.status(), "folder": working_folder()}


async def _memory(steering: Steering, arguments: Arguments) -> Answer:
    return {"handlers": await steering.memory()}


async def _health(steering: Steering, arguments: Arguments) -> Answer:
    return health(steering)


async def _publish(steering: Steering, arguments: Arguments) -> Answer:
    topic, key = arguments["topic"], arguments.get("key")
    assert isinstance(topic, str)
    assert key is None or isinstance(key, str)
    return publish(steering, topic, messages_of(arguments), key)


def working_folder() -> str | None:
    """What the places of problems are relative to; None where it is gone."""
    try:
        return os.getcwd()  # noqa: PTH109  a text for JSON
    except OSError:
        return None


LONGEST_WORD: Final = 60
LONGEST_KEY: Final = 256
MOST_MESSAGES: Final = 10_000

FORMS: Final = ("message", "json", "base64")
_FORMS_HELP: Final = "message (text), json (any value, sent as JSON text), base64 (sent as binary)"

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
        Command("memory", "how much memory each handler holds", _memory),
        Command("health", "whether the daemon is well and ready, and why not", _health),
        Command(
            "publish",
            "send messages to all members of a topic",
            _publish,
            (
                Parameter("topic", str, "the name of the topic; a room's is its path, as /room/red", required=True),
                Parameter("message", str, "a text message"),
                Parameter("json", object, "any value, sent as JSON text"),
                Parameter("base64", str, "a binary message"),
                Parameter("messages", list, "a list of messages: texts, or objects with message, json or base64"),
                Parameter("key", str, "a request that comes again with the same key within ten minutes is not published again"),
            ),
        ),
    )
}
"""All commands, by name."""
