from __future__ import annotations

from wsrouter.config.document import parse_document
from wsrouter.config.merge import merge_settings, places_of
from wsrouter.config.nodes import MappingNode, plain_value
from wsrouter.config.problems import Problems
from wsrouter.config.settings import RouteSettings


def mapping(text: str, file: str = "s") -> MappingNode:
    node = parse_document(text, file, Problems())
    assert isinstance(node, MappingNode)
    return node


def merged(base: str, over: str) -> object:
    return plain_value(merge_settings(RouteSettings, mapping(base), mapping(over)))


def test_maps_merge_and_lists_replace():
    assert merged("{limits: {idle: 1s, age: 2s}, origins: [a, b]}", "{limits: {age: 3s}, origins: [c]}") == {
        "limits": {"idle": "1s", "age": "3s"},
        "origins": ["c"],
    }


def test_a_short_form_keeps_what_the_long_one_says_besides():
    assert merged("{limits: {message_rate: {rate: 100/s, burst: 200}}}", "{limits: {message_rate: 50/s}}") == {
        "limits": {"message_rate": {"rate": "50/s", "burst": 200}}
    }
    assert merged("{limits: {message_rate: 100/s}}", "{limits: {message_rate: {burst: 5}}}") == {"limits": {"message_rate": {"rate": "100/s", "burst": 5}}}


def test_an_empty_map_changes_nothing():
    assert merged("{limits: {idle: 1s}}", "{limits: }") == {"limits": {"idle": "1s"}}


def test_what_is_no_map_replaces_and_is_left_to_the_check():
    assert merged("{limits: {idle: 1s}}", "{limits: [5]}") == {"limits": [5]}


def test_each_value_keeps_its_place():
    both = merge_settings(RouteSettings, mapping("limits: {idle: 1s}\norigins: x", "defaults"), mapping("limits: {age: 1s}", "route"))

    assert {name: str(place) for name, place in places_of(both).items()} == {
        "limits": "route:1:1",
        "limits.idle": "defaults:1:10",
        "limits.age": "route:1:10",
        "origins": "defaults:2:1",
    }
