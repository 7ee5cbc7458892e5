"""The settings of the private side: `admin` and `server.health`."""

from __future__ import annotations

import pytest

from wsrouter.config.settings import Admin

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("127.0.0.1:9464", Admin(address="127.0.0.1:9464")),
        ("9464", Admin(address="9464")),
        ("localhost:9464", Admin(address="localhost:9464")),
        ('"[::1]:9464"', Admin(address="[::1]:9464")),
        ("", Admin()),
        (f"{{address: 0.0.0.0:9464, token: '{TOKEN}'}}", Admin(address="0.0.0.0:9464", token=TOKEN)),
        ("{address: 127.0.0.1:9464, token: '${T}'}", Admin(address="127.0.0.1:9464", token=TOKEN)),
    ],
)
def test_the_private_side_has_an_address_and_perhaps_a_token(load, text, expected):
    loaded = load(f"admin: {text}\nroutes: {{/e: echo}}\n", environ={"T": TOKEN})

    assert loaded.lines == []
    assert loaded.site.admin == expected


@pytest.mark.parametrize("address", ["0.0.0.0:9464", '":9464"', "192.0.2.5:9464", '"[::]:9464"', "example.com:9464", "127.example.com:9464"])
def test_an_address_that_others_reach_needs_a_token(load, address):
    loaded = load(f"admin: {address}\nroutes: {{/e: echo}}\n")

    (line,) = loaded.lines
    assert line.startswith("site.yaml:1:8: admin: ")
    assert line.endswith(" can be reached from outside: give a token ({address: ..., token: ...}), or listen on 127.0.0.1")


@pytest.mark.parametrize(
    "text, line",
    [
        (
            "unix:/run/x.sock",
            "1:8: unix:/run/x.sock is a Unix socket, and the private side has one of its own: write 127.0.0.1:9464, or delete it",
        ),
        ("{token: abcdefghijklmnop}", "1:16: admin: a token without an address: add address: 127.0.0.1:9464, the Unix socket needs none"),
        ("{address: '9464', token: short}", "1:33: this token has 5 characters, and 16 are the least: make one with openssl rand -hex 32"),
        (
            "{address: '9464', token: 'with a space in it'}",
            "1:33: a token has printable ASCII characters only, and no spaces: make one with openssl rand -hex 32",
        ),
        ("{adress: 9464}", '1:9: unknown key "adress" in admin: did you mean address? known are address, token'),
    ],
)
def test_what_is_wrong_with_it_is_told_with_its_place_and_without_the_token(load, text, line):
    (found,) = load(f"admin: {text}\nroutes: {{/e: echo}}\n").lines

    assert found == f"site.yaml:{line}"


@pytest.mark.parametrize("path", ["healthz", "/health?x", "/{room}", "/a b", "http://x/"])
def test_a_health_path_that_nobody_could_ask_for_is_refused(load, path):
    (line,) = load(f'server: {{health: "{path}"}}\nroutes: {{/e: echo}}\n').lines

    assert line.endswith(f'"{path}" is no path: write /healthz, without a query and without parameters')
