"""The table of commands: what is understood, what is refused and with which words."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from wsrouter.daemon.commands import COMMANDS, RequestError, parse_request
from wsrouter.daemon.steering import ReloadOutcome


class Recorder:
    """A daemon that notes what it is asked."""

    def __init__(self, outcome: ReloadOutcome | None = None) -> None:
        self.outcome = outcome
        self.published: list[tuple[str, str | bytes]] = []

    async def reload(self) -> ReloadOutcome:
        assert self.outcome is not None
        return self.outcome

    def status(self) -> dict[str, object]:
        return {"state": "serving"}

    def publish(self, topic: str, message: str | bytes) -> int:
        self.published.append((topic, message))
        return 3


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

    assert answer == {"topic": "/room/red", "members": 3}
    assert steering.published == [("/room/red", message)]


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
        ({}, 'no command is given; write it as {"command": "status"}, known are publish, reload, status'),
        ({"command": 5}, 'command must be text, not a number; write it as {"command": "status"}, known are publish, reload, status'),
        ({"command": "relod"}, "there is no command 'relod'; did you mean reload? known are publish, reload, status"),
        ({"command": "x" * 5000}, f"there is no command '{'x' * 60}…'; known are publish, reload, status"),
        ({"command": "status", "all": True}, "status does not know 'all'; it takes no arguments"),
        (
            {"command": "publish", "topic": "t", "mesage": "hi"},
            "publish does not know 'mesage'; did you mean message? known are base64, json, message, topic",
        ),
        ({"command": "publish", "message": "hi"}, "publish needs topic: the name of the topic; a room's is its path, as /room/red"),
        ({"command": "publish", "topic": True, "message": "hi"}, "publish: topic must be text, not true or false"),
        ({"command": "publish", "topic": "t", "message": {"a": 1}}, "publish: message must be text, not an object"),
        ({"command": "publish", "topic": "", "message": "hi"}, "publish: topic is empty; a room's topic is its path, as /room/red"),
        (
            {"command": "publish", "topic": "t"},
            "publish: no message is given; give one of message (text), json (any value, sent as JSON text), base64 (sent as binary)",
        ),
        (
            {"command": "publish", "topic": "t", "message": "a", "json": 1},
            "publish: message and json are given; give one of message (text), json (any value, sent as JSON text), base64 (sent as binary)",
        ),
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
    assert sorted(COMMANDS) == ["publish", "reload", "status"]
    assert all(command.help and all(parameter.help for parameter in command.parameters) for command in COMMANDS.values())
