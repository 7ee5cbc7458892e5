"""The table of commands: what is understood, what is refused and with which words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from wsrouter.admin.commands import COMMANDS, RepeatError, RequestError, parse_request
from wsrouter.admin.repeats import Repeats
from wsrouter.admin.steering import Published, ReloadOutcome, State

FORMS = "message (text), json (any value, sent as JSON text), base64 (sent as binary)"


class Recorder:
    """A daemon that notes what it is asked."""

    def __init__(self, outcome: ReloadOutcome | None = None) -> None:
        self.outcome = outcome
        self.published: list[tuple[str, str | bytes]] = []
        self.repeats: Repeats[Published] = Repeats(time.monotonic)

    async def reload(self) -> ReloadOutcome:
        assert self.outcome is not None
        return self.outcome

    def status(self) -> dict[str, object]:
        return {"state": "serving"}

    def state(self) -> State:
        return State(is_well=True, lag_s=0.0012, reasons={"overload": "memory: 95 %"})

    def publish(self, topic: str, messages: Sequence[str | bytes]) -> Published:
        self.published += [(topic, message) for message in messages]
        return Published(3, 1, is_known=True)

    async def metrics(self, accept: str) -> tuple[str, bytes]:
        raise AssertionError


def execute(request: object, steering: Recorder | None = None) -> dict[str, object]:
    command, arguments = parse_request(request)
    return asyncio.run(command.run(steering or Recorder(), arguments))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"message": "hi"}, "hi"),
        ({"message": ""}, ""),
        ({"json": {"b": [1, None], "a": "é"}}, '{"b":[1,null],"a":"é"}'),
        ({"json": None}, "null"),
        ({"base64": "AP8="}, b"\x00\xff"),
    ],
)
def test_a_message_is_published_as_text_as_json_or_as_binary(arguments, message):
    steering = Recorder()
    answer = execute({"command": "publish", "topic": "/room/red", **arguments}, steering)

    assert answer == {"topic": "/room/red", "members": 3, "behind": 1, "known": True}
    assert steering.published == [("/room/red", message)]


def test_many_messages_are_published_in_their_order():
    steering = Recorder()
    execute({"command": "publish", "topic": "t", "messages": ["a", {"message": "b"}, {"json": [1]}, {"base64": "AP8="}]}, steering)

    assert steering.published == [("t", "a"), ("t", "b"), ("t", "[1]"), ("t", b"\x00\xff")]


def test_what_comes_again_with_its_key_is_published_once_and_something_else_with_it_is_refused():
    steering = Recorder()
    request = {"command": "publish", "topic": "t", "message": "hi", "key": "k1"}
    answers = [execute(request, steering) for _ in range(2)]
    for other in ({"message": "ho"}, {"topic": "u"}, {"message": None, "base64": "aGk="}):
        changed = {name: value for name, value in {**request, **other}.items() if value is not None}
        with pytest.raises(RepeatError, match="something else was published with the key 'k1'"):
            execute(changed, steering)

    assert answers == [{"topic": "t", "members": 3, "behind": 1, "known": True}, {"topic": "t", "members": 3, "behind": 1, "known": True, "repeated": True}]
    assert steering.published == [("t", "hi")]
    execute({**request, "key": "k2"}, steering)
    assert len(steering.published) == 2


def test_the_health_is_answered_with_its_reasons():
    assert execute({"command": "health"}) == {"well": True, "ready": False, "reasons": {"overload": "memory: 95 %"}, "lag_ms": 1.2}


def test_a_reload_answers_with_its_summary_and_its_counts():
    outcome = ReloadOutcome(True, "routes: 1 changed", facts={"changed": 1})

    assert execute({"command": "reload"}, Recorder(outcome)) == {"ok": True, "summary": "routes: 1 changed", "problems": [], "facts": {"changed": 1}}


def test_a_reload_that_failed_answers_with_its_problems_and_with_the_folder_that_their_files_are_in():
    outcome = ReloadOutcome(False, "not reloaded: 1 problem", ("site.yaml:1:1: no",))

    assert execute({"command": "reload"}, Recorder(outcome)) == {
        "ok": False,
        "error": "not reloaded: 1 problem",
        "summary": "not reloaded: 1 problem",
        "problems": ["site.yaml:1:1: no"],
        "facts": {},
        "folder": str(Path.cwd()),
    }


@pytest.mark.parametrize(
    "request_, error",
    [
        ([1], 'a request is an object, as {"command": "status"}, not a list'),
        (None, 'a request is an object, as {"command": "status"}, not null'),
        ({}, 'no command is given; write it as {"command": "status"}, known are health, memory, publish, reload, status'),
        ({"command": 5}, 'command must be text, not a number; write it as {"command": "status"}, known are health, memory, publish, reload, status'),
        ({"command": "relod"}, "there is no command 'relod'; did you mean reload? known are health, memory, publish, reload, status"),
        ({"command": "x" * 5000}, f"there is no command '{'x' * 60}…'; known are health, memory, publish, reload, status"),
        ({"command": "status", "all": True}, "status does not know 'all'; it takes no arguments"),
        (
            {"command": "publish", "topic": "t", "mesage": "hi"},
            "publish does not know 'mesage'; did you mean message? known are base64, json, key, message, messages, topic",
        ),
        ({"command": "publish", "message": "hi"}, "publish needs topic: the name of the topic; a room's is its path, as /room/red"),
        ({"command": "publish", "topic": True, "message": "hi"}, "publish: topic must be text, not true or false"),
        ({"command": "publish", "topic": "t", "message": {"a": 1}}, "publish: message must be text, not an object"),
        ({"command": "publish", "topic": "", "message": "hi"}, "publish: topic is empty; a room's topic is its path, as /room/red"),
        (
            {"command": "publish", "topic": "t"},
            "publish: no message is given; give one of message (text), json (any value, sent as JSON text), base64 (sent as binary), messages (a list)",
        ),
        (
            {"command": "publish", "topic": "t", "message": "a", "json": 1},
            "publish: message and json are given; give one of message (text), json (any value, sent as JSON text), base64 (sent as binary), messages (a list)",
        ),
        ({"command": "publish", "topic": "t", "messages": []}, "publish: messages has 0 items; give 1 to 10000"),
        (
            {"command": "publish", "topic": "t", "messages": ["a", 5]},
            f"publish: item 2 of messages must be text, or an object with one of {FORMS}, not a number",
        ),
        (
            {"command": "publish", "topic": "t", "messages": [{"text": "a"}]},
            f"publish: item 1 of messages must be text, or an object with one of {FORMS}, not an object with text",
        ),
        ({"command": "publish", "topic": "t", "messages": [{"base64": 1}]}, "publish: base64 of item 1 of messages must be text, not a number"),
        ({"command": "publish", "topic": "t", "message": "a", "key": ""}, "publish: the key has 0 characters; it may have 1 to 256"),
        ({"command": "publish", "topic": "t", "base64": "AP8"}, "publish: base64 cannot be decoded: incorrect padding"),
        ({"command": "publish", "topic": "t", "base64": "é"}, "publish: base64 cannot be decoded: string argument should contain only ascii characters"),
    ],
)
def test_a_request_that_cannot_be_done_is_refused_in_one_line(request_, error):
    steering = Recorder()
    with pytest.raises(RequestError) as refused:
        execute(request_, steering)

    assert str(refused.value) == error
    assert not steering.published


def test_every_command_and_parameter_has_its_sentence_of_help():
    assert sorted(COMMANDS) == ["health", "memory", "publish", "reload", "status"]
    assert all(command.help and all(parameter.help for parameter in command.parameters) for command in COMMANDS.values())
