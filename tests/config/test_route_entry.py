"""Routes that are right; those that are wrong stand in bad_sites/."""

from __future__ import annotations

import pytest

from wsrouter.api.template import Template
from wsrouter.config.settings import Rate


@pytest.mark.parametrize(
    "route, steps",
    [
        ("echo", [("echo", {})]),
        ("{echo: }", [("echo", {})]),
        ("{echo: {}}", [("echo", {})]),
        ("{shout: {suffix: x}}", [("shout", {"suffix": "x"})]),
        ("{shout: {suffix: x}, origins: '*'}", [("shout", {"suffix": "x"})]),
        ("[echo, {shout: {suffix: x}}]", [("echo", {}), ("shout", {"suffix": "x"})]),
        ("{steps: [echo, shout], limits: {idle: 1s}}", [("echo", {}), ("shout", {})]),
        ("{handler: shout, options: {suffix: x}, limits: {idle: 1s}}", [("shout", {"suffix": "x"})]),
        ("{handler: limits, options: {most: 5}}", [("limits", {"most": 5})]),
        ("limits", [("limits", {})]),
        ("[limits, {limits: {most: 5}}]", [("limits", {}), ("limits", {"most": 5})]),
        ("[{handler: limits, options: {most: 5}}, {handler: echo}]", [("limits", {"most": 5}), ("echo", {})]),
        ("{transform: {text: upper, }}", [("transform", {"text": "upper"})]),
        ("{broadcast: {topic: 'x/{room}'}}", [("broadcast", {"topic": Template("x/{room}")})]),
        ("{periodic: {every: 1s, message: ['{n}', b]}}", [("periodic", {"every": 1.0, "message": [Template("{n}"), Template("b")]})]),
    ],
)
def test_each_form_of_a_route_gives_its_steps(load, route, steps):
    loaded = load(f"routes:\n  /a/{{room}}: {route}\n")

    assert loaded.lines == []
    assert [(step.name, step.options) for step in loaded.site.routes[0].steps] == steps


def test_an_option_that_python_reserves_is_written_without_its_underscore(load):
    loaded = load("routes: {/a: {handler: transform, options: {as: json}}}")

    assert loaded.lines == []
    assert loaded.site.routes[0].steps[0].options == {"as_": "json"}


def test_a_route_overrides_the_defaults_and_knows_where_each_value_comes_from(load):
    loaded = load(
        "defaults:\n  limits: {idle: 5s, message_rate: {rate: 9/s, burst: 3}}\n  origins: '*'\n"
        "routes:\n  /a: echo\n  /b:\n    echo:\n    limits: {message_rate: 1/s}\n"
    )
    plain, own = loaded.site.routes

    assert (plain.settings.limits.idle, plain.settings.limits.message_rate) == (5.0, Rate(rate=9.0, burst=3))
    assert (own.settings.limits.idle, own.settings.limits.message_rate, own.settings.origins) == (5.0, Rate(rate=1.0, burst=3), "*")
    assert (own.sources["limits.idle"].line, own.sources["limits.message_rate"].line, own.sources["origins"].line) == (2, 8, 3)
    assert "keepalive.ping" not in own.sources


def test_a_step_and_a_route_know_where_they_stand(load):
    route = load("routes:\n  /a:\n    - echo\n    - shout: {}\n").site.routes[0]

    assert (route.place.line, route.place.column) == (2, 3)
    assert [(step.place.line, step.place.column) for step in route.steps] == [(3, 7), (4, 7)]
