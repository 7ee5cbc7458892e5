from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated

import pytest
from jsonschema import Draft7Validator

from wsrouter.api.options import REQUIRED, Option, OptionField
from wsrouter.config.document import parse_document
from wsrouter.config.nodes import plain_value
from wsrouter.config.problems import Problems
from wsrouter.config.schema import site_schema
from wsrouter.config.settings import Log, RouteSettings, Server

HERE = Path(__file__).parent


@pytest.fixture
def schema(handlers):
    return site_schema(handlers)


def errors(schema: object, text: str) -> list[str]:
    node = parse_document(text, "s", Problems())
    assert node is not None
    return [error.message for error in Draft7Validator(schema).iter_errors(plain_value(node))]


def test_the_schema_is_one_and_can_be_written(schema):
    Draft7Validator.check_schema(schema)

    assert json.loads(json.dumps(schema)) == schema


def test_the_reference_site_fits_the_schema(schema):
    assert errors(schema, (HERE / "reference_site.yaml").read_text("utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "routes: {/a: echo}",
        "routes: {/a: {echo: }}",
        "routes: {/a: hello:Greeter}",
        "routes: {/a: {some_plugin: {any: thing}, origins: '*'}}",
        "routes: {/a: [echo, {some_plugin: {any: thing}}]}",
        "routes: {/a: {handler: limits, options: {most: 5}}}",
        "routes: {/a: {steps: [echo], limits: {idle: 5s}}}",
        "routes: {/a: {broadcast: {history: {age: 1h, messages: 5}}}}",
        "routes: {/a: {periodic: {message: [1, {a: '{now}'}]}}}",
        "server: {listen: 8765}",
        "server: {listen: ':8765'}",
        "server: {listen: ['[::1]:80', {address: unix:/a, mode: '0660'}]}",
        "server: {limits: {connections: auto, connections_per_address: '${MOST:-5}'}}",
        "log: {level: '${LEVEL:-info}'}",
        "defaults: {limits: {message_rate: 0, byte_rate: 5/s, idle: '${IDLE}'}}",
        "defaults: {limits: {message_rate: {rate: 5/s, burst: 5}}}",
        "plugins: a",
        "plugins: [a, b]",
        "plugins: {watch: true}",
        "defaults: {limits: }",
        "x-mine: {a: 5}",
    ],
)
def test_what_the_check_takes_fits_the_schema(schema, text):
    assert errors(schema, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "sever: {}",
        "server: {listen: {adress: 5}}",
        "server: {limits: {handshake: 5}}",
        "server: {limits: {connections_per_address: -1}}",
        "log: {level: inof}",
        "routes: {a: echo}",
        "routes: {/a: 5}",
        "routes: {/a: []}",
        "routes: {/a: {broadcast: {histry: 5}}}",
        "routes: {/a: {broadcast: {to_sender: 'on'}}}",
        "routes: {/a: {transform: {text: uper}}}",
        "routes: {/a: {transform: {as_: json}}}",
        "routes: {/a: {periodic: {every: 1s}}}",
        "routes: {/a: {echo: {}, limits: {idle: 5}}}",
        "routes: {/a: [{broadcast: {histry: 5}}]}",
        "routes: {/a: [{echo: {}, shout: {}}]}",
        "defaults: {compression: 'on'}",
    ],
)
def test_what_the_check_refuses_does_not_fit_the_schema(schema, text):
    assert errors(schema, text) != []


def test_handlers_are_completed_with_their_options(schema):
    definitions = schema["definitions"]
    history = definitions["options of broadcast"]["properties"]["history"]

    assert definitions["step"]["anyOf"][1]["properties"]["broadcast"] == {"$ref": "#/definitions/options of broadcast"}
    assert {"const": "echo", "description": "Sends every message back."} in definitions["handler"]["anyOf"]
    assert history["description"] == "What a newcomer gets first."
    assert definitions["options of broadcast"]["properties"]["topic"]["default"] == "{path}"


def test_a_handler_named_as_a_setting_does_not_hide_it(schema):
    properties = schema["definitions"]["route"]["anyOf"][2]["properties"]

    assert "message_size" in properties["limits"]["properties"]


def walk(record: object):
    if isinstance(record, dict):
        for name, inner in record.get("properties", {}).items():
            yield name, inner
            yield from walk(inner)


@pytest.mark.parametrize("key", ["server", "log", "defaults"])
def test_every_setting_has_a_sentence_of_help(schema, key):
    assert [name for name, inner in walk(schema["properties"][key]) if not inner.get("description")] == []
    assert len(list(walk(schema["properties"][key]))) >= len({"server": Server, "log": Log, "defaults": RouteSettings}[key].__struct_fields__)


def test_defaults_are_written_as_the_site_writes_them(schema):
    limits = schema["properties"]["defaults"]["properties"]["limits"]["properties"]

    assert (limits["message_size"]["default"], limits["idle"]["default"]) == ("64KiB", "0s")


class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


def test_options_of_all_kinds_have_a_schema(handlers):
    made = type(handlers[0])(
        "all",
        "",
        (
            OptionField("mood", Mood, Mood.GOOD, ""),
            OptionField("names", Annotated[list[str], Option(min_length=1)], REQUIRED, ""),
            OptionField("by_name", dict[str, int], REQUIRED, ""),
            OptionField("anything", object, None, ""),
        ),
    )
    options = site_schema([made])["definitions"]["options of all"]

    assert options["required"] == ["names", "by_name"]
    assert options["properties"]["mood"]["default"] == "good"
    assert options["properties"]["names"] == {"type": "array", "items": {"type": "string"}, "minItems": 1}
    assert options["properties"]["by_name"]["additionalProperties"]["anyOf"][0] == {"type": "integer"}
    assert options["properties"]["anything"] == {"default": None}
