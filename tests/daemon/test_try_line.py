"""The command that a newcomer can try."""

from __future__ import annotations

import pytest

from wsrouter.daemon.try_line import example_path, reachable, try_command
from wsrouter.routing.pattern import parse_pattern


@pytest.mark.parametrize(
    ("urls", "hosts", "patterns", "command"),
    [
        (["ws://127.0.0.1:8765"], [], ["/room/{room}", "/echo"], "ws://127.0.0.1:8765/echo"),
        (["ws://0.0.0.0:80", "ws://[::]:80"], [], ["/"], "ws://127.0.0.1:80/"),
        (["ws://[::]:80"], [], ["/echo"], "'ws://[::1]:80/echo'"),
        (["ws+unix:/run/ws.sock", "ws://127.0.0.1:1"], [], ["/echo"], "ws://127.0.0.1:1/echo"),
        (["ws+unix:/run/ws.sock"], [], ["/echo"], "ws+unix:/run/ws.sock:/echo"),
        (["wss://127.0.0.1:443"], [], ["/echo"], "--no-check wss://127.0.0.1:443/echo"),
        (["ws://127.0.0.1:1"], [], ["/a/{x}/{n:int}/{rest:path}"], "ws://127.0.0.1:1/a/example/1/example"),
        (["ws://127.0.0.1:1"], [], ["/a b;c"], "ws://127.0.0.1:1/a%20b%3Bc"),
        (["ws://127.0.0.1:1"], ["example.com"], ["/echo"], "ws://example.com:1/echo"),
        (["ws://127.0.0.1:1"], ["127.0.0.1"], ["/echo"], "ws://127.0.0.1:1/echo"),
        (["ws://127.0.0.1:1"], ["example.com:80"], ["/echo"], "ws://example.com:80/echo"),
    ],
)
def test_it_names_an_address_and_a_path_that_are_served(urls: list[str], hosts: list[str], patterns: list[str], command: str) -> None:
    assert try_command(urls, hosts, [parse_pattern(pattern) for pattern in patterns]) == f"wsrouter connect {command}"


def test_any_address_is_written_as_this_machines() -> None:
    assert reachable("wss://0.0.0.0:10", []) == "wss://127.0.0.1:10"


def test_each_kind_of_parameter_has_an_example() -> None:
    assert example_path(parse_pattern("/{a}/{b:int}/{c:path}")) == "/example/1/example"
