from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrouter.access.addresses import parse_networks
from wsrouter.access.hosts import valid_host
from wsrouter.access.origins import OriginPolicy
from wsrouter.config.texts import check_host, check_network, check_not_empty, check_origin, check_subprotocol


@pytest.mark.parametrize(
    "check, text",
    [
        (check_origin, text)
        for text in (
            "https://example.com",
            "http://localhost:*",
            "https://*.example.com",
            "http://[::1]:3000",
            "app://x",
            "null",
            "*",
            "same-host",
            "https://a:8443",
        )
    ]
    + [(check_host, text) for text in ("example.com", "example.com:8765", "localhost", "[::1]:80", "127.0.0.1", "a_b.local")]
    + [(check_network, text) for text in ("10.0.0.5", "10.0.0.0/8", "fd00::/8", "unix")]
    + [(check_subprotocol, "chat.v1"), (check_subprotocol, "graphql-ws"), (check_not_empty, "a")],
)
def test_what_fits_is_quiet(check, text):
    check(text)


@pytest.mark.parametrize(
    "check, text, cure",
    [
        (check_origin, "example.com", "write https://example.com"),
        (check_origin, "*.example.com:8000", "write https://*.example.com:8000"),
        (check_origin, "https://example.com/", "write https://example.com"),
        (check_origin, "https://example.com/path?x", "write https://example.com"),
        (check_origin, "https://a.*.com", "as in https://*.example.com"),
        (check_origin, "https://*", "as in https://*.example.com"),
        (check_origin, "https://*a.com", "as in https://*.example.com"),
        (check_origin, "wss://a.com:80", "write https://a.com:80"),
        (check_origin, "ws://a.com", "write http://a.com"),
        (check_origin, "http://a:99999", "up to 65535"),
        (check_origin, "", "write https://example.com"),
        (check_origin, "https://münchen.de", "write one in ASCII"),
        (check_origin, "https://-a", "is no name of a host"),
        (check_origin, "https://[::g]", "is no name of a host"),
        (check_origin, "https://*.[::1]", "has more than scheme, host and port"),
        (check_host, "*.example.com", "* stands for nothing here"),
        (check_host, "a:99999", "write a name as example.com"),
        (check_host, "https://a", "write a name as example.com"),
        (check_host, "", "write a name as example.com"),
        (check_host, "a/b", "write a name as example.com"),
        (check_network, "10.0.0.1/8", "write 10.0.0.0/8"),
        (check_network, "here", "write 10.0.0.5"),
        (check_subprotocol, "chat v1", "as chat.v1"),
        (check_subprotocol, "", "as chat.v1"),
        (check_not_empty, "", "write a path"),
        (check_not_empty, "a\0", "write a path"),
    ],
)
def test_what_can_never_match_is_answered_with_what_to_write(check, text, cure):
    with pytest.raises(ValueError) as caught:
        check(text)

    assert cure in str(caught.value)


@given(st.sampled_from([check_origin, check_host, check_network, check_subprotocol, check_not_empty]), st.text("a*.:/[]@?# \0%é8", max_size=20))
def test_any_text_fits_or_is_a_value_error(check, text):
    with suppress(ValueError):
        check(text)


PIECES = [
    "https",
    "http",
    "app",
    "://",
    "*",
    ".",
    "example",
    "com",
    ":",
    "80",
    "*.",
    "[::1]",
    "[",
    "]",
    "null",
    "a_b",
    "-",
    "é",
    "127.0.0.1",
    "/8",
    "::1",
    "/",
    "?",
    "@",
    " ",
    "file",
    "+",
    "A",
    "99999",
    "a" * 70,
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)


def takes(check, text: str) -> bool:
    try:
        check(text)
    except ValueError:
        return False
    return True


@given(st.sampled_from(["", "https://", "app://", "https://*."]), TEXTS)
def test_access_takes_whatever_origin_the_check_takes(start, text):
    """Config may not import access: this is what keeps the two from drifting apart."""
    if takes(check_origin, start + text):
        OriginPolicy([start + text])


@given(TEXTS)
def test_access_takes_whatever_host_and_network_the_check_takes(text):
    if takes(check_host, text):
        assert valid_host(text)
    if takes(check_network, text):
        parse_networks([text])
